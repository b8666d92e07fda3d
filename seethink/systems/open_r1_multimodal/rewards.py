"""Rewards of open-r1-multimodal as published, defects included.

The verifiers of the same names in `verify.VERIFIERS` do not have these defects.
"""

from __future__ import annotations

from seethink.types import Verifier
from seethink.verify.published_parts import BelievedOrExact, Grammar

_AS_WRITTEN = r"<think>.*?</think>\s*<answer>.*?</answer>"

REWARDS: dict[str, Verifier] = {
    "same_math": BelievedOrExact(),
    "well_formed": Grammar(_AS_WRITTEN, "match", dots=False),
}
