"""Held-out questions, answered while a model trains: a curve of what it learns beyond its rows. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seethink.attempt import attempt, headline
from seethink.types import GREEDY, InputError, Rollout, Sampling, Task

if TYPE_CHECKING:
    from seethink.engines.local import LocalEngine
    from seethink.train.configs import TrainingConfig

CHUNK = 128
"""Questions answered at once."""


@dataclass(frozen=True)
class HeldOut:
    """The questions of a task, and how they are answered. They are no part of what is learned, so that other
    questions do not make a training another. others: tasks that are answered too, such as a shifted test; the
    names of their columns end in a slash and the task's name."""

    task: Task
    sampling: Sampling = GREEDY
    others: tuple[Task, ...] = ()

    def __post_init__(self) -> None:
        names = [other.name for other in self.others]
        if len({*names}) < len(names):
            raise ValueError(f"columns of further tasks are named after them, so {names} must differ")

    def refuse_unusable(self, engine: LocalEngine) -> None:
        """Raises InputError for questions that the model cannot be shown or the verifier cannot judge."""
        from seethink.evaluate.references import refuse_unjudgeable
        from seethink.models.accepted_media import refuse_unusable

        refuse_unusable(engine, [self.task, *self.others])
        refuse_unjudgeable([self.task, *self.others])

    def answered(self, engine: LocalEngine) -> dict[str, float | None]:
        """The columns of metrics.jsonl. Each process answers a share; every one must call it."""
        columns = self._answered(engine, self.task)
        for other in self.others:
            columns |= {f"{name}/{other.name}": n for name, n in self._answered(engine, other).items()}
        return columns

    def _answered(self, engine: LocalEngine, task: Task) -> dict[str, float | None]:
        from seethink.evaluate.statistics import mean
        from seethink.train import ranks

        own = ranks.local_shard(range(len(task.examples)))
        found: list[dict[str, Any]] = []
        for start in range(0, len(own), CHUNK):
            examples = [task.examples[i] for i in own[start : start + CHUNK]]
            rollouts = attempt(engine, task, examples, self.sampling)
            found += [_facts(rollout, task) for group in rollouts for rollout in group]
        every = ranks.all_gather(found)
        return {
            "eval_correct": mean([facts["correct"] for facts in every]),
            "eval_judged": sum(facts["correct"] is not None for facts in every),
            "eval_unjudged": sum(facts["correct"] is None for facts in every),
            "eval_mean_length": mean([facts["length"] for facts in every]),
            "eval_clipped_ratio": mean([facts["clipped"] for facts in every]),
        }


def _facts(rollout: Rollout, task: Task) -> dict[str, Any]:
    response = rollout.response
    return {
        "correct": headline(task, rollout.score).value,
        "length": response.n_tokens,
        "clipped": response.stop == "length",
    }


def refuse_missing(config: TrainingConfig, held_out: HeldOut | None) -> None:
    """Raises InputError where settings ask for answers to held-out questions, and there are none."""
    if config.monitoring.eval_steps and held_out is None:
        raise InputError(
            f"eval_steps={config.monitoring.eval_steps} asks held-out questions, and there are none; give "
            "--test FILE (in Python held_out=), or leave it out"
        )
