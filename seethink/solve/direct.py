"""The direct solver: one request per example."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seethink.attempt import judge_all
from seethink.environment import Observation, roll_out
from seethink.formats.messages import chat_message, spoken
from seethink.solve.metering import measured, reusing
from seethink.solve.options import SolverOptions
from seethink.types import (
    GREEDY,
    Completion,
    Engine,
    Example,
    Messages,
    Rollout,
    Sampling,
    Task,
    assistant_prefill,
)


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
        completions = self._completions(engine, task, examples, prompts)
        usage = measured(completions, time.perf_counter() - begun)
        return [
            [replace(one, usage=own) for one, own in zip(group, costs, strict=True)]
            for group, costs in zip(judge_all(task, examples, prompts, completions), usage, strict=True)
        ]

    def _completions(
        self, engine: Engine, task: Task, examples: Sequence[Example], prompts: Sequence[Messages]
    ) -> list[list[Completion]]:
        """The completions of each prompt; turn by turn where the task has an environment."""
        if task.environment is None:
            return engine.generate(prompts, self.sampling)
        found: list[list[Completion]] = [[] for _ in prompts]
        for number in range(self.sampling.n):  # one by one: equal conversations would go on equally
            seed = random.Random(f"{self.sampling.seed}/rollout/{number}").getrandbits(63)
            own = replace(self.sampling, n=1, seed=seed)
            with reusing(engine):
                episodes = roll_out(task.environment, examples, prompts, engine.generate, _continue, own)
            for completions, (episode,) in zip(found, episodes, strict=True):
                completions.append(episode.completion())
        return found


def _continue(messages: Messages, _: int, last: Completion, observation: Observation) -> Messages:
    """The conversation with the model's turn, its prefill included, and the environment's answer."""
    said = chat_message("assistant", assistant_prefill(messages) + spoken(last.text))
    earlier = messages[:-1] if assistant_prefill(messages) else messages
    return [*earlier, said, chat_message("user", *observation)]
