"""Group relative policy optimisation: rollouts -> scores -> advantages -> groups."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from seethink.attempt import headline, judge_all, lesson, record
from seethink.engines import features
from seethink.families import Encoder, Prompt
from seethink.formats import by_steps
from seethink.media import keep
from seethink.train import objectives, ranks
from seethink.train.configs import GRPO
from seethink.train.groups import Branch, Group, Pack, kept
from seethink.train.model import Reference, load
from seethink.train.questions import Walk
from seethink.train.rollouts import Rollouts
from seethink.train.sharded import gathered
from seethink.train.shared_prefix import Scorer
from seethink.train.trainer import GroupTrainer, Watch, append
from seethink.types import Example, Rollout, Sampling, Task


def grpo(
    model: str,
    task: Task,
    config: GRPO,
    out: Path,
    media: Path | None = None,
    watch: Watch = lambda row: None,
) -> Path:
    """Reinforce what `task.verifier` pays; returns `out/checkpoint`, a folder for `from_pretrained`.

    Every attempt is written to `out/attempts.jsonl`, its pictures under `media`. Called again on the same
    `out` after a kill, it continues from its last checkpoint.
    """
    scorer, encoder = load(model, config.four_bit)
    practice = Practice(model, scorer, encoder, task, config)
    practice.journal, practice.media = out / "attempts.jsonl", media or out / "media"
    practice.engine.folder = out / "rollout-weights"
    steps = config.steps * config.updates_per_rollout
    try:
        return GroupTrainer(scorer, practice, config, steps, out, watch).fit()
    finally:
        practice.engine.close()


@dataclass
class Tally:
    """What happened in a step, for the curves."""

    rollouts: list[list[Rollout]] = field(default_factory=list)
    skipped: int = 0
    unjudged: int = 0
    refilled: int = 0
    rested: int = 0
    clipped: list[Tensor] = field(default_factory=list)
    kl: list[Tensor] = field(default_factory=list)
    gap: list[Tensor] = field(default_factory=list)


class Practice:
    """The method of GRPO for the trainer: each rollout batch feeds `updates_per_rollout` optimiser steps."""

    journal: Path | None = None
    media: Path = Path("media")
    dropped = 0

    def __init__(self, model: str, scorer: Scorer, encoder: Encoder, task: Task, config: GRPO) -> None:
        self.model, self.scorer, self.encoder, self.task, self.config = model, scorer, encoder, task, config
        self.engine = Rollouts(model, scorer.model, encoder, config)
        self.batch: list[Group] = []
        self.tally = Tally()
        self.reference = Reference(model, scorer)
        self.walk = Walk(task.examples, config)

    def groups(self, step: int) -> list[Group]:
        turn, update = divmod(step, self.config.updates_per_rollout)
        if update == 0:
            self.batch = self._roll_out(turn, step)
        return self.batch

    def begin(self) -> None:
        self.tally.clipped, self.tally.kl, self.tally.gap = [], [], []

    def loss(self, logps: Tensor, pack: Pack) -> Tensor:
        """The policy gradient plus kl_weight times KL; of copied traces the likelihood alone.

        The first update of a rollout is on-policy: its own detached log-probabilities are the old ones, so
        no second pass is made.
        """
        lengths = [branch.n_trained for branch in pack.branches]
        for branch, now in zip(pack.branches, logps.detach().split(lengths), strict=True):
            branch.old = now if branch.old is None else branch.old
        old = torch.cat([branch.old for branch in pack.branches if branch.old is not None])
        losses, clipped = self._policy_gradient(logps, old, pack)
        losses = losses * self._importance(old, pack)
        self.tally.clipped.append(clipped[~pack.copied].float())
        if self.config.kl_weight:
            kl = objectives.kl(logps, self._reference_logps(pack, lengths), self.config.kl)
            self.tally.kl.append(kl.detach()[~pack.copied])
            losses = losses + self.config.kl_weight * kl
        return torch.where(pack.copied, objectives.nll(logps), losses)

    def _policy_gradient(self, logps: Tensor, old: Tensor, pack: Pack) -> tuple[Tensor, Tensor]:
        clip = self.config.clip_low, self.config.clip_high
        if self.config.ratio == "sequence":
            return objectives.sequence_policy_gradient(logps, old, pack.advantages, pack.owner, clip)
        if self.config.ratio == "weight":
            return objectives.clipped_weight_policy_gradient(logps, old, pack.advantages, clip[1])
        return objectives.clipped_policy_gradient(logps, old, pack.advantages, *clip)

    def _importance(self, old: Tensor, pack: Pack) -> Tensor:
        """(N,) factors that make good what separates the engine that sampled from the trained model."""
        given = zip(pack.branches, old.split([branch.n_trained for branch in pack.branches]), strict=True)
        sampled = torch.cat([old.new_tensor(b.sampled) if b.sampled else own for b, own in given])
        told = torch.tensor([bool(b.sampled) for b in pack.branches], device=old.device)[pack.owner]
        self.tally.gap.append((old - sampled).abs()[told])
        cap = self.config.importance_cap
        return objectives.importance(old, sampled, cap) if cap else torch.ones_like(old)

    def metrics(self) -> dict[str, float | None]:
        tally = self.tally
        every = ranks.everyone(_facts(rollout) for group in tally.rollouts for rollout in group)
        counts = (len(tally.rollouts), tally.skipped, tally.unjudged)
        groups, skipped, unjudged = map(ranks.total, counts)
        judged = [fact for fact in every if fact["reward"] is not None]
        names = dict.fromkeys(name for fact in judged for name in fact["parts"])
        parts = {name: [f["parts"][name] for f in judged if name in f["parts"]] for name in names}
        return {
            "reward": _mean([fact["reward"] for fact in judged]),
            **{f"reward/{name}": _mean(values) for name, values in parts.items()},
            "response_tokens": _mean([fact["tokens"] for fact in every]),
            "skipped_groups": skipped / max(1, groups),
            "truncated": _mean([fact["truncated"] for fact in every]),
            "think_rate": _mean([fact["by_steps"] for fact in every]),
            "unjudged": unjudged,
            "refilled_groups": tally.refilled,
            "rested_questions": tally.rested,
            "dropped": ranks.total(self.dropped),
            "clipped": _overall(tally.clipped),
            "kl": _overall(tally.kl),
            **self._sampler_metrics(),
        }

    def _sampler_metrics(self) -> dict[str, float | None]:
        """How far the engine's log-probabilities are from the model's, in the mean over tokens, and how many
        calls to a server failed and were made again."""
        if self.config.rollout == "local":
            return {}
        return {"sampler_gap": _overall(self.tally.gap), "retried": ranks.total(self.engine.retried)}

    def _roll_out(self, turn: int, step: int) -> list[Group]:
        """Ask the turn's questions, score the answers, and keep the groups that hold a difference to learn
        from; where there are too few, ask others, `refills` times at most."""
        size = self.config.questions_per_step
        if self.walk.turn != turn:
            self.walk.resume(turn, self.journal or Path())
        places = self.walk.next()
        self.dropped = 0
        with gathered(self.scorer):
            self.engine.follow(step)
        prompts, rollouts = self._ask(ranks.mine(places), turn, step)
        groups, self.tally = form_groups(prompts, rollouts, self.config)
        for refill in range(self.config.refills):
            missing = self.walk.others(refill, places)[: size - ranks.total(len(groups))]
            if not missing:
                break
            places += missing
            more = self._ask(ranks.mine(missing), turn, step)
            prompts, rollouts = prompts + more[0], rollouts + more[1]
            groups, self.tally = form_groups(prompts, rollouts, self.config)
        self.engine.rest()
        self.tally.refilled, self.tally.rested = len(places) - size, self.walk.rested
        return self._with_traces(groups, prompts, rollouts)

    def _ask(self, places: Sequence[int], turn: int, step: int) -> tuple[list[Prompt], list[list[Rollout]]]:
        """The prompts of the questions at `places`, and their scored responses, which are written down."""
        examples = [self.task.examples[place] for place in places]
        asked = [self.task.format.prompt(example) for example in examples]
        prompts = self.encoder.prompts(asked)
        short = kept(prompts, [example.id for example in examples], self.config)
        self.dropped += short.count(False)
        examples, asked = list(compress(examples, short)), list(compress(asked, short))
        prompts = list(compress(prompts, short))
        sampling = Sampling(
            n=self.config.responses_per_question,
            temperature=self.config.temperature,
            max_tokens=self.config.max_tokens,
            seed=_seed(self.config.seed, turn),
        )
        with gathered(self.scorer):
            prompts = features.once(self.scorer.model, prompts)
            answers = self.engine.complete(prompts, sampling)
        rollouts = judge_all(self.task, examples, asked, answers)
        told = (
            {"id": r.example.id, "correct": headline(self.task, r.score).value} for g in rollouts for r in g
        )
        self.walk.tell(ranks.everyone(told))
        if self.journal:
            self._keep(examples, prompts)
            rows = [record(self.task, r, self.media, step + 1) for group in rollouts for r in group]
            rows = ranks.everyone(rows)
            if ranks.number() == 0:
                append(self.journal, rows)
        return prompts, rollouts

    def _keep(self, examples: Sequence[Example], prompts: Sequence[Prompt]) -> None:
        """Save what the questions show while it is loaded, so that nothing is decoded again for the record.
        A clip that its family sees as pictures is loaded anew."""
        for example, prompt in zip(examples, prompts, strict=True):
            if len(example.media) == len(prompt.loaded):
                for medium, seen in zip(example.media, prompt.loaded, strict=True):
                    keep(medium, self.media, seen)

    def _with_traces(
        self, groups: list[Group], prompts: Sequence[Prompt], rollouts: Sequence[Sequence[Rollout]]
    ) -> list[Group]:
        """The groups, and to each question its own trace to copy, where `nll_weight` asks for it."""
        if not self.config.nll_weight:
            return groups
        by_name = {group.name: group for group in groups}
        copies = []
        for prompt, group in zip(prompts, rollouts, strict=True):
            example = group[0].example
            ids = self.encoder.reply_ids(prompt, lesson(self.task, example).text)
            copies.append(Branch(ids, copied=True))
            by_name.setdefault(example.id, Group(prompt, [], example.id)).branches.append(copies[-1])
        total = ranks.total(sum(copy.n_trained for copy in copies))
        for copy in copies:
            copy.weight = self.config.nll_weight / total
        return list(by_name.values())

    def _reference_logps(self, pack: Pack, lengths: Sequence[int]) -> Tensor:
        """(N,) log-probabilities under the model that training began with, computed once a rollout."""
        if any(branch.reference is None for branch in pack.branches):
            logps = self.reference(pack, self.config.temperature)
            for branch, fixed in zip(pack.branches, logps.split(lengths), strict=True):
                branch.reference = fixed
        return torch.cat([branch.reference for branch in pack.branches if branch.reference is not None])


def form_groups(
    prompts: Sequence[Prompt], rollouts: Sequence[Sequence[Rollout]], config: GRPO
) -> tuple[list[Group], Tally]:
    """Scored rollouts as groups, and the tally of what was left out.

    Responses that could not be judged take no part and are counted. A group whose rewards are all equal has
    no advantage to give: it is skipped, but its tokens stay in the normaliser, so skipping changes no
    gradient (with KL it does: what is skipped is not pulled back either). Only where such groups are refilled
    the step is normalised over what was kept, as in DAPO.
    """
    tally = Tally(rollouts=[list(group) for group in rollouts])
    judged = [[(r, _reward(r, config)) for r in group if r.score.value is not None] for group in rollouts]
    tally.unjudged = sum(map(len, rollouts)) - sum(map(len, judged))
    spread = [len({reward for _, reward in group}) > 1 for group in judged]
    tally.skipped = len(spread) - sum(spread)
    counted = [group for group, uneven in zip(judged, spread, strict=True) if uneven or not config.refills]
    lengths = [len(r.response.token_ids) for group in counted for r, _ in group]
    every = ranks.everyone(lengths)
    weights = iter(objectives.token_weights(lengths, config.normalise, config.max_tokens, every))
    groups = []
    for prompt, group, uneven in zip(prompts, judged, spread, strict=True):
        own = [next(weights) for _ in group] if uneven or not config.refills else []
        if not uneven:
            continue
        gains = objectives.advantages([reward for _, reward in group], config.advantage).tolist()
        branches = [
            Branch(r.response.token_ids, weight=w, advantage=a, sampled=r.response.logps)
            for (r, _), w, a in zip(group, own, gains, strict=True)
        ]
        groups.append(Group(prompt, branches, group[0][0].example.id))
    return groups, tally


def _reward(rollout: Rollout, config: GRPO) -> float:
    """What a response earned, less what its length costs."""
    assert rollout.score.value is not None
    n_tokens = len(rollout.response.token_ids)
    return rollout.score.value + objectives.overlong(n_tokens, config.max_tokens, config.overlong_tokens)


def _seed(seed: int, turn: int) -> int:
    return random.Random(f"{seed}/rollout/{turn}").getrandbits(63)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known else None


def _overall(tensors: Sequence[Tensor]) -> float | None:
    """The mean over all tokens of all processes."""
    sums = ranks.everyone((float(t.sum()), t.numel()) for t in tensors)
    tokens = sum(n for _, n in sums)
    return sum(total for total, _ in sums) / tokens if tokens else None


def _facts(rollout: Rollout) -> dict[str, Any]:
    """What the curves need of a rollout, in a form that can be sent to other processes."""
    response, score = rollout.response, rollout.score
    return {
        "reward": score.value,
        "parts": {name: part.value for name, part in score.parts.items()},
        "tokens": response.n_tokens,
        "truncated": response.stop == "length",
        "by_steps": by_steps(response.text),
    }
