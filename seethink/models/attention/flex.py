"""Attention over packed rows in one fused kernel: FlexAttention with a block mask.

`branching` copies a prompt's keys and values for each branch; here nothing is copied: the kernel skips blocks
of 128 x 128 tokens in which no query sees a key, and evaluates the mask only where some do. The numbers equal
those of `branching` (tested on the CPU, where torch has only the forward pass of this kernel)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "seethink_flex"
MULTIPLE = 128
"""Rows are padded to multiples of this: the block size, and few shapes for the compiler."""
LAST = 2**30
"""A number greater than that of any branch or picture."""


@dataclass
class FlexLayout:
    """Rows of L tokens, L a multiple of `MULTIPLE`. branch (B, L): -1 prompt, k the branch, -2 padding. place
    (B, L): position of the token in its ordinary row `[prompt | branch]`. blocks (B, L): number of its
    picture, -1 for text. masks: cache of block masks by window."""

    branch: Tensor
    place: Tensor
    blocks: Tensor | None
    masks: dict[int | None, BlockMask] = field(default_factory=dict)

    def mask(self, window: int | None) -> BlockMask:
        """The block mask of a layer with a sliding `window`."""
        if window not in self.masks:
            some, full = self.tiles(window)
            self.masks[window] = BlockMask.from_kv_blocks(
                *_listed(some & ~full), *_listed(full), BLOCK_SIZE=MULTIPLE, mask_mod=self.sees(window)
            )
        return self.masks[window]

    def sees(self, window: int | None) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
        """The mask function: whether token q of row b sees token k."""
        branch, place, blocks = self.branch, self.place, self.blocks

        def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            seen = (branch[b, k] == -1) | (branch[b, k] == branch[b, q])
            seen = seen & (place[b, k] <= place[b, q])
            if blocks is not None:
                seen = seen | ((blocks[b, k] == blocks[b, q]) & (blocks[b, q] >= 0))
            return seen if window is None else seen & (place[b, q] - place[b, k] < window)

        return sees

    def tiles(self, window: int | None) -> tuple[Tensor, Tensor]:
        """(B, N, N) blocks of queries by keys: those in which some key may be seen, and those in which all
        are.

        Computed from the first and last branch, picture and position in each block; branches and pictures are
        in order. What padding sees does not matter, as long as it sees something."""
        low, high = _ends(self.branch.where(self.branch != -2, LAST))
        n = low.shape[1]
        before = torch.ones(n, n, dtype=torch.bool, device=low.device).tril()
        prompt, own = low[:, None] == -1, high[:, None] >= low[:, :, None]
        some = before & (prompt | own)
        one = low == high
        same = (one[:, None] & one[:, :, None]) & (low[:, None] == low[:, :, None])
        full = before.tril(-1) & ((high[:, None] == -1) | same)
        if self.blocks is not None:
            first, _ = _ends(self.blocks.where(self.blocks >= 0, LAST))
            some = some | (_ends(self.blocks)[1][:, :, None] >= first[:, None])
        if window is not None:
            first, last = _ends(self.place)
            some = some & (first[:, :, None] - last[:, None] < window)
            full = full & (last[:, :, None] - first[:, None] < window)
        return some, full


def _ends(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """(B, L) -> minimum and maximum of each block, (B, N) both."""
    low, high = tokens.unflatten(1, (-1, MULTIPLE)).aminmax(dim=2)
    return low, high


def _listed(tiles: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N, N) -> number of marked blocks, (B, 1, N), and block indices with the marked ones first,
    (B, 1, N, N), as BlockMask takes them for all heads."""
    order = torch.sort(tiles[:, None].int(), dim=-1, descending=True, stable=True).indices
    return tiles[:, None].sum(-1).int(), order.int()


def layout(branch: Tensor, blocks: Tensor | None = None) -> FlexLayout:
    """As `branching.layout`, for rows padded to `MULTIPLE`."""
    at = torch.arange(branch.shape[1], device=branch.device).expand_as(branch)
    begins = torch.ones_like(branch, dtype=torch.bool)
    begins[:, 1:] = branch[:, 1:] != branch[:, :-1]
    step = at - at.where(begins, 0).cummax(1).values
    prompt = (branch == -1).sum(1, keepdim=True)
    return FlexLayout(branch, torch.where(branch >= 0, prompt + step, at), blocks)


def attend(  # noqa: PLR0913  (transformers' own signature)
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    packed: FlexLayout | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """query (B, heads, L, size), key and value (B, fewer heads, L, size) -> (B, L, heads, size); without a
    layout transformers' own sdpa attention.

    Under autocast rotary embeddings leave queries and keys in fp32 beside bf16 values; the kernel takes one
    dtype."""
    if packed is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **rest)
    kernel = _compiled() if query.is_cuda else flex_attention
    out = kernel(
        query.to(value.dtype),
        key.to(value.dtype),
        value,
        block_mask=packed.mask(sliding_window),
        scale=scaling,
        enable_gqa=True,
    )
    return out.transpose(1, 2), None


@cache
def _compiled() -> Any:
    """The fused kernel, with dynamic shapes, so that a new length does not compile again. It raises where the
    compiler falls back: the kernel that is not fused would materialise all scores."""
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
