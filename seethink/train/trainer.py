"""One trainer for every method: an optimiser step is a list of groups.

transformers keeps optimiser, schedule, distribution and checkpoints (`resumable.py`). This file is the step:
groups are cut into packs under a token budget, their losses are a weighted sum over the whole step however it
is cut, and values that are not finite stop the run before they are used."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from seethink.models.encoder import Encoder
from seethink.models.observations import refuse_media
from seethink.models.packing import Group, Pack, halves, pack_groups
from seethink.models.policy import LogProbs, PolicyModel
from seethink.models.verification import LogProbCheck
from seethink.train import ranks, sharding
from seethink.train.configs import TrainingConfig
from seethink.train.finite import FiniteLosses
from seethink.train.memory_plan import MemoryPlan, free_memory
from seethink.train.methods import OnStep
from seethink.train.resumable import ResumableTrainer
from seethink.types import NotFinite

_LOG = logging.getLogger(__name__)


class Method(Protocol):
    """What a training method does in a step; the trainer does the rest.

    journals: files in the training's folder with a row for each step. temperature: at which the trained model
    itself samples; None where it does not. num_iterations: optimiser steps that learn from the same groups.
    """

    encoder: Encoder
    journals: Sequence[str]
    temperature: float | None
    num_iterations: int

    def probes(self) -> list[Group]:
        """Groups to check before the first step: of each kind of media in the data those of `probes.py`."""
        ...

    def groups(self, step: int) -> list[Group]:
        """The groups of optimiser step `step` (from 0), branch weights set; may be empty."""
        ...

    def begin_update(self) -> None:
        """The packs of an update follow, perhaps for the second time: statistics of packs start anew."""
        ...

    def loss(self, policy: LogProbs, pack: Pack) -> Tensor:
        """(N,) losses of the pack's trained tokens, before weighting. Must call `policy` once."""
        ...

    def metrics(self) -> dict[str, float | None]:
        """Numbers about the step just made; None where there was nothing to measure."""
        ...


