"""Direct preference optimisation: groups of two branches, the better response first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from seethink.engines import features
from seethink.families import Encoder
from seethink.train import objectives, ranks
from seethink.train.configs import DPO
from seethink.train.groups import Branch, Group, Pack, kept
from seethink.train.model import Reference, load
from seethink.train.sharded import gathered
from seethink.train.shared_prefix import Scorer
from seethink.train.trainer import GroupTrainer, Watch
from seethink.types import Pair


def dpo(model: str, pairs: Sequence[Pair], config: DPO, out: Path, watch: Watch = lambda row: None) -> Path:
    """Teach `model` to prefer the better of each pair; returns `out/checkpoint`, for `from_pretrained`.

    Called again on the same `out` after a kill, it continues from its last checkpoint.
    """
    scorer, encoder = load(model, config.four_bit)
    steps = config.steps_for(len(pairs))
    return GroupTrainer(
        scorer, Preferring(model, scorer, encoder, pairs, config), config, steps, out, watch
    ).fit()


class Preferring:
    """The method of DPO for the trainer. The reference is the model that training began with, pictures
    included."""

    def __init__(
        self, model: str, scorer: Scorer, encoder: Encoder, pairs: Sequence[Pair], config: DPO
    ) -> None:
        self.encoder, self.pairs, self.config = encoder, pairs, config
        self.margins: list[Tensor] = []
        self.likelihoods: list[Tensor] = []
        self.dropped = 0
        self.reference = Reference(model, scorer)

    def groups(self, step: int) -> list[Group]:
        size = self.config.pairs_per_step
        chosen = [self._pair(i) for i in ranks.mine(range(step * size, (step + 1) * size))]
        prompts = self.encoder.prompts([pair.format.prompt(pair.example) for pair in chosen])
        short = kept(prompts, [pair.example.id for pair in chosen], self.config)
        self.dropped = ranks.total(short.count(False))
        chosen, prompts = list(compress(chosen, short)), list(compress(prompts, short))
        with gathered(self.reference.scorer):
            prompts = features.once(self.reference.scorer.model, prompts)
        left, groups = size - self.dropped, []
        for pair, prompt in zip(chosen, prompts, strict=True):
            replies = (self.encoder.reply_ids(prompt, text) for text in (pair.better, pair.worse))
            branches = [Branch(ids, weight=1 / left) for ids in replies]
            groups.append(Group(prompt, branches, pair.example.id))
        return groups

    def begin(self) -> None:
        self.margins, self.likelihoods = [], []

    def loss(self, logps: Tensor, pack: Pack) -> Tensor:
        """Each pair's loss stands at the first token of its better response, the likelihood term at all of
        them; the worse one's own places are zero."""
        kept = logps - self.reference(pack)
        better = pack.owner % 2 == 0
        margins = _margins(kept, pack.owner, self.config.per_token)
        self.margins.append(margins.detach())
        first = torch.cat([better.new_ones(1), pack.owner[1:] != pack.owner[:-1]]) & better
        losses = torch.zeros_like(logps)
        losses[first] = objectives.preference(margins, self.config.beta, self.config.label_smoothing)
        if not self.config.nll_weight:
            return losses
        lengths = torch.bincount(pack.owner)[pack.owner]
        nll = torch.where(better, objectives.nll(logps) / lengths, 0.0)
        self.likelihoods.append(objectives.sequence_mean(logps, pack.owner).detach()[first])
        return losses + self.config.nll_weight * nll

    def metrics(self) -> dict[str, float | None]:
        margins = ranks.everyone(m for some in self.margins for m in some.tolist())
        better = ranks.everyone(x for some in self.likelihoods for x in some.tolist())
        known = {
            "margin": _mean(margins),
            "accuracy": _mean([m > 0 for m in margins]),
            "dropped": self.dropped,
        }
        return known | ({"better_logp": fmean(better)} if better else {})

    def _pair(self, i: int) -> Pair:
        epoch, place = divmod(i, len(self.pairs))
        order = list(range(len(self.pairs)))
        random.Random(f"{self.config.seed}/{epoch}").shuffle(order)
        return self.pairs[order[place]]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _margins(kept: Tensor, owner: Tensor, per_token: bool) -> Tensor:
    """(P,) by how much more the better responses gained on the reference than the worse; `kept` (N,)."""
    sums = kept.new_zeros(int(owner[-1]) + 1).index_add(0, owner, kept)
    if per_token:
        sums = sums / torch.bincount(owner)
    return sums[0::2] - sums[1::2]
