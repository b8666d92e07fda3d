"""Progress at the terminal: bars or lines, and the listener that shows a run's events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from seethink.cli.tables import say, show_report
from seethink.engines.base import RequestFailed
from seethink.run.events import (
    ReportWritten,
    StageEvent,
    StageFailed,
    StageFinished,
    StageLeftOut,
    StageProgress,
    StageSetAside,
    StageSkipped,
    StageStarted,
)
from seethink.run.run import Run

LINE_EVERY_S = 10.0
METRICS = ("reward", "loss", "correct")
"""Metrics of a progress row that are shown."""


class ProgressBar:
    """Progress of one stage: a bar on a terminal, elsewhere a line every ten seconds. Called with progress
    rows; a row with another number of steps begins a new count."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._first: tuple[int, float] | None = None
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def start(self) -> None:
        """Show the bar."""
        self._bars.start()

    def stop(self) -> None:
        """Remove the bar."""
        self._bars.stop()

    def __enter__(self) -> ProgressBar:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __call__(self, row: Mapping[str, Any]) -> None:
        """`row` has "step" (from 1), "steps", and either "detail", a text, or metrics. The first row of a
        resumed stage has a larger step."""
        step, steps, now = row["step"], row["steps"], time.monotonic()
        metrics = (f"{name} {row[name]:.3f}" for name in METRICS if row.get(name) is not None)
        detail = row.get("detail") or ", ".join(metrics)
        if self._first is None or steps != self._steps:
            if self._first:
                self._bars.remove_task(self._bar)
            self._first, self._steps, self._printed_at = (step, now), steps, now
            self._bar = self._bars.add_task(self._name, total=steps, completed=step - 1, detail=detail)
        self._bars.update(self._bar, completed=step, detail=detail)
        if not self._console.is_terminal and now - self._printed_at >= LINE_EVERY_S:
            first, since = self._first
            left = f"{(now - since) / max(1, step - first) * (steps - step):.0f} s left"
            say(self._console, ", ".join(filter(None, (f"{self._name}: {step} of {steps}", detail, left))))
            self._printed_at = now


class TerminalListener:
    """Listener of a run that prints its stages, progress and results: `Run(...,
    listeners=[TerminalListener()])`. notes: also what a finished training has to say."""

    def __init__(self, console: Console | None = None, notes: bool = True) -> None:
        self.console = console or Console()
        self._notes = notes
        self._progress: ProgressBar | None = None

    def __call__(self, event: StageEvent) -> None:
        match event:
            case StageProgress(_, row):
                if self._progress:
                    self._progress(row)
            case StageStarted(stage, resumed, continues):
                begun = "resumed" if resumed else "started"
                self._say(f"{stage}: {', '.join(filter(None, (begun, continues)))}")
                self._progress = ProgressBar(self.console, stage)
                self._progress.start()
            case StageFinished(stage, seconds, notes):
                self._stop()
                self._say_done(f"{stage}: finished, {seconds:.0f} s", notes)
            case StageFailed():
                self._stop()
            case StageSkipped(stage, seconds, notes):
                self._say_done(f"{stage}: skipped, finished before in {seconds:.0f} s", notes)
            case StageLeftOut(stage):
                self._say(f"{stage}: left out")
            case StageSetAside(stage, folder, changes):
                self._say(f"{stage}: starts anew ({', '.join(changes)}); the old folder is now {folder}")
            case ReportWritten(_, path, report):
                show_report(self.console, report)
                self._say(f"report: {path}")

    def _say_done(self, text: str, notes: Sequence[str]) -> None:
        self._say("; ".join((text, *(notes if self._notes else ()))))

    def _say(self, text: str) -> None:
        say(self.console, text)

    def _stop(self) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None


def run_console(run: Run) -> Console:
    """The terminal of a run; it prints nothing in processes of a launch that are not the main one."""
    return Console(quiet=not run.is_main_process)


def execute(run: Run, recipe: Callable[[Run], None], console: Console, notes: bool = True) -> None:
    """Execute a recipe with its progress at the terminal. Ctrl-C exits with code 130, a request that its
    server refuses for good with 1. notes: as in
    `TerminalListener`."""
    run.listeners = (*run.listeners, TerminalListener(console, notes))
    try:
        run.execute(recipe)
    except KeyboardInterrupt:
        say(console, "stopped; the same command continues")
        raise typer.Exit(130) from None
    except RequestFailed as error:
        say(Console(stderr=True), f"stopped: {error}; the same command continues")
        raise typer.Exit(1) from error
