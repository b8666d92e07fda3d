"""Direct preference optimisation: groups of two branches, the better response first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from seethink.models import vision_cache
from seethink.models.encoder import Encoder, Prompt
from seethink.models.loading import load_policy
from seethink.models.packing import Branch, Group, Pack
from seethink.models.policy import LogProbs
from seethink.train import objectives, ranks
from seethink.train.configs import DPOConfig
from seethink.train.epochs import shuffled_index
from seethink.train.guard import REFERENCE, guarded
from seethink.train.held_out import HeldOut
from seethink.train.methods import OnStep
from seethink.train.preflight import check_pairs, watched
from seethink.train.probes import longest_of_each_kind
from seethink.train.reference import ReferenceCache
from seethink.train.sharding import gather_weights
from seethink.train.trainer import GroupTrainer
from seethink.types import PreferencePair

BLOCK = 32
"""Pairs whose reference log-probabilities are computed and written together."""
ROUNDING = 1e-4
"""Nats by which policy and reference may differ while they are one model: such a margin is no preference."""


@guarded("dpo")
def dpo(
    model: str,
    pairs: Sequence[PreferencePair],
    config: DPOConfig,
    out: Path,
    on_step: OnStep = lambda row: None,
    held_out: HeldOut | None = None,
) -> Path:
    """Train `model` to prefer the better response of each pair; returns `out/checkpoint`, for
    `from_pretrained`.

    Called again on the same `out` (`guarded`) it continues from its last checkpoint; InputError for other
    settings or data. Without `on_step`, a bar on a terminal. held_out: answered every `eval_steps`.
    """
    pairs = check_pairs(model, pairs, config, out, on_step)
    policy, encoder = load_policy(model, config.training.adapter.load_in_4bit)
    method = DPOMethod(ReferenceCache(model, policy, out / REFERENCE), encoder, pairs, config, on_step)
    steps = config.steps_for(len(pairs))
    return GroupTrainer(policy, method, config.training, steps, out, on_step).fit(held_out)


class DPOMethod:
    """DPO for the trainer. The reference is the model that training began with; it sees the pictures, and
    its log-probabilities are computed before the first step."""

    journals: Sequence[str] = ()
    temperature: float | None = None
    num_iterations = 1

    def __init__(
        self,
        reference: ReferenceCache,
        encoder: Encoder,
        pairs: Sequence[PreferencePair],
        config: DPOConfig,
        on_step: OnStep = lambda row: None,
    ) -> None:
        self.reference, self.encoder, self.pairs, self.config = reference, encoder, pairs, config
        self.margins: list[Tensor] = []
        self.better_logps: list[Tensor] = []
        self.on_step, self.is_cached = on_step, False

    def groups(self, step: int) -> list[Group]:
        if not self.is_cached:
            self._cache_reference(untrained=step == 0)
            self.is_cached = True
        positions = self.config.positions(step, len(self.pairs))
        numbers = [self._number(i) for i in ranks.local_shard(positions)]
        with gather_weights(self.reference.policy):
            groups = self._groups(numbers)
        for number, group in zip(numbers, groups, strict=True):
            for branch, logps in zip(group.branches, self.reference.known[number], strict=True):
                branch.weight, branch.reference = 1 / len(positions), logps
        return groups

    def _cache_reference(self, untrained: bool) -> None:
        """Compute what the reference says of every pair that the training will see and is not known yet."""
        self.reference.load()
        seen = {self._number(i) for i in range(self.config.rows_seen(len(self.pairs)))}
        missing = sorted(seen - self.reference.known.keys())
        blocks = [missing[i : i + BLOCK] for i in range(0, len(missing), BLOCK)]
        own = ranks.local_shard(blocks)
        with gather_weights(self.reference.policy):  # once: processes have unequal numbers of blocks
            for block in watched(
                own, len(own), f"blocks of {BLOCK} pairs seen by the reference", self.on_step
            ):
                groups = dict(zip(block, self._groups(block), strict=True))
                self.reference.compute(groups, untrained, self.config.training)
        self.reference.model.copy = None
        ranks.barrier()
        self.reference.known.clear()
        self.reference.load()

    def _groups(self, numbers: Sequence[int]) -> list[Group]:
        """The pairs of these numbers; sharded weights must have been gathered."""
        chosen = [self.pairs[number] for number in numbers]
        prompts = self.encoder.prompts([pair.format.prompt(pair.example) for pair in chosen])
        prompts = vision_cache.with_features(self.reference.policy.model, prompts)
        return [self._group(*both) for both in zip(chosen, prompts, strict=True)]

    def probes(self) -> list[Group]:
        chosen = longest_of_each_kind(self.pairs)
        prompts = self.encoder.prompts([pair.format.prompt(pair.example) for pair in chosen])
        return [self._group(*both) for both in zip(chosen, prompts, strict=True)]

    def _group(self, pair: PreferencePair, prompt: Prompt) -> Group:
        replies = (self.encoder.reply_ids(prompt, text) for text in (pair.better, pair.worse))
        return Group(prompt, [Branch(ids) for ids in replies], pair.example.id)

    def begin_update(self) -> None:
        self.margins, self.better_logps = [], []

    def loss(self, policy: LogProbs, pack: Pack) -> Tensor:
        """(N,) losses. A pair's loss stands at the first token of its better response, the likelihood term at
        all of that response's tokens; tokens of the worse response have 0."""
        logps = policy(pack)
        gained = logps - self.reference(pack)
        better = pack.owner % 2 == 0
        margins = _margins(gained, pack.owner, mean=self.config.loss_type == "sigmoid_norm")
        self.margins.append(margins.detach())
        first = torch.cat([better.new_ones(1), pack.owner[1:] != pack.owner[:-1]]) & better
        losses = torch.zeros_like(logps)
        losses[first] = objectives.preference(margins, self.config.beta, self.config.label_smoothing)
        if not self.config.rpo_alpha:
            return losses
        lengths = torch.bincount(pack.owner)[pack.owner]
        nll = torch.where(better, objectives.nll(logps) / lengths, 0.0)
        self.better_logps.append(objectives.sequence_mean(logps, pack.owner).detach()[first])
        return losses + self.config.rpo_alpha * nll

    def metrics(self) -> dict[str, float | None]:
        """Under the names of TRL."""
        margins = ranks.all_gather(m for some in self.margins for m in some.tolist())
        better = ranks.all_gather(x for some in self.better_logps for x in some.tolist())
        known = {
            "rewards/margins": _mean([self.config.beta * margin for margin in margins]),
            "rewards/accuracies": _mean([margin > ROUNDING for margin in margins]),
        }
        return known | ({"logps/chosen_mean": fmean(better)} if better else {})

    def _number(self, i: int) -> int:
        """Of the i-th pair of the whole training, epochs one after another."""
        return shuffled_index(i, len(self.pairs), self.config.training.seed)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _margins(gained: Tensor, owner: Tensor, mean: bool) -> Tensor:
    """(P,) by how much more the better responses gained on the reference than the worse; `gained` (N,) per
    token. mean: over a response's tokens instead of their sum."""
    sums = gained.new_zeros(int(owner[-1]) + 1).index_add(0, owner, gained)
    if mean:
        sums = sums / torch.bincount(owner)
    return sums[0::2] - sums[1::2]