class GroupTrainer(ResumableTrainer):
    """Trains `policy.model` by `method` for `steps` optimiser steps and leaves `out/checkpoint`."""

    def __init__(
        self,
        policy: PolicyModel,
        method: Method,
        config: TrainingConfig,
        steps: int,
        out: Path,
        on_step: OnStep = lambda row: None,
    ) -> None:
        self.method, self.num_iterations = method, method.num_iterations
        self.logp_check = LogProbCheck(policy, method.encoder, method.temperature)
        self.probed = False
        self.oom_retries = 0
        super().__init__(policy, config, steps, out, method.encoder.processor, method.journals, on_step)
        self.plan = MemoryPlan(policy, config, self.compute_loss_context_manager)

    def training_step(self, model: Any, inputs: dict[str, int], num_items_in_batch: Any = None) -> Tensor:
        """The loss of a step over all processes; its gradient is left in the model."""
        self._verify_data()
        started, encoder = time.monotonic(), self.method.encoder
        decoded, processed = encoder.decoded, encoder.processed
        groups = self.method.groups(inputs["step"])
        refuse_media(groups, encoder.media_token_ids)
        self._verify(groups)
        model.train()
        if self.deepspeed is not None:
            sharding.forget_gradients(self.deepspeed)
        local = self._accumulate(groups, inputs["step"] + 1)
        if not self.sharded:
            self._check_gradient(groups, inputs["step"] + 1)
            ranks.add_gradients(self.policy.parameters())
        loss = sum(ranks.all_gather([float(local)]))
        self.row = {
            "loss": loss,
            **self.method.metrics(),
            "media_decoded": ranks.all_sum(encoder.decoded - decoded),
            "processor_calls": ranks.all_sum(encoder.processed - processed),
            "oom_retries": ranks.all_sum(self.oom_retries),
            "seconds": time.monotonic() - started,
        }
        return torch.tensor(loss, device=self.args.device)

    def _verify_data(self) -> None:
        """Before the first step, check examples of each kind that the data have."""
        if not self.probed:
            self.policy.eval()
            with sharding.gather_weights(self.policy):
                for group in self.method.probes():
                    self.logp_check.check(group)
            self.probed = True

    def _verify(self, groups: list[Group]) -> None:
        """Check a group of each kind, and of each greater length, before anything is learned from it."""
        due = self.logp_check.due(groups)
        if any(ranks.all_gather([bool(due)])):
            self.policy.eval()
            with sharding.gather_weights(self.policy):
                for group in due:
                    self.logp_check.check(group)

    def _accumulate(self, groups: list[Group], step: int) -> Tensor:
        """The step's loss in this process. Out of memory, it starts over once, with packs of half the
        size."""
        limit = self.plan.limit(groups, None if self.sharded else free_memory(self.policy, self.optimizer))
        try:
            return self._update(groups, limit, step)
        except torch.OutOfMemoryError:
            if self.sharded:  # other processes wait inside a collective call that this one did not finish
                raise
        # not inside `except`: until its end the error holds the tensors of the pass that failed
        _LOG.warning("step %d: out of memory; retrying with packs of half the size", step)
        self.oom_retries += 1
        self.policy.zero_grad()
        torch.cuda.empty_cache()
        return self._update([half for group in groups for half in halves(group)], limit // 2, step)

    def _update(self, groups: list[Group], max_tokens_per_batch: int, step: int) -> Tensor:
        """Forward and backward passes of all packs."""
        self.method.begin_update()
        self.finite = FiniteLosses()
        packs = [(pack, True) for pack in pack_groups(groups, max_tokens_per_batch)]
        if self.sharded:
            packs = sharding.equal_calls([pack for pack, _ in packs], self.policy)
        self.n_packs = len(packs)
        total = torch.zeros((), device=self.args.device)
        for number, (pack, weighs) in enumerate(packs, 1):
            # DeepSpeed makes its step in the last backward pass
            self.accelerator.gradient_state._set_sync_gradients(number == len(packs))
            total += self._backward(pack.to(self.args.device), step, weighs)
        self.finite.check(step)
        return total

    def _backward(self, pack: Pack, step: int, weighs: bool = True) -> Tensor:
        """The weighted loss of one pack, backpropagated. weighs: False for a pack that only keeps the
        collective calls of all processes equal.

        The model itself is called, not a data-parallel wrapper, which would want equal calls of every
        process."""
        model = self.policy if self.deepspeed is None else self.deepspeed
        self.plan.prepare(pack)
        with self.compute_loss_context_manager():
            losses = self.method.loss(model, pack) * pack.weights if weighs else 0 * model(pack)
        self.finite.add(pack, losses)
        if self.sharded:  # DeepSpeed makes its step in the backward pass
            self.finite.check(step)
        loss = losses.sum()
        scale = ranks.world_size() if self.sharded else 1  # sharded gradients are averaged over processes
        self.accelerator.backward(loss * scale)
        return loss.detach()

    def _check_gradient(self, groups: list[Group], step: int) -> None:
        """Raise NotFinite if the step's gradient is not finite, naming the groups that it comes from."""
        if self._gradient_is_finite():
            return
        culprits = []
        for group in groups:
            self.policy.zero_grad()
            for pack in pack_groups([group], self.config.tokens_per_batch):
                self._backward(pack.to(self.args.device), step)
            if not self._gradient_is_finite():
                culprits.append(group.name)
        names = ", ".join(culprits) or "all groups together"
        raise NotFinite(
            f"step {step}: the gradient of {names} is not finite; the run stops before it is used"
        )

    def _gradient_is_finite(self) -> bool:
        gradients = [p.grad for p in self.policy.parameters() if p.grad is not None]
        return not gradients or bool(torch.nn.utils.get_total_norm(gradients).isfinite())
