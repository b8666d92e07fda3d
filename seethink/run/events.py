"""Events of a run. A `Run` sends them to its listeners and prints nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StageEvent:
    """Base of all events. stage: the stage's name."""

    stage: str


@dataclass(frozen=True)
class StageStarted(StageEvent):
    """Work on a stage begins. resumed: an earlier process began it. continues: from which step of it a
    training goes on, and what has changed since; empty where it makes its first step."""

    resumed: bool
    continues: str = ""


@dataclass(frozen=True)
class StageProgress(StageEvent):
    """A step of a stage is done. row: its metrics, with `step` (from 1) and `steps`; the first row of a
    resumed stage has a larger `step` than 1. While a training checks its rows: their numbers as `step` and
    `steps`, and `detail`."""

    row: Mapping[str, Any]


@dataclass(frozen=True)
class StageFinished(StageEvent):
    """seconds: of all processes that worked on the stage, interrupted ones included. notes: what a training
    has to say at its end, such as rows that were left out. earlier: seconds of those before this one."""

    seconds: float
    notes: Sequence[str] = ()
    earlier: float = 0.0


@dataclass(frozen=True)
class StageFailed(StageEvent):
    """The work raised `error` or was interrupted; the exception propagates after this event."""

    error: BaseException


@dataclass(frozen=True)
class StageSkipped(StageEvent):
    """The stage was finished by an earlier run. seconds: what it took then. notes: as in `StageFinished`."""

    seconds: float
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class StageLeftOut(StageEvent):
    """The stage is not among the selected ones (`only`)."""


@dataclass(frozen=True)
class StageSetAside(StageEvent):
    """The stage's settings or inputs changed, so that it starts anew. folder: where its old results are now.
    changes: what differs, such as "learning_rate 1e-06 -> 1e-05"."""

    folder: Path
    changes: Sequence[str]


@dataclass(frozen=True)
class ReportReady(StageEvent):
    """The results of a run are compared.

    report: content of report.json. folder: of the run, where its report belongs. attempts: {arm:
    attempts.jsonl}. metrics: {training stage: metrics.jsonl}. notes: what the report says first.
    """

    report: Mapping[str, Any]
    folder: Path
    attempts: Mapping[str, Path]
    metrics: Mapping[str, Path]
    notes: Sequence[str]


@dataclass(frozen=True)
class ReportWritten(StageEvent):
    """report.json and report.html are on disk, now or from an earlier run. path: of report.html."""

    path: Path
    report: Mapping[str, Any]


Listener = Callable[[StageEvent], None]
"""Called with every event, in order, in the process and thread of the run. What it raises stops the run."""
