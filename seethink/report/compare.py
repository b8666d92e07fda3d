"""The report of a run: did it get better on questions it never saw, and what exactly changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.report import curves, scores
from seethink.report.gallery import OUTCOMES, gallery
from seethink.report.page import render, write_whole
from seethink.report.rollouts import PaidGroup, paid_groups

FIELDS = ("source", "claim", "needs", "differs")
_FIELD = re.compile(rf"({'|'.join(FIELDS)})\b\s*:?\s+(.+)", re.DOTALL)


def write_report(
    folder: Path,
    report: Mapping[str, Any],
    arms: Mapping[str, Path],
    trainings: Mapping[str, Path],
    notes: Sequence[str] = (),
) -> Path:
    """Write `report.json` and `report.html` into the run folder; returns the page's path.

    arms: name -> attempts.jsonl of its evaluation, the untrained arm first.
    trainings: stage -> metrics.jsonl; where attempts.jsonl stands beside it, its rollouts are shown too.
    notes: the recipe's title, then its fields ("source ...", "claim ...", "needs ...", "differs ..."); any
    other note is a remark, plainly visible.
    Raises InputError naming file and line where something that a stage wrote cannot be read.
    """
    headline, about = report["headline"], [note for note in notes if not _FIELD.match(note)]
    page = render(
        "report.html",
        report=report,
        facts=[match.groups() for note in notes if (match := _FIELD.match(note))],
        title=about[0] if about and about[0] == notes[0] else "",
        remarks=about[1:] if about and about[0] == notes[0] else about,
        table=scores.table(report),
        tests=[(test, scores.in_words(test)) for test in report["tests"]],
        gains={task: scores.gains(report["results"], task) for task in scores.tasks_of(report)},
        blocks=curves.blocks(trainings),
        gallery=gallery(arms, folder, headline),
        outcomes=OUTCOMES,
        paid=_paid(trainings, folder, headline),
    )
    write_whole(
        folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )
    write_whole(folder / "report.html", page)
    return folder / "report.html"


def _paid(trainings: Mapping[str, Path], folder: Path, headline: str) -> list[PaidGroup]:
    """Supervised stages sample nothing, so they have no attempts."""
    attempts = {stage: metrics.with_name("attempts.jsonl") for stage, metrics in trainings.items()}
    return [
        group
        for stage, path in attempts.items()
        if path.exists()
        for group in paid_groups(stage, path, folder, headline)
    ]
