"""Rewards of VLM-R1 as published, defects included.

The verifiers of the same names in `verify.VERIFIERS` do not have these defects.
"""

from __future__ import annotations

import math
import re

from seethink.systems.vlm_r1.box_rewards import CocoPrecision, PixelIoU, any_fence, weighted_sum
from seethink.types import Example, Response, Score, Verifier
from seethink.verify.published_parts import (
    Grammar,
    LetterGuess,
    clean,
    edit_ratio,
    equality,
    first_tag,
    first_tag_in_line,
    likeliest_letter,
    tagged,
)
from seethink.verify.shape import share_unique
from seethink.verify.symbolic import believed

LETTERS = r"(?<![A-Z])([A-Z])(?=[.,?!:;]|$)"
"""Candidate letters of its multiple-choice reward: before punctuation or at the end, but not before a bracket
or blank."""


def default_accuracy(example: Example, response: Response) -> Score:
    """VLM-R1's default accuracy: the first of four comparisons that applies.

    Formula: the last answer tag, else the whole text, against the gold: (1) 1 if math-verify accepts it; (2)
    if the gold holds a digit: equality of floats, or else the edit ratio; (3) if the gold holds an option
    letter: equality of letters; (4) the edit ratio. Defects: gold and answer change places in (1); wrong
    text earns its ratio ("1984" is a float, "1984 AD" is not); a letter before a bracket or blank is not
    seen. Range: [0, 1]; None without gold. Source: VLM-R1's default_accuracy_reward.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    answer, gold = _last_tag(response.text), first_tag_in_line(example.answer)
    if believed(gold, answer):
        return equality(True, answer, gold)
    if re.search(r"\d", gold):
        try:
            return equality(float(answer) == float(gold), answer, gold)
        except ValueError as error:
            return edit_ratio(answer, gold, f"{error}; ")
    if letter := likeliest_letter(gold, LETTERS):
        return equality(likeliest_letter(answer, LETTERS) == letter, answer, gold)
    return edit_ratio(answer, gold)


def math_accuracy(example: Example, response: Response) -> Score:
    """VLM-R1's accuracy for mathematics: 1 if any of three comparisons holds.

    Formula: answer and gold, each its last answer tag, else the whole text, in one line of lower case
    without a full stop at the end; 1 if they are equal, if math-verify accepts it, or if their last
    `\\boxed`, else all of them, is equal after the normalisation of Hendrycks et al. 2021; else 0. Defects:
    lower case changes LaTeX (`\\Delta`, `X` and `x`); gold and answer change places in the
    second; an exception of math-verify ends the run there, and counts as unequal here. Range: {0, 1}; None
    without gold. Source: VLM-R1's math reward.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    answer, gold = clean(response.text), clean(example.answer)
    if answer == gold or believed(gold, answer):
        return equality(True, answer, gold)
    return equality(_normalised(_last_boxed(answer)) == _normalised(_last_boxed(gold)), answer, gold)


def _last_boxed(text: str) -> str:
    """The content of the last `\\boxed{...}` with balanced braces; the text itself if there is none."""
    at = text.rfind("\\boxed{")
    depth = 0
    for i in range(at + len("\\boxed"), len(text)) if at >= 0 else ():
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[at + len("\\boxed{") : i]
    return text


_REMOVED = ("\n", "\\!", "\\left", "\\right", "^{\\circ}", "^\\circ", "\\$", "\\%", "%")


def _normalised(text: str) -> str:
    """An answer normalised as by Hendrycks et al. 2021: no spaces, units or degrees, one form of fractions
    and roots."""
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


def yes_no(example: Example, response: Response) -> Score:
    """1 if the first "yes" or "no" in answer and gold is the same. Defects: "know", "not" and "another"
    contain "no"; two texts that contain neither are equal. Range: {0, 1}; None without gold. Source: VLM-R1's
    yes_no_reward."""
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    answer, gold = (
        "".join(re.findall(r"yes|no", first_tag(text).lower())[:1])
        for text in (response.text, example.answer)
    )
    return equality(answer == gold, answer, gold)


def all_match(example: Example, response: Response) -> Score:
    """1 if the last answer tag, else the whole text, equals the gold, case-folded, without final full stops.
    Range: {0, 1}; None without gold. Source: VLM-R1's all_match_reward."""
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    answer, gold = clean(response.text), clean(example.answer)
    return equality(answer == gold, answer, gold)


def cosine(example: Example, response: Response) -> Score:
    """The cosine length reward as coded: 1 - (1 - cos(pi tokens / 1024)) / 4. Defects: every answer counts as
    right; nothing is clamped, so 2,048 tokens earn 1 again. Range: [0.5, 1]; None if tokens were not counted.
    Source: VLM-R1's cosine_reward."""
    if not response.n_tokens and response.text:
        return Score(None, "tokens were not counted")
    value = 1 - 0.25 * (1 - math.cos(math.pi * response.n_tokens / 1024))
    return Score(min(1.0, value), f"{response.n_tokens} tokens")


def repetition(example: Example, response: Response) -> Score:
    """Share of distinct boxes if the completion holds JSON with boxes, else of 6-grams of words between
    spaces.

    Formula: published r = -(1 - different / all), the score is r + 1; 1 for fewer than six words. Defects:
    text without spaces is one word and never repeats. Broken JSON, which the original repairs, counts as
    words. Range: (0, 1]; always judged. Source: VLM-R1's repetition_reward.
    """
    found = any_fence(response.text)
    if found:
        return share_unique([f"{item.corners}_{item.label}" for item in found], "boxes")
    words = response.text.lower().split()
    return share_unique([tuple(words[i : i + 6]) for i in range(len(words) - 5)], "6-grams")


def _last_tag(text: str) -> str:
    """The content of the last answer tag, else the whole text."""
    found = tagged(text)
    return (found[-1] if found else text).strip()


_SOMEWHERE = r"(?>.*?<think>)(?>.*?</think>\s*<answer>)"
_FOUR = r"(?>.*?\[\d+,\s*\d+,\s*\d+,\s*\d+\])"

REWARDS: dict[str, Verifier] = {
    "same_answer": default_accuracy,
    "same_math": math_accuracy,
    "same_choice": LetterGuess(LETTERS),
    "same_text": all_match,
    "yes_no": yes_no,
    "box_iou": PixelIoU(),
    "boxes": CocoPrecision(),
    "ap50": CocoPrecision(thresholds=(0.5,)),
    "boxes_length": CocoPrecision(by_length=True),
    "boxes_weighted": weighted_sum,
    "well_formed": Grammar(),
    "well_formed_box": Grammar(rf"{_SOMEWHERE}(?>.*?\{{){_FOUR}(?>.*?\}}).*?</answer>", "match"),
    "well_formed_list": Grammar(rf"{_SOMEWHERE}{_FOUR}.*?</answer>", "match"),
    "length_cosine": cosine,
    "repetition": repetition,
}
