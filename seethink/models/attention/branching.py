"""Attention over packed rows `[prompt | branch 1 | ... | branch K]` without the square of the row.

One dense mask costs (P + sum C)^2, most of it masked away. Here the prompt attends to itself, and every
branch to the prompt and itself: P^2 + K C (P + C). Branches of similar length, from any row, form one batch,
with the prompt's keys and values copied per branch (not per query head). Sliding windows and pictures whose
tokens see each other backwards (Gemma 3) are masks inside these two parts. The numbers equal those of the
dense mask (tested). Registered through transformers' `AttentionInterface`; no model code is patched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from seethink.models.attention import dense

NAME = "seethink_branching"
MULTIPLE = 1
"""Rows may have any length."""
LENGTH_STEP = 32
"""Branches whose lengths round up to the same multiple of this share a batch."""


@dataclass
class BranchBatch:
    """n branches of up to C tokens, and what they attend to.

    tokens (n, C): positions in the flattened (B * L) tokens, the last one repeated as padding. rows (n,):
    whose prompt they continue. real: flat places in (n * C) that are not padding. visible (n, 1, C, P + C):
    mask. distance (n, 1, C, P + C): tokens between query and key in the ordinary row `[prompt | branch]`."""

    tokens: Tensor
    rows: Tensor
    real: Tensor
    visible: Tensor
    distance: Tensor

    def mask(self, window: int | None) -> Tensor:
        """(n, 1, C, P + C): what branches see in a layer with a sliding `window`."""
        return self.visible if window is None else self.visible & (self.distance < window)


@dataclass
class BranchLayout:
    """Where prompts and branches of a pack are.

    tokens (B, P): positions of the prompts in the flattened (B * L) tokens. real: flat places in (B * P) that
    are not padding. computed: flat positions of all real tokens, in the order in which `attend` computes
    them. blocks (B, P): number of the picture that a token belongs to, -1 for text; None where attention is
    causal throughout. masks: cache of additive masks."""

    tokens: Tensor
    real: Tensor
    computed: Tensor
    batches: list[BranchBatch]
    blocks: Tensor | None = None
    masks: dict[tuple[Any, ...], list[Tensor | None]] = field(default_factory=dict)

    def masks_for(self, window: int | None, heads: int, dtype: torch.dtype) -> list[Tensor | None]:
        """Additive masks of the prompts and of each batch, repeated for `heads` query heads per key head.
        Computed once: every layer keeps them for its backward pass."""
        key = (window, heads, dtype)
        if key not in self.masks:
            visible = [self._prompt_mask(window), *(batch.mask(window) for batch in self.batches)]
            self.masks[key] = [
                None if mask is None else dense.additive(mask, heads, dtype) for mask in visible
            ]
        return self.masks[key]

    def _prompt_mask(self, window: int | None) -> Tensor | None:
        """(B or 1, 1, P, P): what prompt tokens see in a layer with a sliding `window`; None is causal."""
        if self.blocks is None and window is None:
            return None
        distance = dense.distance(self.tokens.shape[1], self.tokens.device)
        visible = (distance >= 0)[None]
        if self.blocks is not None:
            same = (self.blocks[:, :, None] == self.blocks[:, None]) & (self.blocks >= 0)[:, None]
            visible = visible | same
        return (visible if window is None else visible & (distance < window))[:, None]


def picture_blocks(kinds: Tensor) -> Tensor:
    """(B, P) kinds of tokens -> number of the picture that each belongs to, -1 for text."""
    picture = kinds > 0
    begins = picture & ~pad(picture, (1, 0))[:, :-1]
    return torch.where(picture, begins.cumsum(1) - 1, -1)


def layout(branch: Tensor, blocks: Tensor | None = None) -> BranchLayout:
    """The layout of (B, L) branch numbers: -1 prompt, k the branch, -2 padding. blocks (B, L): from
    `picture_blocks`, for models whose pictures see backwards. Make it on the host, and move it."""
    width = branch.shape[1]
    starts = torch.arange(len(branch), device=branch.device) * width
    prompts = zip(starts.tolist(), (branch == -1).sum(1).tolist(), strict=True)
    tokens, real = _padded(list(prompts), branch)
    by_length: dict[int, list[tuple[int, int, int]]] = {}
    for row, numbers in enumerate(branch.tolist()):
        at = numbers.count(-1)
        while at < width and numbers[at] != -2:
            length = numbers.count(numbers[at])
            by_length.setdefault(-(-length // LENGTH_STEP), []).append((row * width + at, length, row))
            at += length
    batches = [_batch(spans, real, branch) for spans in by_length.values()]
    places = real.flatten().nonzero()[:, 0]
    parts = ((tokens, places), *((b.tokens, b.real) for b in batches))
    computed = torch.cat([at.flatten()[some] for at, some in parts])
    blocks = None if blocks is None else blocks[:, : real.shape[1]]
    return BranchLayout(tokens, places, computed, batches, blocks)


def _batch(spans: list[tuple[int, int, int]], prompt_real: Tensor, like: Tensor) -> BranchBatch:
    """Branches given as (start, length, row). prompt_real (B, P)."""
    rows = torch.tensor([row for _, _, row in spans], device=like.device)
    tokens, real = _padded([(start, length) for start, length, _ in spans], like)
    (n, c), p = tokens.shape, prompt_real.shape[1]
    step, position = torch.arange(c, device=like.device), torch.arange(p, device=like.device)
    own = step[:, None] - step
    visible = torch.cat([prompt_real[rows][:, None].expand(n, c, p), (own >= 0).expand(n, c, c)], -1)
    before = prompt_real[rows].sum(1)[:, None, None] + step[:, None] - position
    distance = torch.cat([before, own.expand(n, c, c)], -1)
    places = real.flatten().nonzero()[:, 0]
    return BranchBatch(tokens, rows, places, visible[:, None], distance[:, None])


def _padded(spans: list[tuple[int, int]], like: Tensor) -> tuple[Tensor, Tensor]:
    """(start, length) spans as (n, longest) positions, the last one repeated, and which are real."""
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
    packed: BranchLayout | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """query (B, heads, L, size), key and value (B, fewer heads, L, size) -> (B, L, heads, size).

    Without a layout (rollouts, ordinary rows) or with a real mask (cross-attention to pictures) this is
    transformers' sdpa attention. Under autocast rotary embeddings leave queries and keys in fp32 beside bf16
    values; they are cast."""
    if packed is None or (attention_mask is not None and attention_mask.numel() > 1):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **rest)
    shape, repeats = (*query.transpose(1, 2).shape[:3], value.shape[-1]), query.shape[1] // key.shape[1]
    query, key, value = (x.to(value.dtype).transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    q, *shared = (_at(x, packed.tokens) for x in (query, key, value))
    masks = packed.masks_for(sliding_window, repeats, query.dtype)
    parts = [
        dense.grouped(q, shared[0], shared[1], scaling, masks[0]).flatten(0, 1).index_select(0, packed.real)
    ]
    for batch, mask in zip(packed.batches, masks[1:], strict=True):
        k, v = (
            torch.cat([prompt.index_select(0, batch.rows), _at(x, batch.tokens)], 1)
            for prompt, x in zip(shared, (key, value), strict=True)
        )
        own = dense.grouped(_at(query, batch.tokens), k, v, scaling, mask)
        parts.append(own.flatten(0, 1).index_select(0, batch.real))
    out = query.new_zeros(len(query), *shape[2:]).index_copy(0, packed.computed, torch.cat(parts))
    return out.view(shape), None


def _at(flat: Tensor, positions: Tensor) -> Tensor:
    """(B * L, heads, size) at (n, C) positions -> (n, C, heads, size)."""
    return flat.index_select(0, positions.flatten()).unflatten(0, positions.shape)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
