"""The direct solver: one request per example."""

from __future__ import annotations

from collections.abc import Sequence

from seethink.attempt import attempt
from seethink.types import GREEDY, Engine, Example, Rollout, Sampling, Solver, Task


def direct(sampling: Sampling = GREEDY) -> Solver:
    """A solver that samples `sampling.n` completions of each example and keeps them all."""

    def solve(engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        return attempt(engine, task, examples, sampling)

    return solve
