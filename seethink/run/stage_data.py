"""Training data that an earlier stage makes. A recipe names them before that stage has run; a dry run plans
with them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from seethink import identity
from seethink.run.stage import Artefact
from seethink.sequences import Concatenated, LazySequence
from seethink.tasks import GoldTraces
from seethink.types import Task

T = TypeVar("T")


class StageData(LazySequence[T]):
    """Base class. Before the stage is finished the length is an upper bound, and items raise InputError."""

    @property
    @abstractmethod
    def made_by(self) -> Artefact:
        """The stage's result, on which whatever learns from these data depends."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Of what the items are made from, the stage's key included; no item is read."""

    @property
    def identity_length(self) -> None:
        return None


def stage_data(data: Any) -> StageData[Any] | None:
    """The `StageData` that training data are, or are made from, the first of concatenated ones; None for
    other data."""
    if isinstance(data, Concatenated):
        return next((found for part in data.parts if (found := stage_data(part)) is not None), None)
    if isinstance(data, GoldTraces):
        data = data.task
    rows = data.examples if isinstance(data, Task) else data
    return rows if isinstance(rows, StageData) else None


def identified(kind: str, data: Any) -> Any:
    """The identity of training data. kind: as in `TrainingMethod.data`."""
    return identity.of_task(data) if kind == "task" else identity.of_sequence(data)
