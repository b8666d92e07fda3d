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
    questions do not make a training another."""

    task: Task
    sampling: Sampling = GREEDY

    def refuse_unusable(self, engine: LocalEngine) -> None:
        """Raises InputError for questions that the model cannot be shown or the verifier cannot judge."""
        from seethink.evaluate.references import refuse_unjudgeable
        from seethink.models.accepted_media import refuse_unusable

        refuse_unusable(engine, [self.task])
        refuse_unjudgeable([self.task])

    def answered(self, engine: LocalEngine) -> dict[str, float | None]:
        """The columns of metrics.jsonl. Each process answers a share; every one must call it."""
        from seethink.evaluate.statistics import mean
        from seethink.train import ranks

        own = ranks.local_shard(range(len(self.task.examples)))
        found: list[dict[str, Any]] = []
        for start in range(0, len(own), CHUNK):
            examples = [self.task.examples[i] for i in own[start : start + CHUNK]]
            rollouts = attempt(engine, self.task, examples, self.sampling)
            found += [self._facts(rollout) for group in rollouts for rollout in group]
        every = ranks.all_gather(found)
        return {
            "eval_correct": mean([facts["correct"] for facts in every]),
            "eval_unjudged": sum(facts["correct"] is None for facts in every),
            "eval_mean_length": mean([facts["length"] for facts in every]),
            "eval_clipped_ratio": mean([facts["clipped"] for facts in every]),
        }

    def _facts(self, rollout: Rollout) -> dict[str, Any]:
        response = rollout.response
        return {
            "correct": headline(self.task, rollout.score).value,
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
