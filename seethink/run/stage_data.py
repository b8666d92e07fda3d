"""Training data that an earlier stage makes. A recipe names them before that stage has run; a dry run plans
with them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from seethink import identity
from seethink.run.stage import Artefact
from seethink.sequences import Concatenated, LazySequence
from seethink.tasks import GoldTraces
from seethink.train.continuing import MADE_BY
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


def stage_data(data: Any) -> list[StageData[Any]]:
    """All `StageData` that a sequence or a task is, or is made from."""
    if isinstance(data, StageData):
        return [data]
    if isinstance(data, Concatenated):
        return [found for part in data.parts for found in stage_data(part)]
    if isinstance(data, GoldTraces):
        return stage_data(data.task)
    return stage_data(data.examples) if isinstance(data, Task) else []


def made_by_stages(*several: Any) -> dict[str, Artefact]:
    """The inputs of a stage that takes these data: the result of every stage that makes some of them, by
    name."""
    makers = [rows.made_by for data in several for rows in stage_data(data)]
    return {f"{MADE_BY}{maker.key.rpartition(':')[0]}": maker for maker in makers}


def identified(kind: str, data: Any) -> Any:
    """The identity of training data. kind: as in `TrainingMethod.data`."""
    return identity.of_task(data) if kind == "task" else identity.of_sequence(data)
