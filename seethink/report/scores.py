"""The numbers of a run beside the paper's, the paired tests in words, and the gain taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seethink.report.page import chance, percent, points

Result = Mapping[str, Any]
Report = Mapping[str, Any]

MOVED = 0.02
"""A share that changed by less than this is said to have hardly moved."""
ENOUGH = 10
"""Accuracies among fewer answers than this are not compared in words."""


@dataclass(frozen=True)
class Cell:
    """What an arm measured on a task, and what the paper claims for it; either may be missing."""

    task: str
    result: Result | None
    paper: float | None


def table(report: Report) -> list[tuple[str, list[Cell]]]:
    """A row for every arm, a cell for every task; arms and tasks that only the paper has get their own."""
    results, papers = report["results"], {(c["task"], c["arm"]): c["paper"] for c in report["claims"]}
    tasks = dict.fromkeys([*tasks_of(report), *(task for task, _ in papers)])
    arms = dict.fromkeys([*results, *(arm for _, arm in papers)])
    return [
        (arm, [Cell(task, results.get(arm, {}).get(task), papers.get((task, arm))) for task in tasks])
        for arm in arms
    ]


def tasks_of(report: Report) -> list[str]:
    """The tasks that were measured, in the order in which the arms name them."""
    return list(dict.fromkeys(task for by_task in report["results"].values() for task in by_task))


# Paired tests -----------------------------------------------------------------------------------------------


def in_words(test: Mapping[str, Any]) -> str:
    """A paired test (b against a) for somebody who never met one."""
    a, b, n, only_a, only_b = (test[name] for name in ("a", "b", "n", "only_a", "only_b"))
    if not n:
        return "No question could be judged for both."
    told = (
        f"Of {n:,} questions judged for both, {b} did better on {only_b:,} and {a} on {only_a:,}; "
        f"on the other {n - only_a - only_b:,} they did the same."
    )
    if asked := test.get("asked"):
        told += f" But they were asked differently: {a} by {asked[0]}, {b} by {asked[1]}."
    if test["p"] is None or not test["difference"]:
        return told
    leader = b if test["difference"] > 0 else a
    luck = f"If neither were better, as large a difference would come up with probability {chance(test['p'])}"
    if test["p"] < 0.01:
        return f"{told} {luck}: strong evidence that {leader} is better here."
    if test["p"] < 0.05:
        return f"{told} {luck}: some evidence that {leader} is better here."
    return f"{told} {luck}: this may well be luck."


# The gain taken apart ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clause:
    """One of form, mode and skill: the points of the gain it is worth, and what moved, in words."""

    kind: str
    worth: float | None
    words: str


@dataclass(frozen=True)
class Gain:
    """One sentence: `arm` against `first` in strict accuracy, and the three clauses that add up to it."""

    arm: str
    first: str
    difference: float | None
    clauses: tuple[Clause, Clause, Clause]


def gains(results: Mapping[str, Mapping[str, Result]], task: str) -> list[Gain]:
    """Every arm that measured `task` against the first that did."""
    measured = {arm: by_task[task] for arm, by_task in results.items() if task in by_task}
    first, *trained = measured
    return [_gain(first, arm, measured[first], measured[arm]) for arm in trained]


def worth(before: Result, after: Result) -> tuple[float, float, float] | None:
    """How much of the strict gain is form, mode and skill; the three add up. None if a score is missing.

    Form is what strict scoring gains beyond lenient scoring. Lenient accuracy is the mean of the accuracies
    by steps and at once, weighted by their shares: mode is what the change of shares gives at the mean
    advantage of steps over both arms, skill is the rest of the lenient gain. A mode that one arm hardly uses
    (fewer than `ENOUGH` answers) is taken to be as accurate in it as in the other arm.
    """
    strict = _difference(before["value"], after["value"])
    lenient = _difference(before["lenient"]["value"], after["lenient"]["value"])
    shares = _difference(before["by_steps"], after["by_steps"])
    if strict is None or lenient is None or shares is None:
        return None
    advantages = []
    for one, other in ((before, after), (after, before)):
        by_steps, at_once = (_accuracy(mode, one, other) for mode in ("by steps", "at once"))
        advantages.append(0.0 if by_steps is None or at_once is None else by_steps - at_once)
    mode = shares * sum(advantages) / 2
    return strict - lenient, mode, lenient - mode


def _gain(first: str, arm: str, before: Result, after: Result) -> Gain:
    form, mode, skill = worth(before, after) or (None, None, None)
    clauses = (
        Clause("form", form, f"answers that can be read {_moved(before['readable'], after['readable'])}"),
        Clause("mode", mode, f"answers by steps {_moved(before['by_steps'], after['by_steps'])}"),
        Clause("skill", skill, f"{_skill('by steps', before, after)}, {_skill('at once', before, after)}"),
    )
    return Gain(arm, first, _difference(before["value"], after["value"]), clauses)


def _skill(mode: str, before: Result, after: Result) -> str:
    """How accuracy moved among the answers of one mode, or why that cannot be told."""
    if any(_answers(mode, result) < ENOUGH for result in (before, after)):
        return f"accuracy {mode} cannot be compared, with fewer than {ENOUGH} such answers"
    name = f"accuracy_{mode.replace(' ', '_')}"
    return f"accuracy {mode} {_moved(before[name], after[name])}"


def _accuracy(mode: str, result: Result, other: Result) -> float | None:
    """That of `result` in a mode, or of the other arm where too few answers tell."""
    name = f"accuracy_{mode.replace(' ', '_')}"
    told = [r[name] for r in (result, other) if _answers(mode, r) >= ENOUGH and r[name] is not None]
    return told[0] if told else result[name] if result[name] is not None else other[name]


def _answers(mode: str, result: Result) -> int:
    """How many answers were given in `mode`; none where the share was not measured."""
    if result["by_steps"] is None:
        return 0
    share = result["by_steps"] if mode == "by steps" else 1 - result["by_steps"]
    return round((result["n"] + result["unjudged"]) * share)


def _moved(before: float | None, after: float | None) -> str:
    difference = _difference(before, after)
    if difference is None:
        return "cannot be compared"
    verb = "moved" if abs(difference) >= MOVED else "hardly moved"
    return f"{verb}, {percent(before)} to {percent(after)} ({points(difference)})"


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
