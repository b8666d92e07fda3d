"""The output layer of families that share rows, whose hidden states are computed without it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from seethink.models.families import Family


def logits(model: Any, family: Family, hidden: Tensor) -> Tensor:
    """(..., H) hidden states -> (..., V) logits as the model's own forward makes them, which
    `verification.py` checks."""
    out = model.lm_head(hidden)
    cap = model.config.get_text_config().final_logit_softcapping if family.capped else None
    return out if cap is None else cap * (out / cap).tanh()
