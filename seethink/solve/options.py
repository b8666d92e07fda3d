"""Base of all solvers: a solver is a frozen dataclass of its options that can be called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seethink import identity, own
from seethink.models.names import model_key
from seethink.settings import Config, leaves
from seethink.solve.metering import in_groups
from seethink.types import Engine, Example, InputError, Rollout, Task


@dataclass(frozen=True)
class SolverOptions(Config, ABC):
    """A `types.Solver` with options. Equal options give equal rollouts, whatever shares the batch, as far as
    the engine's sampling is seeded.

    Every call returns the rollouts of each example, in order; `Rollout.usage` says what they took.
    """

    def __call__(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """Answer the examples, `metering.TOGETHER` at a time; meanwhile the engine keeps their prompts.
        Raises InputError for a task with an environment, whose turns only the direct solver takes."""
        if task.environment:
            raise InputError(f"{task.name} has an environment; answer it directly, without a solver")
        return in_groups(engine, examples, lambda some: self.answer(engine, task, some))

    @abstractmethod
    def answer(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """Answer some examples together."""

    def depends_on(self, made: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """What the options name, by option: the identity of models, adapters and code of your own, so that a
        stage is not taken for finished when they changed. made: {folder: what identifies it} of models that
        need not be there yet."""
        named = {name: value for name, value in leaves(self).items() if value and isinstance(value, str)}
        found: dict[str, Any] = {}
        for name, value in named.items():
            if value in made:
                found[name] = made[value]
            elif name.endswith("_model"):
                found[name] = model_key(value)
            elif name.endswith("_adapter"):
                if not Path(value).is_dir():
                    raise InputError(
                        f"{name}={value}: there is no such folder; name the folder of an adapter"
                    )
                found[name] = identity.of_folder(Path(value), content=False)
            elif own.is_address(value) and name in ("scorer", "select"):
                found[name] = identity.of_verifier(own.load("scorer", value))
        return found

    def refuse(self, name: str, why: str) -> ValueError:
        """The error of an option with a value that it cannot have."""
        return ValueError(f"{name}={getattr(self, name)}: {why}")


def require_sampled(sampling: Any, needed: str) -> None:
    """Raise ValueError where several completions are needed and decoding is greedy."""
    if sampling.temperature == 0:
        raise ValueError(f"temperature={sampling.temperature}: it must be above 0, since {needed}")
