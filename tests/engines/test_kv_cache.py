"""A preallocated cache holds the same keys and values as a dynamic one."""

from __future__ import annotations

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicSlidingWindowLayer

from seethink.engines import kv_cache
from seethink.engines.kv_cache import PreallocatedLayer, preallocate


def _states(n: int, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, 3, n, 4), torch.randn(rows, 3, n, 4)


def test_keys_and_values_are_those_of_an_ordinary_cache(monkeypatch) -> None:
    monkeypatch.setattr(kv_cache, "ROOM", 3)
    torch.manual_seed(0)
    plain, preallocated = DynamicCache(), DynamicCache()
    prompt = _states(5)
    for cache in (plain, preallocated):
        cache.update(*prompt, 0)
        cache.batch_repeat_interleave(2)
    preallocate(preallocated)
    assert isinstance(preallocated.layers[0], PreallocatedLayer)
    for turn, n in enumerate((1, 1, 1, 1, 2, 7, 1)):
        rows = 4 if turn < 4 else 3
        if turn == 4:
            for cache in (plain, preallocated):
                cache.batch_select_indices(torch.tensor([0, 2, 3]))
        states = _states(n, rows)
        expected, actual = plain.update(*states, 0), preallocated.update(*states, 0)
        assert all(torch.equal(a, b) for a, b in zip(expected, actual, strict=True))
        assert plain.get_seq_length() == preallocated.get_seq_length()


def test_layers_of_other_kinds_are_left_alone() -> None:
    cache = DynamicCache()
    cache.layers.append(DynamicSlidingWindowLayer(sliding_window=4))
    cache.update(*_states(5), 0)
    before = list(cache.layers)
    preallocate(cache)
    assert cache.layers == before
