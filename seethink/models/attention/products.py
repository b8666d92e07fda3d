"""Dense attention, as two matrix products where PyTorch's fused CPU kernel is slow.

In bfloat16 that kernel takes three to six times as long as the products on the small segments trained here
(`bench/grow.py`). Scores are rounded to the dtype of the queries, as in transformers' `eager` attention.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def faster(query: Tensor) -> bool:
    """Whether `attend` multiplies matrices for such queries."""
    return query.device.type == "cpu" and query.dtype == torch.bfloat16


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    """`scaled_dot_product_attention` without dropout. query (..., C, size), key and value (..., S, size).
    mask: additive."""
    if not faster(query):
        return scaled_dot_product_attention(query, key, value, mask, scale=scale)
    scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-1, -2)
    return (scores if mask is None else scores + mask).softmax(-1) @ value
