"""The direct solver: one request per example."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from seethink.attempt import judge_all
from seethink.environment import complete
from seethink.solve.metering import measured, reusing
from seethink.solve.options import SolverOptions
from seethink.types import GREEDY, Engine, Example, Rollout, Sampling, Task


@dataclass(frozen=True)
class Direct(SolverOptions):
    """Sample n completions of each example, greedily by default, and keep them all.

    sampling: its fields are options of their own (n, temperature, top_p, top_k, max_tokens, seed).
    """

    sampling: Sampling = GREEDY

    def __call__(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """All at once: no prompt is asked twice."""
        return self.answer(engine, task, examples)

    def answer(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """Every rollout holds what its own completion took."""
        prompts = [task.format.prompt(example) for example in examples]
        begun = time.perf_counter()
        with reusing(engine) if task.environment else nullcontext():  # a later turn repeats the earlier ones
            completions = complete(engine, task, examples, prompts, self.sampling)
        usage = measured(completions, time.perf_counter() - begun)
        return [
            [replace(one, usage=own) for one, own in zip(group, costs, strict=True)]
            for group, costs in zip(judge_all(task, examples, prompts, completions), usage, strict=True)
        ]
