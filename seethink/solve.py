"""Ways of using engines to answer: `(engine, task, examples) -> rollouts`."""

from __future__ import annotations

from collections.abc import Sequence

from seethink.attempt import attempt
from seethink.types import GREEDY, Engine, Example, Rollout, Sampling, Solver, Task


def direct(sampling: Sampling = GREEDY) -> Solver:
    """Ask once (or `sampling.n` times) and take what comes."""

    def solve(engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        return attempt(engine, task, examples, sampling)

    return solve
