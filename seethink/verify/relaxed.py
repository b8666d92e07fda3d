"""Verifier of numbers read from charts, with a tolerance."""

from __future__ import annotations

import re
from fractions import Fraction

from seethink.types import Example, Response, Score
from seethink.verify.text import in_percent, read_quantity, said, unjudged, unreadable, verdict

TOLERANCE = Fraction(5, 100)
_ABOUT = re.compile(
    r"^\s*(?:(?:about|approximately|around|roughly)\s+|[≈~]\s*|\\(?:approx|sim)\s+)", re.IGNORECASE
)
"""Before a number that is compared with a tolerance anyway."""


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
    answer = read_quantity(_ABOUT.sub("", str(response.answer)), said(example))
    if gold is None or answer is None:
        return unreadable(response, "which is not one number")
    ratio = answer.in_unit_of(gold)
    values = [answer.value * (ratio or 1), in_percent(gold, answer, example)]
    near = any(abs(v - gold.value) <= TOLERANCE * abs(gold.value) for v in values if v is not None)
    return verdict(ratio is not None and near, example, response)
