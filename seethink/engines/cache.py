"""A cache that new keys and values are written into.

transformers' dynamic cache concatenates: every token copies all keys and values before it. Here layers keep
room for the next tokens. Layers of other kinds (sliding windows, states) remain what they are.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Tokens for which a layer makes room at one time."""


class RoomyLayer(DynamicLayer):
    """(B, heads, tokens, size) keys and values, copied once in `ROOM` tokens. `rooms` are keys and values
    with the room behind them, None where it must be made anew."""

    keys: Tensor
    values: Tensor

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        vars(self).update(vars(layer))
        self.rooms: list[Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        begin = self.keys.shape[-2]
        end = begin + key_states.shape[-2]
        if self.rooms is None or end > self.rooms[0].shape[-2]:
            self.rooms = [pad(x, (0, 0, 0, end - begin + ROOM)) for x in (self.keys, self.values)]
        for room, states in zip(self.rooms, (key_states, value_states), strict=True):
            room[..., begin:end, :] = states
        self.keys, self.values = (room[..., :end, :] for room in self.rooms)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        self.rooms = None


def make_room(cache: Any) -> None:
    """Give every plain layer of a filled cache room for what will be written."""
    cache.layers = [
        RoomyLayer(layer) if type(layer) is DynamicLayer and layer.is_initialized else layer
        for layer in cache.layers
    ]
