"""Vision attention over many pictures in one call.

A Qwen2-VL vision tower takes all pictures of a batch as one row of patches; each picture (or window of one)
attends to itself. Without a varlen kernel, transformers calls attention once per picture and layer; on a CPU,
and for small pictures on any machine, the calls cost more than the arithmetic. Here segments of equal length
share one call. The numbers are equal (tested). Registered through transformers' `AttentionInterface`; no
model code is patched."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from seethink.models.attention import dense

NAME = "seethink_flash_segments"
"""transformers passes segment boundaries only to implementations with "flash" in their name."""


def attend(  # noqa: PLR0913  (transformers' own signature)
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    cu_seq_lens_q: Tensor,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """query, key, value (1, heads, patches, size), segments bounded by cu_seq_lens_q -> (1, patches, heads,
    size)."""
    bounds = cu_seq_lens_q.cpu()  # `host_inputs` leaves them on the host
    lengths = bounds.diff()
    out = torch.empty_like(query[0].transpose(0, 1))  # (patches, heads, size)
    for length in lengths.unique().tolist():
        starts = bounds[:-1][lengths == length]
        at = (starts[:, None] + torch.arange(length)).flatten().to(query.device)
        q, k, v = (
            x[0].index_select(1, at).unflatten(1, (-1, length)).transpose(0, 1) for x in (query, key, value)
        )
        # (segments, heads, length, size)
        attended = dense.attend(q, k, v, scale=scaling, dropout=dropout)
        out = out.index_copy(0, at, attended.transpose(1, 2).flatten(0, 1))
    return out[None], None


AttentionInterface.register(NAME, attend)
