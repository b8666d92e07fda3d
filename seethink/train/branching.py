"""Attention over packed rows, without the square of the row.

With one dense mask, a row `[prompt | branch 1 | ... | branch K]` costs (P + sum C)^2, most of it masked
away. Here the prompt attends to itself and every branch to prompt and itself: P^2 + K C (P + C). Branches
of like length, from whatever rows, form one batch. The prompt's keys and values are copied for each branch
(not for each query head); everything else about the prompt is still computed once. Sliding windows and
pictures whose tokens see each other backwards (Gemma 3) are masks inside these two. Same numbers as the
dense mask (tested); registered through transformers' `AttentionInterface`, no model code is touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "seethink_branching"
MULTIPLE = 1
"""Rows may have any length."""
LENGTH_STEP = 32
"""Branches whose lengths round up to the same multiple of this share a batch."""


@dataclass
class Branches:
    """n branches of up to C tokens. tokens (n, C): their places in the flattened (B * L) tokens, the last one
    repeated as padding; rows (n,): whose prompt they continue; real (n, C); seen (n, 1, C, P + C); apart
    (n, 1, C, P + C): how many tokens of the ordinary row lie between the two."""

    tokens: Tensor
    rows: Tensor
    real: Tensor
    seen: Tensor
    apart: Tensor

    def within(self, window: int | None) -> Tensor:
        """(n, 1, C, P + C): what branches see in a layer with a sliding `window`."""
        return self.seen if window is None else self.seen & (self.apart < window)


@dataclass
class Layout:
    """Where prompts and branches of a pack stand. tokens (B, P) in the flattened (B * L); real (B, P); blocks
    (B, P): which picture a token belongs to, -1 for text, None where attention is causal throughout. masks:
    those that were already asked for."""

    tokens: Tensor
    real: Tensor
    batches: list[Branches]
    blocks: Tensor | None = None
    masks: dict[tuple[Any, ...], list[Tensor | None]] = field(default_factory=dict)

    def masks_for(self, window: int | None, heads: int, dtype: torch.dtype) -> list[Tensor | None]:
        """What is added to the scores of the prompt and of each batch, `heads` times below each other; made
        once, for all layers keep them for their backward."""
        key = (window, heads, dtype)
        if key not in self.masks:
            seen = [self.within(window), *(batch.within(window) for batch in self.batches)]
            self.masks[key] = [None if x is None else _added(x, heads, dtype) for x in seen]
        return self.masks[key]

    @property
    def written(self) -> Tensor:
        """Flat places of all real tokens, in the order in which `attend` computes them."""
        parts = [(self.tokens, self.real), *((b.tokens, b.real) for b in self.batches)]
        return torch.cat([tokens[real] for tokens, real in parts])

    def within(self, window: int | None) -> Tensor | None:
        """(B or 1, 1, P, P): what prompt tokens see in a layer with a sliding `window`; None is causal."""
        if self.blocks is None and window is None:
            return None
        place = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        apart = place[:, None] - place
        seen = (apart >= 0)[None]
        if self.blocks is not None:
            seen = seen | ((self.blocks[:, :, None] == self.blocks[:, None]) & (self.blocks >= 0)[:, None])
        return (seen if window is None else seen & (apart < window))[:, None]


def picture_blocks(kinds: Tensor) -> Tensor:
    """(B, P) kinds of tokens -> the number of the picture that each belongs to, -1 for text."""
    picture = kinds > 0
    begins = picture & ~pad(picture, (1, 0))[:, :-1]
    return torch.where(picture, begins.cumsum(1) - 1, -1)


def layout(branch: Tensor, blocks: Tensor | None = None) -> Layout:
    """The layout of (B, L) branch numbers: -1 prompt, k the branch, -2 padding; `blocks` (B, L) as
    `picture_blocks` gives them, where pictures see backwards."""
    width = branch.shape[1]
    starts = torch.arange(len(branch), device=branch.device) * width
    prompts = zip(starts.tolist(), (branch == -1).sum(1).tolist(), strict=True)
    tokens, real = _padded(list(prompts), branch)
    by_length: dict[int, list[tuple[int, int, int]]] = {}
    for number, row in enumerate(branch.tolist()):
        at = row.count(-1)
        while at < width and row[at] != -2:
            length = row.count(row[at])
            by_length.setdefault(-(-length // LENGTH_STEP), []).append((number * width + at, length, number))
            at += length
    batches = []
    for members in by_length.values():
        rows = torch.tensor([number for _, _, number in members], device=branch.device)
        own, own_real = _padded([(start, length) for start, length, _ in members], branch)
        n, c = own.shape
        causal = torch.ones(c, c, dtype=torch.bool, device=branch.device).tril().expand(n, c, c)
        p = real.shape[1]
        seen = torch.cat([real[rows][:, None].expand(n, c, p), causal], -1)
        step, place = torch.arange(c, device=branch.device), torch.arange(p, device=branch.device)
        before = real[rows].sum(1)[:, None, None] + step[:, None] - place
        apart = torch.cat([before, (step[:, None] - step).expand(n, c, c)], -1)
        batches.append(Branches(own, rows, own_real, seen[:, None], apart[:, None]))
    return Layout(tokens, real, batches, None if blocks is None else blocks[:, : real.shape[1]])


def _padded(spans: list[tuple[int, int]], like: Tensor) -> tuple[Tensor, Tensor]:
    """(start, length) spans as (n, longest) places, the last repeated, and which are real."""
    starts, lengths = torch.tensor(spans, device=like.device).T[:, :, None]
    step = torch.arange(int(lengths.max()), device=like.device)
    return starts + step.minimum(lengths - 1), step < lengths


def attend(  # noqa: PLR0913  (transformers' own signature)
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    packed: Layout | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """query (B, heads, L, size), key and value (B, fewer heads, L, size) -> (B, L, heads, size).

    Without a layout (rollouts, ordinary rows) or with a mask that is one (cross-attention to pictures) this
    is transformers' own sdpa attention.
    """
    if packed is None or (attention_mask is not None and attention_mask.numel() > 1):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **rest)
    shape, repeats = query.transpose(1, 2).shape, query.shape[1] // key.shape[1]
    query, key, value = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))  # (B * L, heads, size)
    q, *shared = (_at(x, packed.tokens) for x in (query, key, value))
    masks = packed.masks_for(sliding_window, repeats, query.dtype)
    done = [_sdpa(q, shared[0], shared[1], scaling, masks[0])[packed.real]]
    for batch, mask in zip(packed.batches, masks[1:], strict=True):
        k, v = (
            torch.cat([prompt.index_select(0, batch.rows), _at(x, batch.tokens)], 1)
            for prompt, x in zip(shared, (key, value), strict=True)
        )
        done.append(_sdpa(_at(query, batch.tokens), k, v, scaling, mask)[batch.real])
    out = torch.zeros_like(query).index_copy(0, packed.written, torch.cat(done))
    return out.view(shape), None


def _at(flat: Tensor, places: Tensor) -> Tensor:
    """(B * L, heads, size) at (n, C) places -> (n, C, heads, size)."""
    return flat.index_select(0, places.flatten()).unflatten(0, places.shape)


def _sdpa(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, mask: Tensor | None) -> Tensor:
    """(n, C, heads, size) queries over (n, S, fewer heads, size); causal where no mask is given.

    With a mask, query heads that share a key head are queries below each other: no kernel then needs a copy
    of keys and values for each of them.
    """
    q, k, v = (x.transpose(1, 2) for x in (query, key, value))
    if mask is None:
        out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
    else:
        below = q.unflatten(1, (k.shape[1], -1)).flatten(2, 3)  # (n, fewer heads, repeats * C, size)
        out = scaled_dot_product_attention(below, k, v, attn_mask=mask, scale=scaling).reshape(q.shape)
    return out.transpose(1, 2)


def _added(seen: Tensor, heads: int, dtype: torch.dtype) -> Tensor:
    """(n, 1, C, S) -> (n, 1, heads * C, S), 0 where seen, else minus infinity; in memory rows begin at
    multiples of 16, as fused kernels want them."""
    width = seen.shape[-1]
    seen = pad(seen.repeat(1, 1, heads, 1), (0, -width % 16))
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)
    return mask[..., :width]


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
