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
from seethink.types import Engine, Example, Rollout, Sampling, Solver, Task

ONE = Sampling()


@dataclass(frozen=True)
class EqualTokens(Config):
    """Sample answers to a question until they have as many tokens as another solver sampled for it, at most
    `max_samples` and at least one, and keep the majority's or the likeliest.

    No answer is cut: a further one is sampled while at least half of the mean answer so far would fit, so
    that the tokens are equal on average.
    """

    select: Literal["majority", "logprob_mean", "logprob_sum"] = "majority"
    max_samples: int = 256
    sampling: Sampling = field(default=ONE)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(max_samples="at least 1")
        require_sampled(self.sampling, "the answers would all be the same")

    def within(self, tokens: Mapping[tuple[str, str], int]) -> Solver:
        """The solver for these budgets, {(task, id): tokens}."""

        def solve(engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
            return in_groups(engine, examples, lambda some: self._answer(engine, task, some, tokens))

        return solve

    def _answer(
        self, engine: Engine, task: Task, examples: Sequence[Example], tokens: Mapping[tuple[str, str], int]
    ) -> list[list[Rollout]]:
        meter = Meter(len(examples))
        prompts = [task.format.prompt(example) for example in examples]
        budgets = [tokens.get((task.name, example.id), 0) for example in examples]
        sampled: list[list[Rollout]] = [[] for _ in examples]
        spent, live = [0] * len(examples), [*range(len(examples))]
        for round in range(self.max_samples):
            one = replace(self.sampling, n=1, seed=identity.seed_of(self.sampling.seed, round))
            asked, given = [examples[i] for i in live], [prompts[i] for i in live]
            answers = meter.ask(engine, live, given, one)
            for i, rollouts in zip(live, judge_all(task, asked, given, answers), strict=True):
                sampled[i] += rollouts
                spent[i] += max(1, rollouts[0].response.n_tokens)
            live = [i for i in live if 2 * (budgets[i] - spent[i]) > spent[i] / (round + 1)]
            if not live:
                break
        chosen = select(self.select, meter, engine, sampled)
        return meter.give([[own[i]] for own, i in zip(sampled, chosen, strict=True)])
