"""Rewards and evaluations of R1-V as published, defects included.

The verifiers of the same names in `verify.VERIFIERS` do not have these defects.
"""

from __future__ import annotations

import re

from seethink.types import Example, Response, Score, Verifier
from seethink.verify.published_parts import BelievedOrExact, Grammar, equality
from seethink.verify.symbolic import believed
from seethink.verify.text import shown


def counted(example: Example, response: Response) -> Score:
    """1 if the first answer tag holds the gold's integer and nothing else.

    Formula: int(`<answer>\\s*(\\d+)\\s*</answer>`) == gold, for the first such tag in the completion.
    Range: {0, 1}; None if the gold is no integer. Source: R1-V's evaluation on SuperCLEVR.
    """
    if not (gold := re.fullmatch(r"\s*([0-9]{1,18})\s*", str(example.answer))):
        return Score(None, f"the gold {shown(example.answer)} is no integer")
    found = re.search(r"<answer>\s*(\d{1,18})\s*</answer>", response.text)
    return equality(bool(found) and int(found[1]) == int(gold[1]), found[1] if found else None, gold[1])


def geoqa_eval(example: Example, response: Response) -> Score:
    """1 if math-verify finds the gold anywhere in the completion, else 0.

    Formula: verify(parse(completion), parse(gold)). Defects: tags are not looked at, so a number in the
    thought can be right; gold and answer change places; `√3` and `sqrt(3)` are not read, so that 10 is right
    for `10√{2}`; what math-verify raises counts as unequal. Range: {0, 1}; None without gold. Source: R1-V's
    evaluation on GEOQA; its reward, `same_math@r1v`, also compares the answer tag with the gold as text.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    return equality(believed(example.answer, response.text), response.text, example.answer)


REWARDS: dict[str, Verifier] = {
    "same_math": BelievedOrExact(),
    "same_number": counted,
    "well_formed": Grammar(),
    "geoqa_eval": geoqa_eval,
}
