"""Progress at the terminal: the listener that shows a run's events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import typer
from rich.console import Console

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
from seethink.train.progress_bar import ProgressBar


class TerminalListener:
    """Listener of a run that prints its stages, progress and results: `Run(...,
    listeners=[TerminalListener()])`. summaries: also what a finished training has to say, and reports."""

    def __init__(self, console: Console | None = None, summaries: bool = True) -> None:
        self.console = console or Console()
        self._summaries = summaries
        self._progress: ProgressBar | None = None

    def __call__(self, event: StageEvent) -> None:
        match event:
            case StageProgress(stage, row):
                self._bar(stage)(row)
            case StageStarted(stage, resumed, continues):
                self._stop()  # of rows that were checked ahead of it
                begun = "resumed" if resumed else "started"
                self._say(f"{stage}: {', '.join(filter(None, (begun, continues)))}")
                self._bar(stage)
            case StageFinished(stage, seconds, notes, earlier):
                self._stop()
                before = f", {earlier:.0f} s of them in earlier calls" if earlier else ""
                self._say_done(f"{stage}: finished, {seconds:.0f} s{before}", notes)
            case StageFailed():
                self._stop()
            case StageSkipped(stage, seconds, notes):
                self._say_done(f"{stage}: skipped, finished before in {seconds:.0f} s", notes)
            case StageLeftOut(stage):
                self._say(f"{stage}: left out")
            case StageSetAside(stage, folder, changes):
                self._say(f"{stage}: starts anew ({', '.join(changes)}); the old folder is now {folder}")
            case ReportWritten(_, path, report) if self._summaries:
                show_report(self.console, report)
                self._say(f"report: {path}")

    def _bar(self, stage: str) -> ProgressBar:
        """The bar that is shown; begun where there is none."""
        if self._progress is None:
            self._progress = ProgressBar(self.console, stage)
            self._progress.start()
        return self._progress

    def _say_done(self, text: str, notes: Sequence[str]) -> None:
        self._say("; ".join((text, *(notes if self._summaries else ()))))

    def _say(self, text: str) -> None:
        say(self.console, text)

    def _stop(self) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None


def run_console(run: Run) -> Console:
    """The terminal of a run; it prints nothing in processes of a launch that are not the main one."""
    return Console(quiet=not run.is_main_process)


def execute(run: Run, recipe: Callable[[Run], None], console: Console, summaries: bool = True) -> None:
    """Execute a recipe with its progress at the terminal. Ctrl-C exits with code 130, a request that its
    server refuses for good with 1. summaries: as in `TerminalListener`."""
    run.listeners = (*run.listeners, TerminalListener(console, summaries))
    try:
        run.execute(recipe)
    except KeyboardInterrupt:
        say(console, "stopped; the same command continues")
        raise typer.Exit(130) from None
    except RequestFailed as error:
        say(Console(stderr=True), f"stopped: {error}; the same command continues")
        raise typer.Exit(1) from error
