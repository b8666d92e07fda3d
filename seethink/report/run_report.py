"""The report of a run: report.html and report.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.report import scores
from seethink.report.breakdown import breakdowns
from seethink.report.curves import training_curves
from seethink.report.gallery import build_gallery
from seethink.report.gallery_page import colours_of
from seethink.report.groups import ScoredGroup, scored_groups
from seethink.report.page import render_page, write_atomically
from seethink.settings import written_setting

SMOKE = "At scale smoke a run shows that everything works, and nothing else: its numbers prove nothing."
FIELDS = ("source", "claim", "needs", "differs")
_FIELD = re.compile(rf"({'|'.join(FIELDS)})\b\s*:?\s+(.+)", re.DOTALL)


def write_report(
    folder: Path,
    report: Mapping[str, Any],
    arms: Mapping[str, Path],
    trainings: Mapping[str, Path],
    notes: Sequence[str] = (),
) -> Path:
    """Write `report.json` and `report.html` into the run folder; returns the path of the page.

    arms: {name: attempts.jsonl of its evaluation}, the untrained arm first; without any the page is about
    the trainings alone.
    trainings: {stage: metrics.jsonl}; rollouts are shown where an attempts.jsonl lies in the same folder.
    notes: the recipe's title, then its fields ("source ...", "claim ...", "needs ...", "differs ..."); any
    other note is shown as a remark.
    Raises InputError naming file and line where a stage's output cannot be read.
    """
    headline, texts = report["headline"], [note for note in notes if not _FIELD.match(note)]
    has_title = bool(texts) and texts[0] == notes[0]
    page = render_page(
        "report.html",
        report=report,
        facts=[match.groups() for note in notes if (match := _FIELD.match(note))],
        title=texts[0] if has_title else "",
        remarks=[*([SMOKE] if report["scale"] == "smoke" else []), *(texts[1:] if has_title else texts)],
        conclusion=scores.conclusion(report),
        lenient_differs=scores.lenient_differs(report),
        graded=scores.graded_tasks(report),
        table=scores.score_table(report),
        breakdowns=[*breakdowns(report["results"], headline)],
        tests=[(test, scores.describe_test(test)) for test in report["tests"]],
        gains={task: scores.task_gains(report["results"], task) for task in scores.measured_tasks(report)},
        trainings=training_curves(trainings, colours_of(report["results"]), _untrained(report)),
        settings=[_settings(stage, facts) for stage, facts in report.get("trainings", {}).items()],
        gallery=build_gallery(arms, folder, headline),
        groups=_groups(trainings, folder, headline),
    )
    write_atomically(
        folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )
    write_atomically(folder / "report.html", page)
    return folder / "report.html"


def _untrained(report: Mapping[str, Any]) -> float | None:
    """The held-out accuracy before a training, where that is what was evaluated."""
    before = report["results"].get(scores.BEFORE, {})
    return next(iter(before.values()))["value"] if len(before) == 1 else None


def _settings(stage: str, facts: Mapping[str, Any]) -> tuple[str, str, list[Any], list[Any]]:
    """(stage, method, settings with value and default that differ, settings with value that do not)"""
    written = {name: [*map(written_setting, both)] for name, both in facts["settings"].items()}
    changed = [(name, *both) for name, both in written.items() if both[0] != both[1]]
    return (
        stage,
        facts["method"],
        changed,
        [(n, value) for n, (value, usual) in written.items() if value == usual],
    )


def _groups(trainings: Mapping[str, Path], folder: Path, headline: str) -> list[ScoredGroup]:
    """The shown groups of all trainings that sample completions; SFT and DPO write no attempts."""
    attempts = {stage: metrics.with_name("attempts.jsonl") for stage, metrics in trainings.items()}
    return [
        group
        for stage, path in attempts.items()
        if path.exists()
        for group in scored_groups(stage, path, folder, headline)
    ]
