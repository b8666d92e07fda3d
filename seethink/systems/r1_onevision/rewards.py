"""Rewards of R1-Onevision as published, defects included.

The verifiers of the same names in `verify.VERIFIERS` do not have these defects.
"""

from __future__ import annotations

import re

from seethink.types import Example, Response, Score, Verifier
from seethink.verify.published_parts import (
    Grammar,
    LetterGuess,
    edit_ratio,
    equality,
    first_tag,
    first_tag_in_line,
    likeliest_letter,
)
from seethink.verify.symbolic import believed

LETTERS = r"(?<![A-Z])([A-D])(?![A-Z])"
"""Candidate letters of its multiple-choice reward: A to D, including the article "a"."""


def default_accuracy(example: Example, response: Response) -> Score:
    """R1-Onevision's default accuracy.

    Formula: 1 if math-verify accepts the completion; else, with the answer tag: equal text if the gold
    holds a digit; equal letters if the gold is `Answer: X`; else the edit ratio. Defects: those of its
    letters; a gold of one letter is compared by edits. Range: [0, 1]; None without gold. Source:
    R1-Onevision's fork of VLM-R1.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    gold, answer = first_tag_in_line(example.answer), first_tag(response.text)
    if believed(gold, response.text):
        return equality(True, answer, gold)
    if re.search(r"\d", gold):
        return equality(answer == gold, answer, gold)
    if found := re.search(r"Answer:\s*([A-D])", gold):
        return equality(likeliest_letter(answer, LETTERS) == found[1], answer, gold)
    return edit_ratio(answer, gold)


REWARDS: dict[str, Verifier] = {
    "same_answer": default_accuracy,
    "same_choice": LetterGuess(LETTERS),
    "well_formed": Grammar(),
}
