"""Scores beside the paper's, paired tests in words, and the decomposition of the gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seethink.report.page import number_of_questions, p_value, percent, points

Result = Mapping[str, Any]
Report = Mapping[str, Any]

MIN_CHANGE = 0.02
"""A share that changed by less than this is described as hardly changed."""
CHANCE = 0.05
"""A difference whose corrected p-value is not below this may be chance."""
MOST_ARMS = 4
"""Of more trained arms than this, the conclusion counts those that are above the first."""
MIN_ANSWERS = 10
"""Accuracies over fewer answers than this are not compared in words."""


BEFORE, AFTER = "before", "after"
"""The arms of a training that was evaluated on held-out questions."""


@dataclass(frozen=True)
class ScoreCell:
    """An arm's result on a task, and the paper's number; either may be missing."""

    task: str
    result: Result | None
    paper: float | None


def score_table(report: Report) -> list[tuple[str, list[ScoreCell]]]:
    """A row per arm and a cell per task, including arms and tasks that only the paper has."""
    results, papers = report["results"], {(c["task"], c["arm"]): c["paper"] for c in report["claims"]}
    tasks = dict.fromkeys([*measured_tasks(report), *(task for task, _ in papers)])
    arms = dict.fromkeys([*results, *(arm for _, arm in papers)])
    return [
        (arm, [ScoreCell(task, results.get(arm, {}).get(task), papers.get((task, arm))) for task in tasks])
        for arm in arms
    ]


def measured_tasks(report: Report) -> list[str]:
    """The tasks with results, in the order in which the arms list them."""
    return list(dict.fromkeys(task for by_task in report["results"].values() for task in by_task))


def graded_tasks(report: Report) -> list[str]:
    """The tasks with a score other than 0 and 1, whose means are no shares of right answers."""
    return [
        task
        for task in measured_tasks(report)
        if any(by_task.get(task, {}).get("graded") for by_task in report["results"].values())
    ]


def lenient_differs(report: Report) -> bool:
    """Whether lenient accuracy is another than strict accuracy anywhere, or a test of it."""
    results = (result for by_task in report["results"].values() for result in by_task.values())
    return any(result["lenient"]["value"] != result["value"] for result in results) or any(
        (test["lenient_difference"], test["lenient_p"]) != (test["difference"], test["p"])
        for test in report["tests"]
    )


# Paired tests -----------------------------------------------------------------------------------------------


def describe_test(test: Mapping[str, Any]) -> str:
    """A paired test (b against a) in words, for readers without statistics."""
    a, b, n, only_a, only_b = (test[name] for name in ("a", "b", "n", "only_a", "only_b"))
    if not n:
        return "No question could be judged for both."
    text = (
        f"Of {number_of_questions(n)} judged for both, {b} did better on {only_b:,} and {a} on {only_a:,}; "
        f"on the other {n - only_a - only_b:,} they scored the same."
    )
    if prompts := test.get("asked"):
        text += f" Their prompts differ: {a} uses {prompts[0]}, {b} uses {prompts[1]}."
    if test["p_holm"] is None or not test["difference"]:
        return text
    leader = b if test["difference"] > 0 else a
    probability = f"with probability {p_value(test['p'])}"
    null = f"If neither were better, a difference this large would occur {probability}"
    if test["p_holm"] != test["p"]:
        null += f" in this test, {p_value(test['p_holm'])} after correction for all of them"
    if test["p_holm"] < 0.01:
        return f"{text} {null}: strong evidence that {leader} is better here."
    if test["p_holm"] < CHANCE:
        return f"{text} {null}: some evidence that {leader} is better here."
    return f"{text} {null}: this may be chance."


def forgetting(test: Mapping[str, Any], before: Result, after: Result) -> str:
    """`held_out` of a task that was not trained for, and whether it was forgotten; else which loss would have
    been seen."""
    text = held_out(test, before, after, f"also {test['task']}")
    if not test["n"]:
        return text
    p, least = test["p_holm"], test.get("least_difference")
    if p is not None and p < CHANCE and test["difference"] < 0:
        return f"{text}; some of it was forgotten"
    reach = f"; one of {100 * least:.2g} points would have been seen in four of five cases" if least else ""
    return f"{text}; no loss was found{reach}"


def held_out(test: Mapping[str, Any], before: Result, after: Result, name: str = "held out") -> str:
    """A paired test of the arms `BEFORE` and `AFTER` as one plain sentence, without a full stop: both scores,
    how many rows each change concerns, and whether that may be chance. name: what the sentence is about."""
    unjudged = max(r["n"] + r["unjudged"] for r in (before, after)) - test["n"]
    lacking = f"; {unjudged:,} {_rows(unjudged)} could not be judged both times" if unjudged else ""
    if not test["n"]:
        return f"{name}: no row could be judged both before and after{lacking}"
    score, better, worse = ("mean score ", "better", "worse") if test["graded"] else ("", "mended", "broken")
    values = [f"{100 * result['value']:.3g} %" for result in (before, after)]
    mended, broken = test["only_b"], test["only_a"]
    if not mended and not broken:
        return f"{name}: {score}{values[0]} before and after, no row {better} or {worse}{lacking}"
    p = test["p_holm"]
    odds = "" if p is None else ", p < 0.0001" if p < 0.0001 else f", p = {p:.2g}"
    counts = f"{mended:,} {_rows(mended)} {better}, {broken:,} {worse}{odds}"
    both = f"{score}{values[0]} before, {values[1]} after"
    if p is None or p >= CHANCE:
        return f"{name}: {both}, which cannot be told apart: {counts}{lacking}"
    return f"{name}: {both}; {counts}{lacking}"


def _rows(n: int) -> str:
    return "row" if n == 1 else "rows"


def training_ends(report: Report) -> list[str]:
    """A sentence for each training, without a full stop: its reward, else its loss, at start and end, with
    what the parts of a reward were."""
    trainings: Mapping[str, Mapping[str, Any]] = report.get("trainings", {})  # older reports have none
    return [
        f"{name}{f' of {stage}' if len(trainings) > 1 else ''}: {facts[name][0]:.3f} at start, "
        f"{facts[name][1]:.3f} at end{_parts(facts)}"
        for stage, facts in trainings.items()
        for name in [name for name in ("reward", "loss") if name in facts][:1]
    ]


def _parts(facts: Mapping[str, Any]) -> str:
    parts: Mapping[str, Sequence[float]] = facts.get("parts", {})  # older reports have none
    said = ", ".join(f"{name} {first:.3f} to {last:.3f}" for name, (first, last) in parts.items())
    return f" ({said})" if said else ""


def conclusion(report: Report) -> list[str]:
    """A sentence for each finding of the paper; then for each task: what the arms gained over the first, by
    the corrected tests. Of a training alone, its reward or loss."""
    return [*map(_finding, report.get("findings", ())), *_gained(report)]  # older reports have no findings


def _finding(row: Mapping[str, Any]) -> str:
    """Whether a finding was reproduced, with its test."""
    better, worse, task = row["better"], row["worse"], row["task"]
    if row["difference"] is None or row["p"] is None:
        measured = f"{better} and {worse} could not be compared on {task}"
    else:
        side = "above" if row["difference"] > 0 else "below" if row["difference"] < 0 else "equal to"
        apart = f" by {points(abs(row['difference']))[1:]} points" if row["difference"] else ""
        measured = f"on {task}, {better} is {side} {worse}{apart} (p {row['p']:.2g}, n = {row['n']})"
    told = {"reproduced": "Reproduced", "reversed": "Not reproduced, but the reverse"}.get(
        row["shown"], "Not reproduced"
    )
    why = f" {_sentence(row['otherwise'])}" if row["otherwise"] and row["shown"] != "reproduced" else ""
    return f"{told}: {row['text']}. Here, {measured}.{why}"


def _gained(report: Report) -> list[str]:
    arms = list(report["results"])
    if arms == [BEFORE, AFTER]:
        before, after = report["results"].values()
        tests = [(t, before[t["task"]], after[t["task"]]) for t in report["tests"]]
        said = [forgetting(*test) if i else held_out(*test) for i, test in enumerate(tests)]
        return [*map(_sentence, [*said, *training_ends(report)])]
    if not arms:
        return [*map(_sentence, training_ends(report))]
    sentences = []
    for task in dict.fromkeys(test["task"] for test in report["tests"]):
        tests = {(test["a"], test["b"]): test for test in report["tests"] if test["task"] == task}
        over_first = [_verdict(tests[arms[0], arm]) for arm in arms[1:] if (arms[0], arm) in tests]
        if len(over_first) > MOST_ARMS:
            over_first = _counted(
                arms[0], [tests[arms[0], arm] for arm in arms[1:] if (arms[0], arm) in tests]
            )
            others = []
        else:
            others = [_verdict(test) for (a, _), test in tests.items() if a != arms[0]]
        sentences.append(f"On {task}: {'; '.join([*over_first, *others])}.")
    return sentences


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _verdict(test: Mapping[str, Any]) -> str:
    """Who is ahead of whom in one paired test."""
    a, b, difference = test["a"], test["b"], test["difference"]
    if difference is None or test["p_holm"] is None:
        return f"{b} and {a} could not be compared"
    if test["p_holm"] >= CHANCE or not difference:
        return f"{b} and {a} cannot be told apart ({points(difference)} points)"
    return f"{b} is {'above' if difference > 0 else 'below'} {a} by {points(abs(difference))[1:]} points"


def _counted(first: str, tests: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many arms are above and below the first, and the best of them."""
    clear = [test for test in tests if test["p_holm"] is not None and test["p_holm"] < CHANCE]
    above = sum(test["difference"] > 0 for test in clear)
    best = max(tests, key=lambda test: test["difference"] if test["difference"] is not None else -1.0)
    counts = f"{above} of {len(tests)} arms are above {first}, {len(clear) - above} below"
    return [f"{counts}, the others cannot be told apart from it", _verdict(best)]


