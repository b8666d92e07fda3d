"""Processes of one training (data parallel), each with its own share of a step's groups.

Token weights are global (`objectives.token_weights`), every process accumulates the gradient of its own
groups, and gradients are summed once, at the end of a step. So a process may have fewer groups, none, or no
picture, and none waits for a collective call that another does not make."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from accelerate.state import PartialState
from torch import Tensor, distributed

from seethink import launch

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
BUCKET = 16_000_000
"""Elements of one all-reduce."""


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def join() -> None:
    """Form a process group with the other processes of the launch, if there are any."""
    if launch.world_size() > 1:
        PartialState(cpu=not torch.cuda.is_available())


def warn_of_idle_gpus() -> None:
    """Log that this machine has more GPUs than processes of this training, each of which uses one."""
    processes, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if gpus > processes and rank() == 0:
        _LOG.warning(
            "%d of %d GPUs train: start with torchrun --nproc_per_node %d -m seethink ... to use all, or "
            "name one in CUDA_VISIBLE_DEVICES",
            processes,
            gpus,
            gpus,
        )


def local_shard(items: Sequence[T]) -> list[T]:
    """This process's contiguous share of `items`, which all processes hold."""
    n, here, processes = len(items), rank(), world_size()
    return list(items[n * here // processes : n * (here + 1) // processes])


def all_gather(items: Iterable[T]) -> list[T]:
    """The items of all processes, in the order of their ranks. Every process must call it."""
    if world_size() == 1:
        return list(items)
    gathered: list[list[T]] = [[] for _ in range(world_size())]
    distributed.all_gather_object(gathered, list(items))
    return [item for some in gathered for item in some]


def all_sum(n: int) -> int:
    """The sum over all processes. Every process must call it."""
    return sum(all_gather([n]))


def added(values: Tensor) -> Tensor:
    """The sum over all processes. Every process must call it."""
    if world_size() > 1:
        distributed.all_reduce(values)
    return values


def barrier() -> None:
    """Wait for all processes."""
    if world_size() > 1:
        distributed.barrier()


def add_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its sum over processes; a parameter without gradient in all of them stays
    so."""
    if world_size() == 1:
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
