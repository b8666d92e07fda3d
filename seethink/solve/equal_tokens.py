"""Controls of a solver: as many tokens as it samples, spent on independent answers, one of them selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from seethink import identity
from seethink.attempt import judge_all
from seethink.settings import Config
from seethink.solve.best_of_n import select
from seethink.solve.metering import Meter, in_groups
from seethink.solve.options import require_sampled
from seethink.solve.stages import Stages
from seethink.types import Engine, Example, Rollout, RolloutUsage, Sampling, Solver, Task

ONE = Sampling()


@dataclass(frozen=True)
class EqualTokens(Config):
    """Sample answers to a question until they have as many tokens as another solver sampled for it, at most
    `max_samples` and at least one, and keep the majority's or the likeliest.

    one: how one answer is given: at once, or in four turns. No answer is cut: a further one is sampled while
    at least half of the mean answer so far would fit, so that the tokens are equal on average.
    """

    select: Literal["majority", "logprob_mean", "logprob_sum"] = "majority"
    max_samples: int = 256
    one: Sampling | Stages = field(default=ONE)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(max_samples="at least 1")
        require_sampled(self.one, "the answers would all be the same")

    def within(self, tokens: Mapping[tuple[str, str], int]) -> Solver:
        """The solver for these budgets, {(task, id): tokens}."""

        def solve(engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
            return in_groups(engine, examples, lambda some: self._answer(engine, task, some, tokens))

        return solve

    def _answer(
        self, engine: Engine, task: Task, examples: Sequence[Example], tokens: Mapping[tuple[str, str], int]
    ) -> list[list[Rollout]]:
        meter = Meter(len(examples))
        budgets = [tokens.get((task.name, example.id), 0) for example in examples]
        sampled: list[list[Rollout]] = [[] for _ in examples]
        spent, live = [0] * len(examples), [*range(len(examples))]
        for round in range(self.max_samples):
            one = replace(self.one, seed=identity.seed_of(self.one.seed, round))
            for i, rollout in zip(live, _answered(one, meter, engine, task, examples, live), strict=True):
                sampled[i].append(rollout)
                spent[i] += max(1, rollout.response.n_tokens)
            live = [i for i in live if 2 * (budgets[i] - spent[i]) > spent[i] / (round + 1)]
            if not live:
                break
        chosen = select(self.select, meter, engine, sampled)
        return meter.give([[own[i]] for own, i in zip(sampled, chosen, strict=True)])


def _answered(
    one: Sampling | Stages,
    meter: Meter,
    engine: Engine,
    task: Task,
    examples: Sequence[Example],
    live: Sequence[int],
) -> list[Rollout]:
    """An answer to each live example."""
    asked = [examples[i] for i in live]
    if isinstance(one, Stages):
        rollouts = [rollout for (rollout,) in one.answer(engine, task, asked)]
        for i, rollout in zip(live, rollouts, strict=True):
            meter.usage[i] += rollout.usage or RolloutUsage()
        return rollouts
    prompts = [task.format.prompt(example) for example in asked]
    answers = meter.ask(engine, live, prompts, replace(one, n=1))
    return [rollout for (rollout,) in judge_all(task, asked, prompts, answers)]
