"""Rewards of Open-R1-Video as published, defects included.

The verifiers of the same names in `verify.VERIFIERS` do not have these defects.
"""

from __future__ import annotations

from seethink.types import Verifier
from seethink.verify.published_parts import BelievedOrExact, Grammar

REWARDS: dict[str, Verifier] = {
    "same_choice": BelievedOrExact(first=True),
    "well_formed": Grammar(how="match"),
}
