"""Verifier of numbers read from charts, with a tolerance."""

from __future__ import annotations

from fractions import Fraction

from seethink.types import Example, Response, Score
from seethink.verify.text import read_quantity, said, unjudged, unreadable, verdict

TOLERANCE = Fraction(5, 100)


def relaxed_number(example: Example, response: Response) -> Score:
    """1 if the answer is a number within 5 % of the gold, else 0.

    Formula: `|answer - gold| <= 0.05 |gold|`, so a gold of 0 requires 0; two units are converted, and must
    measure the same. Range: {0, 1}; None if the gold is not one number. Source: ChartQA's relaxed accuracy
    (Masry et al., 2022, after PlotQA), which compares texts exactly if the gold is not a number:
    `first_of(relaxed_number, same_text)`.
    """
    gold = read_quantity(str(example.answer))
    if missing := unjudged(example, response, None if gold else "is not one number"):
        return missing
    answer = read_quantity(str(response.answer), said(example))
    if gold is None or answer is None:
        return unreadable(response, "which is not one number")
    ratio = answer.in_unit_of(gold)
    near = ratio is not None and abs(answer.value * ratio - gold.value) <= TOLERANCE * abs(gold.value)
    return verdict(near, example, response)
