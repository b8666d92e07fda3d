"""Base of all solvers: a solver is a frozen dataclass of its options that can be called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seethink.settings import Config
from seethink.types import Engine, Example, Rollout, Task


@dataclass(frozen=True)
class SolverOptions(Config, ABC):
    """A `types.Solver` with options. Equal options give equal rollouts, whatever shares the batch, as far as
    the engine's sampling is seeded.

    Every call returns the rollouts of each example, in order; `Rollout.usage` says what they took.
    """

    @abstractmethod
    def __call__(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """Answer the examples."""

    def refuse(self, name: str, why: str) -> ValueError:
        """The error of an option with a value that it cannot have."""
        return ValueError(f"{name}={getattr(self, name)}: {why}")


def require_sampled(sampling: Any, needed: str) -> None:
    """Raise ValueError where several completions are needed and decoding is greedy."""
    if sampling.temperature == 0:
        raise ValueError(f"temperature={sampling.temperature}: it must be above 0, since {needed}")
