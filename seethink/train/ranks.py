"""The processes of one training, each with its own share of a step's groups.

A step belongs to all of them: weights are global (`objectives.token_weights`), every process adds what its
groups give, and the sums are exchanged once, at the end. So a process may have fewer groups, none at all, or
no picture, and nobody waits for a call that another one does not make.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")
BUCKET = 16_000_000
"""Numbers that are exchanged in one call."""


def number() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def mine(items: Sequence[T]) -> list[T]:
    """This process's share of what all of them hold: neighbours stay together."""
    n, rank, ranks = len(items), number(), count()
    return list(items[n * rank // ranks : n * (rank + 1) // ranks])


def everyone(items: Iterable[T]) -> list[T]:
    """What all processes give, in their order. Everyone must call it."""
    if count() == 1:
        return list(items)
    given: list[list[T]] = [[] for _ in range(count())]
    distributed.all_gather_object(given, list(items))
    return [item for some in given for item in some]


def total(here: int) -> int:
    """The sum of what all processes count. Everyone must call it."""
    return sum(everyone([here]))


def wait() -> None:
    """Until everybody is here."""
    if count() > 1:
        distributed.barrier()


def add_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by the sum over processes; a parameter that nobody reached stays without."""
    if count() == 1:
        return
    weights = [p for p in parameters if p.requires_grad]
    reached = torch.tensor([p.grad is not None for p in weights], dtype=torch.int32, device=weights[0].device)
    distributed.all_reduce(reached, distributed.ReduceOp.MAX)
    bucket: list[Tensor] = []
    for parameter, somewhere in zip(weights, reached.tolist(), strict=True):
        if not somewhere:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        bucket.append(parameter.grad)
        if sum(gradient.numel() for gradient in bucket) >= BUCKET:
            _add(bucket)
            bucket = []
    _add(bucket)


def _add(gradients: Sequence[Tensor]) -> None:
    if not gradients:
        return
    together = torch.cat([gradient.flatten().float() for gradient in gradients])
    distributed.all_reduce(together)
    for gradient, part in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