# Decomposition of the gain ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class GainComponent:
    """Form, mode or skill: its share of the gain, and what changed, in words."""

    kind: str
    gain: float | None
    description: str


@dataclass(frozen=True)
class ArmGain:
    """The gain of `arm` over `first` in strict accuracy, and the components that add up to it."""

    arm: str
    first: str
    difference: float | None
    components: tuple[GainComponent, ...]


def task_gains(results: Mapping[str, Mapping[str, Result]], task: str) -> list[ArmGain]:
    """The gain on `task` of each arm with a result over the first arm with one."""
    measured = {arm: by_task[task] for arm, by_task in results.items() if task in by_task}
    first, *trained = measured
    return [_gain(first, arm, measured[first], measured[arm]) for arm in trained]


def decompose_gain(before: Result, after: Result) -> tuple[float, float | None, float | None] | None:
    """(form, mode, skill), which add up to the strict gain. None if a score is missing.

    Form is the strict gain less the lenient gain. Lenient accuracy is the mean of the accuracies step by
    step and direct, weighted by their shares: mode is the change of the shares times the advantage of
    reasoning, averaged over both arms; skill is the rest of the lenient gain. In a mode with fewer than
    `MIN_ANSWERS` answers in one arm, that arm is given the accuracy of the other. Where no mode has that many
    answers of both arms, nothing tells mode from skill, and both are None.
    """
    strict = _difference(before["value"], after["value"])
    lenient = _difference(before["lenient"]["value"], after["lenient"]["value"])
    shares = _difference(before["by_steps"], after["by_steps"])
    if strict is None or lenient is None or shares is None:
        return None
    if not any(all(_n_answers(mode, result) >= MIN_ANSWERS for result in (before, after)) for mode in MODES):
        return strict - lenient, None, None
    advantages = []
    for one, other in ((before, after), (after, before)):
        by_steps, at_once = (_accuracy(mode, one, other) for mode in ("by_steps", "at_once"))
        advantages.append(0.0 if by_steps is None or at_once is None else by_steps - at_once)
    mode = shares * sum(advantages) / 2
    return strict - lenient, mode, lenient - mode


