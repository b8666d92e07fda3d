"""Parts of published reward functions that several systems share, defects included.

A system's own rewards are in `systems/<name>/rewards.py`; `systems.verifier("same_choice@vlm_r1")` finds one
by name. Most read the whole completion instead of the parsed answer. Each docstring names the defects; the
verifier of the same name in `verify.VERIFIERS` does not have them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Indel

from seethink.types import Example, Response, Score
from seethink.verify.symbolic import believed
from seethink.verify.text import shown

_TAGS = r"<think>(?>.*?</think>\s*<answer>).*?</answer>"


@dataclass(frozen=True)
class Grammar:
    """1 if a regular expression matches the completion, else 0.

    The published expression is `<think>.*?</think>\\s*<answer>.*?</answer>`; where a dot matches newlines,
    the atomic group gives the same matches, in linear time.

    how: "fullmatch", or "match" (any text may follow). dots: whether a dot matches newlines; if not, a
    thought of two lines is malformed. Range: {0, 1}.
    """

    pattern: str = _TAGS
    how: Literal["fullmatch", "match"] = "fullmatch"
    dots: bool = True

    def __call__(self, example: Example, response: Response) -> Score:
        found = getattr(re.compile(self.pattern, re.DOTALL if self.dots else 0), self.how)(response.text)
        return Score(float(bool(found)), f"the published pattern {'matches' if found else 'does not match'}")


@dataclass(frozen=True)
class BelievedOrExact:
    """1 if math-verify accepts any part of the completion, or if the first answer tag equals the gold.

    Formula: verify(parse(completion), parse(gold)) or first `<answer>` == gold, spaces stripped. Defects: the
    whole completion is parsed, so a number in the thought can be rewarded; gold and answer change places; an
    answer of several lines has no tag (no DOTALL); what math-verify raises counts as unequal. Range: {0, 1};
    None without gold. Source: the accuracy reward of open-r1-multimodal and R1-V (math-verify 0.5.2 there).
    letter: VisualThinker-R1-Zero's variant; the last letter A to H between blanks or brackets counts too.
    first: Open-R1-Video's variant; the first characters of answer and gold are compared instead, so that "A
    person pours it" is option A.
    """

    letter: bool = False
    first: bool = False

    def __call__(self, example: Example, response: Response) -> Score:
        if example.answer is None:
            return Score(None, "the example has no gold answer")
        gold = first_tag_in_line(example.answer)
        if believed(gold, response.text):
            return equality(True, response.text, gold)
        if self.first:
            answer = "".join(tagged(response.text)[:1]).strip()
            return equality(bool(answer and gold) and answer[0] == gold[0], answer, gold)
        answer = first_tag_in_line(response.text)
        letters = re.findall(r"(?:^|\s|\[|\()([A-H])(?=\s|\]|\)|$)", answer) if self.letter else []
        return equality(answer == gold or letters[-1:] == [gold], answer, gold)


@dataclass(frozen=True)
class LetterGuess:
    """1 if the letters guessed from the answer tag and from the gold are equal, else 0.

    letters: a regular expression of candidate letters (see `likeliest_letter`). Defect: the context of a
    letter is that of its first occurrence, even inside a word. Range: {0, 1}; None without gold. Source: the
    mcq rewards of VLM-R1 and R1-Onevision.
    """

    letters: str

    def __call__(self, example: Example, response: Response) -> Score:
        if example.answer is None:
            return Score(None, "the example has no gold answer")
        letter = likeliest_letter(first_tag(response.text), self.letters)
        gold = likeliest_letter(first_tag(example.answer), self.letters) or example.answer
        return equality(letter == gold, letter, gold)


_HINTS = (
    *("答案", "选择", "正确", "是", "对", "answer", "correct", "choose", "select", "right"),
    *("认为", "应该", "觉得", "think", "believe", "should"),
)


def likeliest_letter(text: str, letters: str) -> str | None:
    """The candidate with most hints around its first occurrence; on a tie, the first candidate."""
    text = " ".join(text.upper().split())
    candidates = list(dict.fromkeys(re.findall(letters, text)))

    def hints(letter: str) -> int:
        i = text.find(letter)
        context = text[max(0, i - 20) : i + 21]
        late, closed = i > 0.7 * len(text), text[i + 1 : i + 2] in tuple("。.!！,，")
        return sum(hint.upper() in context for hint in _HINTS) + 2 * late + closed

    return max(candidates, key=hints) if candidates else None


# How published code reads completions -----------------------------------------------------------------------


def tagged(text: str) -> list[str]:
    """The contents of all answer tags, as `<answer>(.*?)</answer>` finds them, in linear time."""
    found, at = [], 0
    while (start := text.find("<answer>", at)) >= 0 and (end := text.find("</answer>", start + 8)) >= 0:
        found.append(text[start + 8 : end])
        at = end + 9
    return found


def first_tag(text: str) -> str:
    """The content of the first answer tag, else the whole text."""
    return "".join(tagged(text)[:1] or [text]).strip()


def first_tag_in_line(text: str) -> str:
    """The content of the first answer tag that opens and closes in one line, else the whole text."""
    return next((tags[0] for line in text.split("\n") if (tags := tagged(line))), text).strip()


def clean(text: str) -> str:
    """VLM-R1's clean_text: the last answer tag, else all; one line, lower case, no final full stop."""
    found = tagged(text)
    text = re.sub(r"(?<=\s)\n", "", found[-1] if found else text).replace("\n", " ")
    return text.strip().rstrip(".").lower()


def edit_ratio(answer: str, gold: str, why: str = "") -> Score:
    """The normalised Indel similarity of two cleaned texts."""
    value = Indel.normalized_similarity(clean(answer), clean(gold))
    return Score(value, f"{why}read {shown(answer)}, {value:.0%} of {shown(gold)}")


def equality(equal: bool, answer: str | None, gold: str) -> Score:
    """1 or 0, with both texts as the reason."""
    return Score(float(equal), f"read {shown(answer)}, the gold is {shown(gold)}")
