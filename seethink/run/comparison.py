"""The comparison of a run's evaluations: paired tests, published numbers beside measured ones, and the
report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from seethink import identity
from seethink.run.events import ReportReady, StageEvent
from seethink.run.stage import Evaluation, Stage
from seethink.settings import leaves
from seethink.train.methods import METHODS
from seethink.train.notes import metrics_rows, start_and_end

_PART = re.compile("rewards/(.+)/mean")
"""Column of metrics.jsonl with the mean of a part of the reward."""


@dataclass(frozen=True)
class Claim:
    """A paper's numbers on a task, {arm: value in 0..1}, to be shown beside ours; `source`: where they are
    published. mean_of: the tasks whose mean the numbers are, if `task` names no test. Raises ValueError for a
    number on another scale, such as percent or points."""

    task: str
    paper: Mapping[str, float]
    source: str
    mean_of: Sequence[str] = ()

    def __post_init__(self) -> None:
        for arm, value in self.paper.items():
            if not 0 <= value <= 1:
                raise ValueError(
                    f"the claim {value} of {arm} on {self.task} is no share between 0 and 1; divide it by "
                    "the best possible score"
                )


@dataclass(frozen=True)
class Finding:
    """The direction of a paper's main result, stated before anything is measured: on `task` the arm `better`
    is above the arm `worse`.

    text: the finding as a sentence without a full stop. otherwise: a sentence on why a measurement that does
    not show it differs from the paper's, without a full stop.
    """

    text: str
    task: str
    better: str
    worse: str
    otherwise: str = ""


def common_headline(headlines: set[str]) -> str:
    """The one score part that all results report. Raises ValueError if they differ."""
    if len(headlines) != 1:
        raise ValueError(f"results in one report need the same headline, not {sorted(headlines)}")
    return headlines.pop()


def headline_of(results: Mapping[str, Evaluation], trainings: Iterable[Stage]) -> str:
    """The headline of the results; where nothing was evaluated, that of the tasks that were trained on, or
    none."""
    practised = {stage.inputs["task"]["headline"] for stage in trainings if "task" in stage.inputs}
    return common_headline({result.headline for result in results.values()} or practised or {""})


def training_facts(stage: Stage) -> dict[str, Any]:
    """A training in report.json. settings: {name: [value, default]}. reward, loss: [at start, at end], where
    it has them. parts: the same of the parts of the reward."""
    values, usual = leaves(stage.config), leaves(METHODS[stage.kind].config())
    ends = {name: start_and_end(stage.folder, name) for name in ("reward", "loss")}
    columns = dict.fromkeys(column for row in metrics_rows(stage.folder) for column in row)
    found = filter(None, map(_PART.fullmatch, columns))
    parts = {part[1]: start_and_end(stage.folder, part[0]) for part in found}
    return {
        "method": stage.kind,
        "settings": {name: identity.plain([value, usual.get(name)]) for name, value in values.items()},
        **{name: list(both) for name, both in ends.items() if both},
        "parts": {name: list(both) for name, both in parts.items() if both},
    }


def budgets(trained: Mapping[str, Stage]) -> list[str]:
    """A sentence on what each training takes, where they differ: optimiser steps, rows, completions, and the
    tokens that it learned from. Arms that learn from more are not compared on equal terms."""
    taken = {name: _budget(stage) for name, stage in trained.items()}
    if len({*taken.values()}) < 2:
        return []
    listed = "; ".join(f"{name}: {text}" for name, text in taken.items())
    return [f"The trainings take different amounts: {listed}."]


def _budget(stage: Stage) -> str:
    counts = METHODS[stage.kind].counts(stage.examples.count, stage.config)
    counts = {what: n for what, n in counts.items() if not what.endswith("at most")}
    learned = sum(row.get("num_tokens", 0) for row in metrics_rows(stage.folder))
    return ", ".join(f"{n:,} {what}" for what, n in (counts | {"tokens": learned}).items() if n)


def paired_tests(results: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """A row for each pair of arms and each task: the paired difference on the same questions, and its
    p-value, alone ("p") and corrected for the number of rows ("p_holm")."""
    from seethink.evaluate.paired import holm
    from seethink.evaluate.statistics import compare

    rows = [
        {"a": a, "b": b, **row}
        for a, b in combinations(results, 2)
        for row in compare(results[a].path, results[b].path)
    ]
    return [row | {"p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]


def measured_claims(results: Mapping[str, Evaluation], claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """The papers' numbers beside ours; `measured` is None where an arm or a task was not evaluated."""

    def measured(arm: str, tasks: Sequence[str]) -> float | None:
        rows = [results[arm].rows.get(task) if arm in results else None for task in tasks]
        values = [row["value"] for row in rows if row and row["value"] is not None]
        return fmean(values) if len(values) == len(tasks) else None

    return [
        {
            "task": c.task,
            "arm": arm,
            "paper": paper,
            "measured": measured(arm, c.mean_of or (c.task,)),
            "source": c.source,
        }
        for c in claims
        for arm, paper in c.paper.items()
    ]


def measured_findings(
    tests: Sequence[Mapping[str, Any]], findings: Sequence[Finding]
) -> list[dict[str, Any]]:
    """Each finding with its paired test: the difference `better - worse`, its p value, and whether it was
    reproduced, as "reproduced", "reversed" or "not shown". Each is one test that was stated beforehand, so
    its p value is not corrected. Raises ValueError for an arm or a task that was not evaluated.
    """
    return [vars(finding) | _measured(tests, finding) for finding in findings]


def _measured(tests: Sequence[Mapping[str, Any]], finding: Finding) -> dict[str, Any]:
    from seethink.report.scores import CHANCE

    for test in tests:
        if test["task"] == finding.task and {test["a"], test["b"]} == {finding.better, finding.worse}:
            difference, p = test["difference"], test["p"]
            if difference is not None and test["b"] == finding.worse:
                difference = -difference
            shown = "not shown"
            if difference and p is not None and p < CHANCE:
                shown = "reproduced" if difference > 0 else "reversed"
            return {"difference": difference, "p": p, "n": test["n"], "shown": shown}
    raise ValueError(f"{finding.better} and {finding.worse} were not both evaluated on {finding.task}")


def write_report_files(event: StageEvent) -> None:
    """Listener that writes report.json and report.html when the results are ready."""
    if isinstance(event, ReportReady):
        from seethink.report import write_report

        write_report(event.folder, event.report, event.attempts, event.metrics, event.notes)
