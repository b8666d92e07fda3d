"""Rewards as the published systems compute them, defects included, to reproduce their numbers and no more.

By name and system: `by_name("same_choice", as_published="vlm_r1")`, or `same_choice@vlm_r1`. Most read the
whole completion instead of the answer that was parsed. Each docstring names the defects; the verifiers of the
same name elsewhere in this package are without them. Boxes: `published_boxes.py`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Indel

from seethink.types import Example, Response, Score, Verifier
from seethink.verify import published_boxes as boxes
from seethink.verify.shape import PerToken, said_once
from seethink.verify.symbolic import believed
from seethink.verify.text import shown

_TAGS = r"<think>(?>.*?</think>\s*<answer>).*?</answer>"
_AS_WRITTEN = r"<think>.*?</think>\s*<answer>.*?</answer>"


@dataclass(frozen=True)
class Grammar:
    """1 if a regular expression finds its form in the completion, else 0.

    The published expression is `<think>.*?</think>\\s*<answer>.*?</answer>`; where a dot matches newlines,
    the atomic group finds the same, and in linear time.

    how: "fullmatch", or "match" (what follows is free).
    dots: whether a dot matches newlines; where not, a thought of two lines is malformed. Range: {0, 1}.
    """

    pattern: str = _TAGS
    how: Literal["fullmatch", "match"] = "fullmatch"
    dots: bool = True

    def __call__(self, example: Example, response: Response) -> Score:
        found = getattr(re.compile(self.pattern, re.DOTALL if self.dots else 0), self.how)(response.text)
        return Score(float(bool(found)), f"the published form is {'there' if found else 'not there'}")


@dataclass(frozen=True)
class BelievedOrExact:
    """1 if math-verify believes any of the completion, or if the first answer tag holds the gold to the
    letter.

    Formula: verify(parse(completion), parse(gold)) or first `<answer>` == gold, spaces stripped. Defects: the
    whole completion is parsed, so a number in the thought can be paid; gold and answer change places; an
    answer of several lines has no tag (no DOTALL); what math-verify raises counts as unequal. Range: {0, 1};
    None without gold. Source: the accuracy reward of open-r1-multimodal and R1-V (math-verify 0.5.2 there).
    letter: then VisualThinker-R1-Zero's, also the last letter A to H between blanks or brackets. first: then
    Open-R1-Video's instead, the first characters of answer and gold, so that "A person pours it" is option A.
    """

    letter: bool = False
    first: bool = False

    def __call__(self, example: Example, response: Response) -> Score:
        if example.answer is None:
            return Score(None, "the example has no gold answer")
        gold = _in_one_line(example.answer)
        if believed(gold, response.text):
            return _paid(True, response.text, gold)
        if self.first:
            told = "".join(boxes.tagged(response.text)[:1]).strip()
            return _paid(bool(told and gold) and told[0] == gold[0], told, gold)
        told = _in_one_line(response.text)
        letters = re.findall(r"(?:^|\s|\[|\()([A-H])(?=\s|\]|\)|$)", told) if self.letter else []
        return _paid(told == gold or letters[-1:] == [gold], told, gold)


def counted(example: Example, response: Response) -> Score:
    """1 if the first answer tag holds the gold's integer and nothing else.

    Formula: int(`<answer>\\s*(\\d+)\\s*</answer>`) == gold, anywhere in the completion, of several the first.
    Range: {0, 1}; None if the gold is no integer. Source: R1-V's evaluation on SuperCLEVR.
    """
    if not (gold := re.fullmatch(r"\s*([0-9]{1,18})\s*", str(example.answer))):
        return Score(None, f"the gold {shown(example.answer)} is no integer")
    found = re.search(r"<answer>\s*(\d{1,18})\s*</answer>", response.text)
    return _paid(bool(found) and int(found[1]) == int(gold[1]), found[1] if found else None, gold[1])


def vlm_r1_default(example: Example, response: Response) -> Score:
    """VLM-R1's default accuracy, in four steps; the first that applies decides.

    Formula: the last answer tag, else the whole text, against the gold: (1) 1 if math-verify believes it; (2)
    if the gold holds a digit: equality of floats, or else the ratio of edits; (3) if the gold holds an option
    letter: equality of letters; (4) the ratio of edits. Defects: gold and answer change places in (1); wrong
    text earns its ratio ("1984" is a float, "1984 AD" is not); a letter before a bracket or blank is not
    seen. Range: [0, 1]; None without gold. Source: VLM-R1's default_accuracy_reward.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    told, gold = _last(response.text), _in_one_line(example.answer)
    if believed(gold, told):
        return _paid(True, told, gold)
    if re.search(r"\d", gold):
        try:
            return _paid(float(told) == float(gold), told, gold)
        except ValueError as error:
            return _ratio(told, gold, f"{error}; ")
    if letter := vlm_r1_letter(gold):
        return _paid(vlm_r1_letter(told) == letter, told, gold)
    return _ratio(told, gold)


