"""Execute one stage: skipped if finished, resumed if interrupted, else started; other processes take part or
wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.models.release import release_memory
from seethink.run.events import (
    Listener,
    StageFailed,
    StageFinished,
    StageLeftOut,
    StageProgress,
    StageSetAside,
    StageSkipped,
    StageStarted,
)
from seethink.run.stage import Stage
from seethink.train.methods import OnStep

_STATE_EVERY_S = 10.0
_POLL_EVERY_S = 0.5

StageWork = Callable[[Path, OnStep], Any]
"""`(stage folder, on_progress) -> result`, a JSON value."""


@dataclass(frozen=True)
class StageExecutor:
    """only: names of the stages to execute, all if there is none. emit: called with every event."""

    only: Sequence[str]
    is_main_process: bool
    emit: Listener

    def __call__(self, stage: Stage, work: StageWork, on_all_processes: bool = False) -> Any:
        """The stage's result, from now or before; None if `only` leaves it out. on_all_processes: whether
        all do the work; trainings and evaluations they always share."""
        if not self.is_main_process:
            return self._assist(stage, work, on_all_processes)
        status = stage.status()
        if status == "done":
            state = stage.state()
            self.emit(StageSkipped(stage.name, state["seconds"], stage.notes()))
            return state["result"]
        if self.only and stage.name not in self.only:
            self.emit(StageLeftOut(stage.name))
            return None
        if status == "changed":
            changes = stage.changes(stage.state()).texts
            self.emit(StageSetAside(stage.name, stage.set_aside(), changes))
        self.emit(StageStarted(stage.name, status == "begun", stage.continues()))
        try:
            earlier, state = self._work(stage, work)
        except BaseException as error:
            self.emit(StageFailed(stage.name, error))
            raise
        self.emit(StageFinished(stage.name, state["seconds"], stage.notes(), earlier))
        return state["result"]

    def _assist(self, stage: Stage, work: StageWork, on_all_processes: bool) -> Any:
        """In a process that is not the main one: take part in trainings and, once the main one has begun
        it, in other work that is shared; wait for everything else."""
        selected = not self.only or stage.name in self.only
        shared = on_all_processes or stage.kind == "evaluate"
        if selected and shared:
            while stage.status() in ("pending", "changed"):
                time.sleep(_POLL_EVERY_S)
        if selected and (shared or stage.trains) and stage.status() != "done":
            work(stage.folder, lambda row: None)
        while stage.status() != "done":
            if not selected:
                return None
            time.sleep(_POLL_EVERY_S)
        return stage.state()["result"]

    def _work(self, stage: Stage, work: StageWork) -> tuple[float, dict[str, Any]]:
        """Do the work; returns the seconds that earlier processes worked on it, and the final state. The
        seconds of all processes add up, a killed one's too."""
        state = stage.begin()
        before, start, written = state["seconds"], time.monotonic(), time.monotonic()

        def on_progress(row: dict[str, Any]) -> None:
            nonlocal written
            self.emit(StageProgress(stage.name, row))
            if time.monotonic() - written >= _STATE_EVERY_S:
                written = time.monotonic()
                stage.write(state | {"seconds": round(before + written - start, 1)})

        result = work(stage.folder, on_progress)
        release_memory()
        seconds = round(before + time.monotonic() - start, 1)
        state |= {"status": "done", "seconds": seconds, "result": result}
        stage.write(state)
        return before, state
