"""The order of examples: shuffled epochs, one after another, the same in every process and after a kill."""

from __future__ import annotations

import random
from functools import lru_cache


def shuffled_index(i: int, n: int, seed: int) -> int:
    """The index of the i-th of `n` examples when each epoch has an order of its own, decided by `seed`."""
    epoch, position = divmod(i, n)
    return shuffled(n, f"{seed}/{epoch}")[position]


@lru_cache(maxsize=2)
def shuffled(n: int, key: str) -> list[int]:
    """0 to n - 1 in an order decided by `key`; not to be changed by the caller."""
    order = list(range(n))
    random.Random(key).shuffle(order)
    return order
