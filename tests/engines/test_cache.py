"""A cache with room holds what a cache without room holds."""

from __future__ import annotations

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicSlidingWindowLayer

from seethink.engines import cache as room
from seethink.engines.cache import RoomyLayer, make_room


def _states(n: int, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, 3, n, 4), torch.randn(rows, 3, n, 4)


def test_keys_and_values_are_those_of_an_ordinary_cache(monkeypatch) -> None:
    monkeypatch.setattr(room, "ROOM", 3)
    torch.manual_seed(0)
    plain, roomy = DynamicCache(), DynamicCache()
    begun = _states(5)
    for cache in (plain, roomy):
        cache.update(*begun, 0)
        cache.batch_repeat_interleave(2)
    make_room(roomy)
    assert isinstance(roomy.layers[0], RoomyLayer)
    for turn, n in enumerate((1, 1, 1, 1, 2, 7, 1)):
        rows = 4 if turn < 4 else 3
        if turn == 4:
            for cache in (plain, roomy):
                cache.batch_select_indices(torch.tensor([0, 2, 3]))
        states = _states(n, rows)
        wanted, found = plain.update(*states, 0), roomy.update(*states, 0)
        assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True))
        assert plain.get_seq_length() == roomy.get_seq_length()


def test_layers_of_other_kinds_are_left_alone() -> None:
    cache = DynamicCache()
    cache.layers.append(DynamicSlidingWindowLayer(sliding_window=4))
    cache.update(*_states(5), 0)
    before = list(cache.layers)
    make_room(cache)
    assert cache.layers == before
