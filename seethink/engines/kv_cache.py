"""Key-value cache with preallocated room for new tokens.

The dynamic cache of transformers concatenates: every new token copies all keys and values before it. The
layers here are copied once in `ROOM` tokens. Layers of other kinds (sliding windows, states) are left
unchanged.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Tokens for which a layer allocates room at once."""


class PreallocatedLayer(DynamicLayer):
    """Keys and values of shape (B, heads, tokens, size), views of buffers with room for more tokens.

    buffers: the two allocations; None where they must be allocated anew.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        vars(self).update(vars(layer))
        self.buffers: list[Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append the states of new tokens. Return all keys and values."""
        begin = self.keys.shape[-2]
        end = begin + key_states.shape[-2]
        if self.buffers is None or end > self.buffers[0].shape[-2]:
            self.buffers = [pad(x, (0, 0, 0, end - begin + ROOM)) for x in (self.keys, self.values)]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[..., begin:end, :] = states
        self.keys, self.values = (buffer[..., :end, :] for buffer in self.buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the rows of `indices`, in that order, with their room."""
        if self.buffers is None:
            return super().batch_select_indices(indices)
        end = self.keys.shape[-2]
        self.buffers = [buffer[indices] for buffer in self.buffers]
        self.keys, self.values = (buffer[..., :end, :] for buffer in self.buffers)


def preallocate(cache: Any) -> None:
    """Replace every initialised plain layer of a cache by a PreallocatedLayer."""
    cache.layers = [
        PreallocatedLayer(layer) if type(layer) is DynamicLayer and layer.is_initialized else layer
        for layer in cache.layers
    ]
