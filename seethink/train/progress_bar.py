"""The progress of a training or evaluation: a bar on a terminal or in a notebook, elsewhere lines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

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
            disable=not is_watched(console),
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
        for text in row.get("said", ()):
            self._print(f"{self._name}, step {step}: {text}")
        if not is_watched(self._console) and now - self._printed_at >= LINE_EVERY_S:
            first, since = self._first
            left = f"{(now - since) / max(1, step - first) * (steps - step):.0f} s left"
            line = ", ".join(filter(None, (f"{self._name}: {step} of {steps}", detail, left)))
            self._print(line)
            self._printed_at = now

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def is_watched(console: Console) -> bool:
    """Whether somebody sees a bar move: on a terminal and in a notebook."""
    return console.is_terminal or console.is_jupyter
