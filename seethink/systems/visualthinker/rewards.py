"""Rewards of VisualThinker-R1-Zero as published, defects included.

The verifiers of the same names in `verify.VERIFIERS` do not have these defects.
"""

from __future__ import annotations

from seethink.types import Verifier
from seethink.verify.published_parts import BelievedOrExact, Grammar
from seethink.verify.shape import PerToken

REWARDS: dict[str, Verifier] = {
    "same_choice": BelievedOrExact(letter=True),
    "per_token": PerToken(each=0.001),
    "well_formed": Grammar(),
}
