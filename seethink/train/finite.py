"""Losses that are not numbers, found once a step: to look at them after every pack is to wait for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from seethink.models.packing import Pack
from seethink.types import NotFinite


@dataclass
class FiniteLosses:
    """The packs of an update whose losses were not looked at yet, and which of their tokens' are finite."""

    waiting: list[tuple[Pack, Tensor]] = field(default_factory=list)

    def add(self, pack: Pack, losses: Tensor) -> None:
        """Note the losses (N,) of a pack's trained tokens."""
        self.waiting.append((pack, losses.detach().isfinite()))

    def check(self, step: int) -> None:
        """Raise NotFinite for a loss that is not finite, naming its question."""
        waiting, self.waiting = self.waiting, []
        if not waiting or torch.stack([finite.all() for _, finite in waiting]).all():
            return
        pack, finite = next((pack, finite) for pack, finite in waiting if not finite.all())
        owner = int(pack.owner[~finite][0])
        name = [group.name for group in pack.groups for _ in group.branches][owner]
        raise NotFinite(f"step {step}: the loss of {name} is not finite; the run stops before it is used")
