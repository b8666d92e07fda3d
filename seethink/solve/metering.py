"""Requests of solvers, and what they took for each example."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol, runtime_checkable

from seethink.types import Completion, Engine, Example, Messages, Rollout, RolloutUsage, Sampling

TOGETHER = 32
"""Examples that a solver works on at a time: an engine keeps so many prompts."""


@runtime_checkable
class ReusingEngine(Protocol):
    """An engine that can keep what it computed of a prompt for later prompts that begin alike."""

    def reuse(self) -> AbstractContextManager[None]:
        """Keep prompts until the end of the context."""
        ...


def reusing(engine: Engine) -> AbstractContextManager[None]:
    """The context in which an engine keeps its prompts; engines that cannot (or do so by themselves, as
    vLLM does) are left alone."""
    return engine.reuse() if isinstance(engine, ReusingEngine) else nullcontext()


def in_groups(
    engine: Engine, examples: Sequence[Example], solve: Callable[[Sequence[Example]], list[list[Rollout]]]
) -> list[list[Rollout]]:
    """The rollouts of all examples, `TOGETHER` solved at a time while the engine keeps their prompts."""
    found: list[list[Rollout]] = []
    for start in range(0, len(examples), TOGETHER):
        with reusing(engine):
            found += solve(examples[start : start + TOGETHER])
    return found


class Meter:
    """Counts for each of `n` examples what was requested for it."""

    def __init__(self, n: int) -> None:
        self.usage = [RolloutUsage()] * n

    def ask(
        self, engine: Engine, owners: Sequence[int], conversations: Sequence[Messages], sampling: Sampling
    ) -> list[list[Completion]]:
        """The engine's completions. owners: the example that each conversation is about, by number."""
        begun = time.perf_counter()
        answers = engine.generate(conversations, sampling) if conversations else []
        self.count(owners, answers, time.perf_counter() - begun)
        return answers

    def count(self, owners: Sequence[int], answers: Sequence[Sequence[Completion]], seconds: float) -> None:
        """Add the usage of completions; `seconds` are shared equally."""
        for owner, one in zip(owners, measured(answers, seconds), strict=True):
            self.usage[owner] = sum(one, self.usage[owner])

    def unscored(self, owners: Iterable[int]) -> None:
        """Count candidates that a scorer could not judge, by the number of their example."""
        for owner in owners:
            self.usage[owner] += RolloutUsage(unscored=1)

    def duplicate(self, owner: int, equal: bool) -> None:
        """Count a candidate of an example that is dropped because it equals another."""
        self.usage[owner] += RolloutUsage(duplicates=int(equal))

    def give(self, rollouts: Sequence[Sequence[Rollout]]) -> list[list[Rollout]]:
        """The rollouts of each example; the first of them holds what was counted."""
        return [
            [replace(one, usage=self.usage[i] if k == 0 else RolloutUsage()) for k, one in enumerate(group)]
            for i, group in enumerate(rollouts)
        ]


def measured(answers: Sequence[Sequence[Completion]], seconds: float) -> list[list[RolloutUsage]]:
    """The usage of every completion of a batch that took `seconds`: what the engine counted, else what its
    completion says of itself, and None for the rest."""
    share = seconds / max(1, sum(map(len, answers)))
    return [[replace(_usage(one), seconds=share) for one in group] for group in answers]


def _usage(completion: Completion) -> RolloutUsage:
    return completion.usage or RolloutUsage(1, completion.n_tokens or None, None, None)
