"""The curves of GRPO: one row of numbers for each step, over all processes, under the names of TRL's
dashboards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from torch import Tensor

from seethink.models.host_inputs import places
from seethink.models.packing import Branch
from seethink.train import ranks
from seethink.train.diagnosis import MEASURES, measured
from seethink.train.history import COUNTS
from seethink.train.importance import importance_ratios
from seethink.train.objectives import kl_divergence
from seethink.types import Rollout, Task


@dataclass
class RolloutStatistics:
    """What happened while a rollout batch was sampled, in this process.

    task: of the completions. rollouts: scored completions by prompt. unjudged: completions without a score.
    zero_std_groups: groups whose rewards are all equal, or that have none. resampled: prompts that replaced
    groups without spread. passed_over: prompts that the sampler passed over for their pass rate. overlong:
    what the length of each judged completion cost, where it costs anything."""

    task: Task
    rollouts: list[list[Rollout]] = field(default_factory=list)
    unjudged: int = 0
    zero_std_groups: int = 0
    resampled: int = 0
    passed_over: int = 0
    overlong: list[float] = field(default_factory=list)

    @cached_property
    def facts(self) -> list[dict[str, Any]]:
        """What the curves need of each rollout of all processes, computed once for all updates of a batch.
        Every process must ask for it."""
        own = (_facts(rollout, self.task) for group in self.rollouts for rollout in group)
        return ranks.all_gather(own)


@dataclass
class UpdateStatistics:
    """Per-token tensors of the packs of one update, for the curves."""

    clipped: list[Tensor] = field(default_factory=list)
    kl: list[Tensor] = field(default_factory=list)
    entropy: list[Tensor] = field(default_factory=list)
    sampler_difference: list[Tensor] = field(default_factory=list)
    sampler_ratio: list[Tensor] = field(default_factory=list)
    sampler_kl: list[Tensor] = field(default_factory=list)
    sampler_held: list[Tensor] = field(default_factory=list)

    def compare(self, branches: Sequence[Branch], old: Tensor, sampled: Tensor, held: Tensor) -> None:
        """Keep how far an engine's log-probabilities `sampled` (N,) are from the trained model's. held (N,):
        which tokens a cap truncated or rejected. Branches that no engine sampled are left out."""
        known = [bool(branch.sampled) for branch in branches]
        at = places(known, [branch.n_trained for branch in branches]).to(old.device)
        old, sampled, held = (x.index_select(0, at) for x in (old, sampled, held.float()))
        self.sampler_difference.append((old - sampled).abs())
        self.sampler_ratio.append(importance_ratios(old, sampled))
        self.sampler_kl.append(kl_divergence(sampled, old))
        self.sampler_held.append(held)


def step_metrics(statistics: RolloutStatistics, update: UpdateStatistics) -> dict[str, float | None]:
    """A row of metrics.jsonl. None where there was nothing to measure. Every process must call it."""
    every = statistics.facts
    judged = [fact for fact in every if fact["reward"] is not None]
    rewards = [fact["reward"] for fact in judged]
    names = dict.fromkeys(name for fact in judged for name in fact["parts"])
    parts = {name: [fact["parts"][name] for fact in judged if name in fact["parts"]] for name in names}
    groups = ranks.all_sum(len(statistics.rollouts))
    if overlong := ranks.all_gather(statistics.overlong):  # rewards are without it
        parts["overlong_penalty"] = overlong
    return {
        "reward": _mean(rewards),
        "reward_std": stdev(rewards) if len(rewards) > 1 else None,
        **{f"rewards/{name}/mean": _mean(values) for name, values in parts.items()},
        "frac_reward_zero_std": ranks.all_sum(statistics.zero_std_groups) / max(1, groups),
        "judged": len(judged),
        **{name: _mean([fact[name] for fact in every]) for name in MEASURES},
        **{COUNTS[name]: _number([fact[name] for fact in every]) for name in MEASURES if name in COUNTS},
        "frac_completions_identical": _share_of_groups(statistics, _identical, groups),
        "num_tokens": sum(fact["completions/mean_length"] for fact in every),
        "unjudged": ranks.all_sum(statistics.unjudged),
        "frac_groups_unjudged": _share_of_groups(statistics, _unjudged, groups),
        "resampled_prompts": statistics.resampled,
        "passed_over_prompts": statistics.passed_over,
        "clip_ratio": _mean_of_tokens(update.clipped),
        "kl": _mean_of_tokens(update.kl),
        "entropy": _mean_of_tokens(update.entropy),
        "sampling/sampling_logp_difference/mean": _mean_of_tokens(update.sampler_difference),
        "sampling/importance_sampling_ratio/mean": _mean_of_tokens(update.sampler_ratio),
        "sampling/kl": _mean_of_tokens(update.sampler_kl),
        "sampling/clipped_ratio": _mean_of_tokens(update.sampler_held),
    }


def _facts(rollout: Rollout, task: Task) -> dict[str, Any]:
    """What the curves need of a rollout, in a form that can be sent to other processes."""
    score = rollout.score
    parts = {name: part.value for name, part in score.parts.items()}
    return {"reward": score.value, "parts": parts, **measured(rollout, task)}


def _share_of_groups(
    statistics: RolloutStatistics, holds: Callable[[Sequence[Rollout]], bool], groups: int
) -> float:
    """The share of all processes' groups, `groups` in number, for which `holds`."""
    return ranks.all_sum(sum(holds(group) for group in statistics.rollouts)) / max(1, groups)


def _identical(group: Sequence[Rollout]) -> bool:
    """Whether all completions of a group are the same text."""
    return len({rollout.response.text for rollout in group}) == 1


def _unjudged(group: Sequence[Rollout]) -> bool:
    """Whether no completion of a group could be judged."""
    return all(rollout.score.value is None for rollout in group)


def _number(values: Sequence[float | None]) -> int:
    return sum(value is not None for value in values)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known else None


def _mean_of_tokens(tensors: Sequence[Tensor]) -> float | None:
    """The mean over all tokens of all processes."""
    sums = ranks.all_gather((float(tensor.sum()), tensor.numel()) for tensor in tensors)
    tokens = sum(n for _, n in sums)
    return sum(total for total, _ in sums) / tokens if tokens else None
