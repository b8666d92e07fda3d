"""The comparison of a run's evaluations: paired tests, published numbers beside measured ones, and the
report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from seethink.run.events import ReportReady, StageEvent
from seethink.run.stage import Evaluation


@dataclass(frozen=True)
class Claim:
    """A paper's numbers on a task, {arm: value in 0..1}, to be shown beside ours; `source`: where they are
    published."""

    task: str
    paper: Mapping[str, float]
    source: str


def common_headline(headlines: set[str]) -> str:
    """The one score part that all results report. Raises ValueError if they differ."""
    if len(headlines) != 1:
        raise ValueError(f"results in one report need the same headline, not {sorted(headlines)}")
    return headlines.pop()


def paired_tests(results: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """A row for each pair of arms and each task: the paired difference on the same questions, and its
    p-value, alone ("p") and corrected for the number of rows ("p_holm")."""
    from seethink.evaluate.statistics import compare, holm

    rows = [
        {"a": a, "b": b, **row}
        for a, b in combinations(results, 2)
        for row in compare(results[a].path, results[b].path)
    ]
    return [row | {"p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]


def measured_claims(results: Mapping[str, Evaluation], claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """The papers' numbers beside ours; `measured` is None where an arm or a task was not evaluated."""

    def measured(arm: str, task: str) -> float | None:
        row = results[arm].rows.get(task) if arm in results else None
        return row["value"] if row else None

    return [
        {"task": c.task, "arm": arm, "paper": paper, "measured": measured(arm, c.task), "source": c.source}
        for c in claims
        for arm, paper in c.paper.items()
    ]


def write_report_files(event: StageEvent) -> None:
    """Listener that writes report.json and report.html when the results are ready."""
    if isinstance(event, ReportReady):
        from seethink.report import write_report

        write_report(event.folder, event.report, event.attempts, event.metrics, event.notes)
