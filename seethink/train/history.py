"""The rows of a training's metrics.jsonl as alarms look at them: its first steps and its last. No torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from seethink.train.configs import TrainingConfig

WINDOW = 10
"""Steps over which a column is averaged: the first of a training, and the last."""
CORRECT, FORMAT = "rewards/correct/mean", "rewards/format/mean"
FEWEST = 30
"""Completions of a window; alarms are silent about a mean over fewer."""
COUNTS = {
    CORRECT: "judged",
    FORMAT: "judged",
    "completions/mean_boxes": "completions/with_boxes",
    "completions/mean_reference_boxes": "completions/with_reference_boxes",
    "completions/thought_agrees_ratio": "completions/thoughts_with_answer",
}
"""{column that is a mean over some of the completions: the column of how many they are}"""


@dataclass
class History:
    """The rows of metrics.jsonl so far, as alarms look at them. parameters: of the whole model. evaluated:
    (step, held-out accuracy, questions that were judged, None where their number is not known)"""

    config: TrainingConfig
    parameters: int
    steps: int = 0
    head: list[Mapping[str, Any]] = field(default_factory=list)
    tail: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    evaluated: list[tuple[int, float, int | None]] = field(default_factory=list)

    def add(self, row: Mapping[str, Any]) -> None:
        self.steps += 1
        self.tail.append(row)
        if len(self.head) < WINDOW:
            self.head.append(row)
        if row.get("eval_correct") is not None:
            step = row.get("step", self.steps)
            self.evaluated.append((step, row["eval_correct"], row.get("eval_judged")))

    def first(self, column: str) -> float | None:
        """The mean over the first `WINDOW` steps; None where the column has no number there, or one of fewer
        than `FEWEST` completions."""
        return _counted_mean(self.head, column)

    def last(self, column: str) -> float | None:
        """The mean over the last `WINDOW` steps."""
        return _counted_mean(self.tail, column)

    def change(self, column: str) -> float | None:
        """By how much the mean rose from the first to the last window."""
        first, last = self.first(column), self.last(column)
        return None if first is None or last is None else last - first

    @property
    def right(self) -> float | None:
        """The mean score of completions (the part `correct`) in the last window, else the mean reward."""
        right = self.last(CORRECT)
        return self.last("reward") if right is None else right


def _counted_mean(rows: Iterable[Mapping[str, Any]], column: str) -> float | None:
    """The mean over completions where `COUNTS` tells how many each row is of; rows of earlier versions, which
    do not, count as `FEWEST`."""
    count = COUNTS.get(column, "")
    known = [(row[column], row.get(count, FEWEST)) for row in rows if row.get(column) is not None]
    if sum(n for _, n in known) < FEWEST:
        return None
    return fmean([value for value, _ in known], [n for _, n in known])


def mean_of(rows: Iterable[Mapping[str, Any]], column: str) -> float | None:
    """The mean of a column over the rows that have a number in it; None where none has."""
    known = [row[column] for row in rows if row.get(column) is not None]
    return fmean(known) if known else None
