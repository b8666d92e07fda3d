"""Which process of a launch (`torchrun`, `accelerate launch`) this is, by the variables that launchers set.

Unlike `train.ranks` it needs no process group: who works on shares of files waits for no collective call.
"""

from __future__ import annotations

import os
from collections.abc import Sequence


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Number of this process among those of its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def share_of(positions: Sequence[int], rank: int, world_size: int) -> range | Sequence[int]:
    """The contiguous share of `positions` that process `rank` of `world_size` works on. Shares differ by at
    most one in length, and together are all positions."""
    n = len(positions)
    return positions[n * rank // world_size : n * (rank + 1) // world_size]
