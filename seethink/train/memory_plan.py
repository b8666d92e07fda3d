"""How a training fits its packs into an accelerator's memory: how many tokens a pack may have, and which
share of the layers it checkpoints.

What a pack keeps for its backward pass is counted (`memory.kept_parts`); how far that is from the truth,
with the dtypes of this training, is measured once, on a small pack. Both answers follow from the memory that
is free at the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seethink.models import checkpointing
from seethink.models.packing import Group, Pack, pack_groups
from seethink.models.policy import ROWS_PER_CHUNK, PolicyModel
from seethink.train.configs import TrainingConfig
from seethink.train.dimensions import TextDimensions
from seethink.train.memory import CHUNK_LOGIT, FP32, PromptShape, kept_parts

SPARE = 0.1
"""Share of the memory that is left to fragmentation and to what is not counted."""


@dataclass
class Kept:
    """Bytes that autograd keeps: of activations, and of weights in another dtype, which autocast makes."""

    activations: int = 0
    weights: int = 0


@contextmanager
def keeping(policy: PolicyModel) -> Iterator[Kept]:
    """Counts what forward passes inside it keep for their backward passes, logits left out, which are counted
    by the chunk; a storage counts once."""
    vocabulary = TextDimensions.of(policy.config).vocabulary
    own = {weight.untyped_storage().data_ptr() for weight in policy.parameters()}
    shapes = {tuple(sorted(weight.shape)) for weight in policy.parameters() if weight.dim() == 2}
    kept, seen = Kept(), set(own)

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen and tensor.shape[-1:] != (vocabulary,):
            seen.add(storage.data_ptr())
            held.append(tensor)  # or another tensor would get its address
            if tuple(sorted(tensor.shape)) in shapes and tensor.dtype != next(policy.parameters()).dtype:
                kept.weights += storage.nbytes()
            else:
                kept.activations += storage.nbytes()
        return tensor

    held: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept


def plans_memory() -> bool:
    """Whether there is an accelerator whose memory is planned."""
    return torch.cuda.is_available()


def free_memory(policy: PolicyModel, optimizer: torch.optim.Optimizer | None) -> int | None:
    """Bytes of this process's accelerator that activations may take; None on a CPU. States that the optimiser
    has not made yet are counted, as gradients are, and what others hold of the same accelerator."""
    if not plans_memory():
        return None
    free, total = torch.cuda.mem_get_info()
    free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # kept by torch for reuse
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    coming = sum(FP32 * weight.numel() for weight in trained if weight.grad is None)
    coming += 0 if optimizer and optimizer.state else 2 * FP32 * sum(weight.numel() for weight in trained)
    return round(free - SPARE * total) - coming


@dataclass
class MemoryPlan:
    """The plan of one training. autocast: the context of its forward passes. free: bytes at this step, None
    where nothing is planned: on a CPU, and where weights are sharded, so that all processes make equal calls.
    whole, inputs, copies: what `measure` found: bytes kept over bytes counted, of whole layers and of the
    inputs of checkpointed ones, and bytes of weights in another dtype."""

    policy: PolicyModel
    config: TrainingConfig
    autocast: Callable[[], AbstractContextManager[object]]
    free: int | None = None
    whole: float | None = None
    inputs: float = 1.0
    copies: int = 0
    chunk: int = field(init=False)

    def __post_init__(self) -> None:
        self.chunk = CHUNK_LOGIT * ROWS_PER_CHUNK * TextDimensions.of(self.policy.config).vocabulary

    def limit(self, groups: Sequence[Group], free: int | None) -> int:
        """Tokens of a pack at this step: `max_tokens_per_batch`, or without it as many as `free` bytes hold,
        no layer checkpointed unless `gradient_checkpointing` asks for it."""
        self.free = free
        if self.free is None or not groups:
            return self.config.tokens_per_batch
        if self.whole is None:
            self.measure(min(groups, key=lambda group: group.length))
        if self.config.max_tokens_per_batch:
            return self.config.max_tokens_per_batch
        share = float(bool(self.config.gradient_checkpointing))
        token = max(self.kept([group], share) / group.length for group in groups)
        return max(1, int(self._room / token))

    def measure(self, group: Group) -> None:
        """Compare what one group with one branch keeps with what is counted for it: without checkpointing,
        and with every layer checkpointed where that may be asked for."""
        small = [Group(group.prompt, group.branches[:1], group.name)]
        asked = self.config.gradient_checkpointing
        found = self._measured(small, 0.0)
        self.whole, self.copies = found.activations / self._counted(small, 0.0)[0], found.weights
        if asked is not False:
            self.inputs = self._measured(small, 1.0).activations / self._counted(small, 1.0)[1]
        checkpointing.checkpoint(self.policy.model, float(bool(asked)))

    def _measured(self, groups: list[Group], share: float) -> Kept:
        (pack,) = pack_groups(groups, 1)
        checkpointing.checkpoint(self.policy.model, share)
        with self.autocast(), keeping(self.policy) as kept:
            self.policy(pack.to(self.policy.model.device))
        return kept

    def prepare(self, pack: Pack) -> None:
        """Checkpoint as many layers as the pack needs, where `gradient_checkpointing` leaves it open."""
        if self.free is not None and self.config.gradient_checkpointing is None:
            checkpointing.checkpoint(self.policy.model, self.share(pack))

    def share(self, pack: Pack) -> float:
        """The smallest share of the layers, in steps of one layer, with which the pack fits; 1 where none
        does."""
        most = max(map(len, checkpointing.stacks(self.policy.model)), default=1)
        padded = pack.ids.numel() / sum(group.length for group in pack.groups)
        for few in range(most):
            if padded * self.kept(pack.groups, few / most) <= self._room:
                return few / most
        return 1.0

    @property
    def _room(self) -> float:
        return max(0, (self.free or 0) - self.chunk - self.copies)

    def kept(self, groups: Sequence[Group], share: float) -> float:
        """Bytes that the groups' rows, without padding, keep if a share of the layers is checkpointed."""
        whole, inputs = self._counted(groups, share)
        return (self.whole or 1.0) * whole + self.inputs * inputs

    def _counted(self, groups: Sequence[Group], share: float) -> tuple[int, int]:
        shapes = [PromptShape(group.prompt, tuple(len(b.ids) for b in group.branches)) for group in groups]
        parts = [kept_parts(self.policy, shape, self.config, share) for shape in shapes]
        return sum(whole for whole, _ in parts), sum(inputs for _, inputs in parts)
