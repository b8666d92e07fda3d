"""Dense attention, as two matrix products where PyTorch's fused CPU kernel is slow; and its additive masks.

In bfloat16 that kernel takes several times as long as the products on small segments. The products round
scores to bfloat16, as transformers' `eager` attention does, so they are used only inside `rounded_scores`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

_ROUNDED = ContextVar("rounded scores", default=False)


@contextmanager
def rounded_scores() -> Iterator[None]:
    """Inside, `attend` multiplies matrices where that is faster."""
    token = _ROUNDED.set(True)
    try:
        yield
    finally:
        _ROUNDED.reset(token)


def faster(query: Tensor) -> bool:
    """Whether `attend` multiplies matrices for such queries."""
    return _ROUNDED.get() and query.device.type == "cpu" and query.dtype == torch.bfloat16


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """`scaled_dot_product_attention`. query (..., C, size), key and value (..., S, size). mask: additive."""
    if dropout or not faster(query):
        return scaled_dot_product_attention(query, key, value, mask, dropout, scale=scale)
    scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-1, -2)
    return (scores if mask is None else scores + mask).softmax(-1) @ value


def grouped(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, mask: Tensor | None) -> Tensor:
    """(n, C, heads, size) queries over (n, S, fewer heads, size); causal where no mask is given.

    With a mask, query heads that share a key head are stacked as further queries, so that no kernel copies
    keys and values for each of them."""
    q, k, v = (x.transpose(1, 2) for x in (query, key, value))
    if mask is None and not faster(q):
        out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
    else:
        stacked = q.unflatten(1, (k.shape[1], -1)).flatten(2, 3)  # (n, fewer heads, repeats * C, size)
        if mask is None:
            mask = additive(
                (distance(q.shape[2], q.device) >= 0)[None, None], q.shape[1] // k.shape[1], q.dtype
            )
        out = attend(stacked, k, v, mask, scaling)
        out = out.reshape(*q.shape[:-1], v.shape[-1])
    return out.transpose(1, 2)


def distance(length: int, device: torch.device) -> Tensor:
    """(length, length) tokens from the key to the query."""
    position = torch.arange(length, device=device)
    return position[:, None] - position


def additive(visible: Tensor, heads: int, dtype: torch.dtype) -> Tensor:
    """(n, 1, C, S) -> (n, 1, heads * C, S): 0 where visible, else minus infinity. Rows begin at multiples of
    16 in memory, as fused kernels require."""
    width = visible.shape[-1]
    visible = pad(visible.repeat(1, 1, heads, 1), (0, -width % 16))
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, -torch.inf)
    return mask[..., :width]