def r1_onevision_default(example: Example, response: Response) -> Score:
    """R1-Onevision's default accuracy.

    Formula: 1 if math-verify believes the completion; else, with the answer tag: equal text where the gold
    holds a digit; equal letters where the gold says `Answer: X`; else the ratio of edits. Defects: those of
    its letters; a gold that is one letter is compared by edits. Range: [0, 1]; None without gold. Source:
    R1-Onevision's fork of VLM-R1.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    gold, told = _in_one_line(example.answer), _told(response.text)
    if believed(gold, response.text):
        return _paid(True, told, gold)
    if re.search(r"\d", gold):
        return _paid(told == gold, told, gold)
    if found := re.search(r"Answer:\s*([A-D])", gold):
        return _paid(r1_onevision_letter(told) == found[1], told, gold)
    return _ratio(told, gold)


@dataclass(frozen=True)
class LetterGuess:
    """1 if the letters guessed from the answer tag and from the gold are equal, else 0.

    among: "vlm_r1" or "r1_onevision", whose guess it is. Defects: a letter's place is that of its first
    occurrence, even inside a word; VLM-R1 does not see a letter before a bracket or a blank; R1-Onevision
    knows A to D, and takes the article "a" for one of them. Range: {0, 1}; None without gold. Source: their
    mcq rewards.
    """

    among: Literal["vlm_r1", "r1_onevision"]

    def __call__(self, example: Example, response: Response) -> Score:
        if example.answer is None:
            return Score(None, "the example has no gold answer")
        guess = vlm_r1_letter if self.among == "vlm_r1" else r1_onevision_letter
        told = guess(_told(response.text))
        gold = guess(_told(example.answer)) or example.answer
        return _paid(told == gold, told, gold)


_HINTS = (
    *("答案", "选择", "正确", "是", "对", "answer", "correct", "choose", "select", "right"),
    *("认为", "应该", "觉得", "think", "believe", "should"),
)


def vlm_r1_letter(text: str) -> str | None:
    return _likeliest(text, r"(?<![A-Z])([A-Z])(?=[.,?!:;]|$)")


def r1_onevision_letter(text: str) -> str | None:
    return _likeliest(text, r"(?<![A-Z])([A-D])(?![A-Z])")


def _likeliest(text: str, letters: str) -> str | None:
    """The candidate with most hints around its first occurrence; among equals, the first candidate."""
    text = " ".join(text.upper().split())
    found = list(dict.fromkeys(re.findall(letters, text)))

    def hints(letter: str) -> int:
        at = text.find(letter)
        near = text[max(0, at - 20) : at + 21]
        late, closed = at > 0.7 * len(text), text[at + 1 : at + 2] in tuple("。.!！,，")
        return sum(hint.upper() in near for hint in _HINTS) + 2 * late + closed

    return max(found, key=hints) if found else None


def vlm_r1_yes_no(example: Example, response: Response) -> Score:
    """1 if the first letters "yes" or "no" in answer and gold are equal. Defects: "know", "not" and "another"
    hold a no; two texts that hold neither are equal. Range: {0, 1}; None without gold. Source: VLM-R1's
    yes_no_reward."""
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    told, gold = (
        "".join(re.findall(r"yes|no", _told(text).lower())[:1]) for text in (response.text, example.answer)
    )
    return _paid(told == gold, told, gold)


def vlm_r1_all_match(example: Example, response: Response) -> Score:
    """1 if the last answer tag, else the whole text, is the gold: case folded, full stops off the end. Range:
    {0, 1}; None without gold. Source: VLM-R1's all_match_reward."""
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    told, gold = boxes.clean(response.text), boxes.clean(example.answer)
    return _paid(told == gold, told, gold)


def vlm_r1_cosine(example: Example, response: Response) -> Score:
    """The length reward as coded: 1 - (1 - cos(pi tokens / 1024)) / 4. Defects: every answer counts as right;
    nothing is clamped, so 2,048 tokens earn 1 again. Range: [0.5, 1]; None where tokens were not counted.
    Source: VLM-R1's cosine_reward."""
    if not response.n_tokens and response.text:
        return Score(None, "tokens were not counted")
    value = 1 - 0.25 * (1 - math.cos(math.pi * response.n_tokens / 1024))
    return Score(min(1.0, value), f"{response.n_tokens} tokens")


def vlm_r1_repetition(example: Example, response: Response) -> Score:
    """Boxes where the completion holds JSON with boxes, else 6-grams of the words between blanks.

    Formula: published r = -(1 - different / all), the score is r + 1; 1 for fewer than six words. Defects:
    text without blanks is one word and never repeats. Broken JSON, which the original mends, counts as words.
    Range: (0, 1]; always judged. Source: VLM-R1's repetition_reward.
    """
    found = boxes.any_fence(response.text)
    if found:
        return said_once([f"{item.corners}_{item.label}" for item in found], "boxes")
    words = response.text.lower().split()
    return said_once([tuple(words[i : i + 6]) for i in range(len(words) - 5)], "6-grams")


def _last(text: str) -> str:
    found = boxes.tagged(text)
    return (found[-1] if found else text).strip()


def _told(text: str) -> str:
    """What the first tag holds, else all."""
    return "".join(boxes.tagged(text)[:1] or [text]).strip()