def _gain(first: str, arm: str, before: Result, after: Result) -> ArmGain:
    difference = _difference(before["value"], after["value"])
    form, mode, skill = decompose_gain(before, after) or (None, None, None)
    readable = f"readable answers {_change(before['readable'], after['readable'])}"
    stepwise = f"step-by-step answers {_change(before['by_steps'], after['by_steps'])}"
    components = [GainComponent("form", form, readable)]
    if difference is not None and form is not None and mode is None:
        why = f"they cannot be told apart here: no mode has {MIN_ANSWERS} answers of both arms"
        components.append(GainComponent("mode and skill", difference - form, f"{stepwise}; {why}"))
    else:
        accuracies = ", ".join(_accuracy_change(mode, before, after) for mode in MODES)
        components += [GainComponent("mode", mode, stepwise), GainComponent("skill", skill, accuracies)]
    return ArmGain(arm, first, difference, tuple(components))


MODES = {"by_steps": "step-by-step", "at_once": "direct"}
"""Modes of answering: their suffix in report.json, and their name on the page."""


def _accuracy_change(mode: str, before: Result, after: Result) -> str:
    """How accuracy changed among the answers of one mode, or why it cannot be compared."""
    if any(_n_answers(mode, result) < MIN_ANSWERS for result in (before, after)):
        return f"{MODES[mode]} accuracy cannot be compared (fewer than {MIN_ANSWERS} such answers)"
    name = f"accuracy_{mode}"
    return f"{MODES[mode]} accuracy {_change(before[name], after[name])}"


def _accuracy(mode: str, result: Result, other: Result) -> float | None:
    """Accuracy of `result` in a mode, or of the other arm where `result` has too few answers."""
    name = f"accuracy_{mode}"
    enough = [r for r in (result, other) if _n_answers(mode, r) >= MIN_ANSWERS]
    reliable = [r[name] for r in enough if r[name] is not None]
    return reliable[0] if reliable else result[name] if result[name] is not None else other[name]


def _n_answers(mode: str, result: Result) -> int:
    """How many answers were given in `mode`; 0 where the share was not measured."""
    if result["by_steps"] is None:
        return 0
    share = result["by_steps"] if mode == "by_steps" else 1 - result["by_steps"]
    return round((result["n"] + result["unjudged"]) * share)


def _change(before: float | None, after: float | None) -> str:
    difference = _difference(before, after)
    if difference is None:
        return "cannot be compared"
    verb = "changed" if abs(difference) >= MIN_CHANGE else "hardly changed"
    return f"{verb}, {percent(before)} to {percent(after)} ({points(difference)})"


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
