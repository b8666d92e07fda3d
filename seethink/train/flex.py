"""Attention over packed rows in one kernel: FlexAttention with a mask of tiles.

`branching` copies a prompt's keys and values for each branch; here nothing is copied or masked for nothing:
the kernel leaves out tiles of 128 x 128 tokens in which no query sees a key, and asks the mask only where
some do. The numbers are those of `branching` (tested on a CPU, where torch has no kernel to train with).
"""

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
"""Rows are padded to multiples of this: the side of a tile, and few lengths for the compiler."""
LAST = 2**30
"""Behind every branch and every picture."""


@dataclass
class Layout:
    """Rows of L tokens, L a multiple of `MULTIPLE`. branch (B, L): -1 prompt, k the branch, -2 padding; place
    (B, L): of the token in its ordinary row `[prompt | branch]`; blocks (B, L) as in `branching.Layout`.
    masks: those that were already asked for."""

    branch: Tensor
    place: Tensor
    blocks: Tensor | None
    masks: dict[int | None, BlockMask] = field(default_factory=dict)

    def mask(self, window: int | None) -> BlockMask:
        """What tokens see in a layer with a sliding `window`."""
        if window not in self.masks:
            some, full = self.tiles(window)
            self.masks[window] = BlockMask.from_kv_blocks(
                *_listed(some & ~full), *_listed(full), BLOCK_SIZE=MULTIPLE, mask_mod=self.sees(window)
            )
        return self.masks[window]

    def sees(self, window: int | None) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
        """Whether token q of row b sees token k."""
        branch, place, blocks = self.branch, self.place, self.blocks

        def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            seen = (branch[b, k] == -1) | (branch[b, k] == branch[b, q])
            seen = seen & (place[b, k] <= place[b, q])
            if blocks is not None:
                seen = seen | ((blocks[b, k] == blocks[b, q]) & (blocks[b, q] >= 0))
            return seen if window is None else seen & (place[b, q] - place[b, k] < window)

        return sees

    def tiles(self, window: int | None) -> tuple[Tensor, Tensor]:
        """(B, N, N) tiles of queries by keys: in which some key may be seen, and in which all are seen.

        Told from the first and last branch, picture and place in each; branches and pictures stand in order.
        What padding sees does not matter, if only it sees something.
        """
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
    """(B, L) -> least and greatest of each tile, (B, N) both."""
    low, high = tokens.unflatten(1, (-1, MULTIPLE)).aminmax(dim=2)
    return low, high


def _listed(tiles: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N, N) -> how many tiles are marked, (B, 1, N), and their numbers before those of the others,
    (B, 1, N, N), as a mask of all heads has them."""
    order = torch.sort(tiles[:, None].int(), dim=-1, descending=True, stable=True).indices
    return tiles[:, None].sum(-1).int(), order.int()


def layout(branch: Tensor, blocks: Tensor | None = None) -> Layout:
    """As `branching.layout`, of rows that are padded to `MULTIPLE`."""
    at = torch.arange(branch.shape[1], device=branch.device).expand_as(branch)
    begins = torch.ones_like(branch, dtype=torch.bool)
    begins[:, 1:] = branch[:, 1:] != branch[:, :-1]
    step = at - at.where(begins, 0).cummax(1).values
    prompt = (branch == -1).sum(1, keepdim=True)
    return Layout(branch, torch.where(branch >= 0, prompt + step, at), blocks)


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
    """query (B, heads, L, size), key and value (B, fewer heads, L, size) -> (B, L, heads, size); without a
    layout transformers' own sdpa attention.

    Under autocast rotated queries and keys are fp32 beside values in bf16; the kernel takes one dtype.
    """
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
    """The fused kernel. Lengths are unknown to it, so that a new one does not compile again; where the
    compiler gives up it raises, for the kernel that is not fused would build all scores."""
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