def _in_one_line(text: str) -> str:
    """What the first tag holds that opens and closes in one line, else all."""
    return next((tags[0] for line in text.split("\n") if (tags := boxes.tagged(line))), text).strip()


def vlm_r1_math(example: Example, response: Response) -> Score:
    """VLM-R1's accuracy for mathematics: one of three comparisons has to hold.

    Formula: answer and gold, each its last answer tag, else the whole text, in one line of lower case
    without a full stop at the end; 1 if they are equal, if math-verify believes it, or if their last
    `\\boxed`, else all of them, is equal after the normalisation of Hendrycks et al. 2021; else 0. Defects:
    lower case makes other LaTeX of it (`\\Delta`, `X` beside `x`); gold and answer change places in the
    second; what math-verify raises ends the run there, and counts as unequal here. Range: {0, 1}; None
    without gold. Source: VLM-R1's math reward.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    told, gold = boxes.clean(response.text), boxes.clean(example.answer)
    if told == gold or believed(gold, told):
        return _paid(True, told, gold)
    return _paid(_normalised(_last_boxed(told)) == _normalised(_last_boxed(gold)), told, gold)


def _last_boxed(text: str) -> str:
    """What stands in the last `\\boxed{...}`, its braces balanced; the text itself where there is none."""
    at = text.rfind("\\boxed{")
    depth = 0
    for i in range(at + len("\\boxed"), len(text)) if at >= 0 else ():
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[at + len("\\boxed{") : i]
    return text


_REMOVED = ("\n", "\\!", "\\left", "\\right", "^{\\circ}", "^\\circ", "\\$", "\\%", "%")


def _normalised(text: str) -> str:
    """Hendrycks' spelling of an answer: no spaces, units or degrees, one way to write fractions and roots."""
    for name in _REMOVED:
        text = text.replace(name, "")
    text = re.sub(r"\\[td]frac", r"\\frac", text.replace("\\\\", "\\"))
    text = text.partition("\\text{ ")[0].strip()
    text = re.sub(r"(^|[ {])\.(?=\d)", r"\g<1>0.", text)
    if re.fullmatch(r"[^=]{1,2} ?= ?[^=]+", text):
        text = text.partition("=")[2]
    text = re.sub(r"\\sqrt ?([^{\s\\])", r"\\sqrt{\1}", text).replace(" ", "")
    text = re.sub(r"\\frac([^{\\])([^{\\])", r"\\frac{\1}{\2}", text)
    text = re.sub(r"^(-?\d+)/(-?\d+)$", r"\\frac{\1}{\2}", text)
    return r"\frac{1}{2}" if text == "0.5" else text


def _ratio(told: str, gold: str, why: str = "") -> Score:
    value = Indel.normalized_similarity(boxes.clean(told), boxes.clean(gold))
    return Score(value, f"{why}read {shown(told)}, {value:.0%} of {shown(gold)}")


def _paid(equal: bool, told: str | None, gold: str) -> Score:
    return Score(float(equal), f"read {shown(told)}, the gold is {shown(gold)}")


_SOMEWHERE = r"(?>.*?<think>)(?>.*?</think>\s*<answer>)"
_FOUR = r"(?>.*?\[\d+,\s*\d+,\s*\d+,\s*\d+\])"
PUBLISHED: dict[str, dict[str, Verifier]] = {
    "vlm_r1": {
        "same_answer": vlm_r1_default,
        "same_math": vlm_r1_math,
        "same_choice": LetterGuess("vlm_r1"),
        "same_text": vlm_r1_all_match,
        "yes_no": vlm_r1_yes_no,
        "box_iou": boxes.PixelIoU(),
        "boxes": boxes.CocoPrecision(),
        "ap50": boxes.CocoPrecision(thresholds=(0.5,)),
        "boxes_length": boxes.CocoPrecision(by_length=True),
        "boxes_weighted": boxes.vlm_r1_weighted,
        "well_formed": Grammar(),
        "well_formed_box": Grammar(rf"{_SOMEWHERE}(?>.*?\{{){_FOUR}(?>.*?\}}).*?</answer>", "match"),
        "well_formed_list": Grammar(rf"{_SOMEWHERE}{_FOUR}.*?</answer>", "match"),
        "length_cosine": vlm_r1_cosine,
        "repetition": vlm_r1_repetition,
    },
    "r1_v": {"same_math": BelievedOrExact(), "same_number": counted, "well_formed": Grammar()},
    "open_r1_multimodal": {
        "same_math": BelievedOrExact(),
        "well_formed": Grammar(_AS_WRITTEN, "match", dots=False),
    },
    "visual_thinker": {
        "same_choice": BelievedOrExact(letter=True),
        "per_token": PerToken(each=0.001),
        "well_formed": Grammar(),
    },
    "r1_onevision": {
        "same_answer": r1_onevision_default,
        "same_choice": LetterGuess("r1_onevision"),
        "well_formed": Grammar(),
    },
    "open_r1_video": {"same_choice": BelievedOrExact(first=True), "well_formed": Grammar(how="match")},
}
"""By system and by the name of the verifier that stands for it without its defects."""
