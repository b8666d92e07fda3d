"""A comparison in words: its conclusion in one sentence, and what its numbers allow to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seethink.report.page import p_value, percent, points
from seethink.report.scores import CHANCE

PairedTest = Mapping[str, Any]
"""A paired test of a report."""

CONDITIONS = ("prompts", "wording of the prompts", "decoding", "verifiers", "pixels", "frames of clips")
"""Conditions that decide a score; `versions` seldom do."""


def one_sentence(report: Mapping[str, Any]) -> str:
    """What a comparison found, by the corrected tests, and whether the arms were measured alike."""
    arms = list(report["results"])
    tests = [test for test in report["tests"] if test["a"] == arms[0]]
    tasks = list(dict.fromkeys(test["task"] for test in tests))
    if len(arms) == 2 and len(tasks) == 1:
        text = _of_two(tests[0])
    elif len(arms) == 2:
        text = _over_tasks(tests, arms, report["means"])
    else:
        text = _of_many(report, tests, arms)
    return f"{text}{_caution(report['conditions'])}."


def _of_two(test: PairedTest) -> str:
    a, b = test["a"], test["b"]
    if test["p_holm"] is None:
        return f"{b} and {a} could not be compared: {questions(test['n'])} with a score of both"
    asked = f"On {questions(test['n'])}"
    scored = "mean score " if test["graded"] else ""
    interval = f"95 % interval {points(test['low'])} to {points(test['high'])}"
    reach = f"{scored}{points(test['difference'])} points, {interval}"
    odds = p_value(test["p_holm"])
    if clear(test):
        return f"{asked}, {b} is {_side(test)} {a} ({reach}, {odds})"
    return f"{asked}, {b} and {a} cannot be told apart ({reach}, {odds}){_needed(test)}"


def questions(n: int) -> str:
    """A number of questions in words: "1 question"."""
    return f"{n:,} question{'s' * (n != 1)}"


def _needed(test: PairedTest) -> str:
    needed = test["questions_needed"]
    return (
        "" if needed is None else f"; to show that difference, about {rounded(needed)} questions are needed"
    )


def rounded(n: int) -> str:
    """A number of questions with two digits: 45,712 -> "46,000"."""
    digits = len(str(n))
    return f"{round(n, 2 - digits) if digits > 2 else n:,}"


def _over_tasks(tests: Sequence[PairedTest], arms: Sequence[str], means: Sequence[PairedTest]) -> str:
    a, b = arms
    above = [test["task"] for test in tests if clear(test) and test["difference"] > 0]
    below = [test["task"] for test in tests if clear(test) and test["difference"] < 0]
    open_tests = len(tests) - len(above) - len(below)
    counts = [
        *([f"above {a} on {len(above)} ({', '.join(above)})"] if above else []),
        *([f"below it on {len(below)} ({', '.join(below)})"] if above and below else []),
        *([f"below {a} on {len(below)} ({', '.join(below)})"] if below and not above else []),
    ]
    apart = f"cannot be told apart on {open_tests}" if counts else f"and {a} cannot be told apart on any"
    said = f"{b} is {', '.join(counts)}" if counts else f"{b} {apart}"
    said += f" and {apart}" if counts and open_tests else ""
    return f"Over {len(tests)} tasks, {said}{_mean(means, a, b)}"


def _mean(means: Sequence[PairedTest], a: str, b: str) -> str:
    row = next((one for one in means if (one["a"], one["b"]) == (a, b)), None)
    if row is None:
        return ""
    text = f"; the mean difference is {points(row['difference'])} points"
    carried = row["carried_by"]
    return f"{text}, but {points(row['without'][carried])} without {carried}" if carried else text


def _of_many(report: Mapping[str, Any], tests: Sequence[PairedTest], arms: Sequence[str]) -> str:
    """Every arm against the first; and the highest, since a gain over a weak start may be none over the
    best."""
    clauses = []
    for arm in arms[1:]:
        own = [test for test in tests if test["b"] == arm]
        on = {test["task"]: f" on {test['task']}" if len(own) > 1 else "" for test in own}
        sides: dict[str, list[str]] = {}
        for test in filter(clear, own):
            sides.setdefault(_side(test), []).append(f"{on[test['task']]} ({points(test['difference'])})")
        marks = " and ".join(f"{side}{' and'.join(places)}" for side, places in sides.items())
        clauses.append(f"{arm} is {marks}" if marks else f"{arm} cannot be told apart")
    found = f"Against {arms[0]}, {'; '.join(clauses)}"
    tasks = list(dict.fromkeys(test["task"] for test in tests))
    highest = {
        task: max((arm for arm in arms), key=lambda arm: report["results"][arm][task]["value"] or -1.0)
        for task in tasks
    }
    best = list(dict.fromkeys(highest.values()))
    if len(best) > 1:
        return found
    values = percent(report["results"][best[0]][tasks[0]]["value"]) if len(tasks) == 1 else "on every task"
    return f"{found}; the highest is {best[0]} ({values})"


def _caution(conditions: Mapping[str, Mapping[str, str]]) -> str:
    differ = [name for name in CONDITIONS if len({one.get(name, "") for one in conditions.values()}) > 1]
    return f" — measured with other {', '.join(differ)}" if differ else ""


def clear(test: PairedTest) -> bool:
    """Whether a difference is more than chance after the correction."""
    return test["p_holm"] is not None and test["p_holm"] < CHANCE and bool(test["difference"])


def _side(test: PairedTest) -> str:
    return "above" if test["difference"] > 0 else "below"


def what_could_be_shown(test: PairedTest) -> str:
    """The power of a test in a sentence; empty where nothing was tested."""
    if test["n"] < 2:
        return ""
    least = test["least_difference"]
    shown = (
        f"So many questions show a difference of {100 * least:.1f} points in four of five experiments."
        if least is not None
        else "So few questions show no difference reliably."
    )
    needed = test["questions_needed"]
    if needed is None or clear(test):
        return shown
    return f"{shown} For the difference that was measured, about {rounded(needed)} would be needed."
