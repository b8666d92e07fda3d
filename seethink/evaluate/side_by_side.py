"""The statistics of `seethink compare`: arms on the questions that all of them were asked, with every
reason why a difference may be no property of the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_uppercase
from typing import Any

from seethink.evaluate.arms import ComparedArm
from seethink.evaluate.attempts import overall, verdict_of
from seethink.evaluate.joining import ByArm, JoinedQuestions, join, refuse_strangers
from seethink.evaluate.paired import holm, paired
from seethink.evaluate.questions import by_question, clusters_of, mean, outcome, question_score
from seethink.evaluate.slices import groups_of, seen_gaps
from seethink.evaluate.statistics import compared, summarise
from seethink.types import InputError

CARRIED = 0.5
"""A task that brings more than this share of the mean difference over several tasks carries it."""


@dataclass(frozen=True)
class SideBySide:
    """report: JSON with the keys of report.json, and besides `matched`, `left_out`, `groups`, `means`,
    `gaps`, `conditions` and `warnings`. questions: those that all arms were asked, {arm: its attempts}."""

    report: dict[str, Any]
    questions: list[ByArm]


def side_by_side(arms: Mapping[str, ComparedArm], claims: Sequence[Mapping[str, Any]] = ()) -> SideBySide:
    """Compare two arms or more. claims: published numbers, as in report.json.

    Raises InputError for fewer arms, for arms whose headline parts differ, and for arms without a common
    question.
    """
    if len(arms) < 2:
        raise InputError(
            f"a comparison takes two evaluations or more, not {len(arms)}; name another run or file"
        )
    headlines = {arm.headline for arm in arms.values()}
    if len(headlines) > 1:
        raise InputError(
            f"the evaluations report different parts of the score ({', '.join(sorted(headlines))}); "
            "compare those of one part"
        )
    joined = join({name: arm.rows for name, arm in arms.items()})
    refuse_strangers(joined)
    questions = [own for own in joined.questions if all(arm in own for arm in arms)]
    if not questions:
        raise InputError("no question was asked of all of these evaluations; compare fewer at once")
    by_task = joined.by_task(*arms)
    results = {
        arm: {task: summarise([row for own in asked for row in own[arm]]) for task, asked in by_task.items()}
        for arm in arms
    }
    kept = JoinedQuestions(joined.arms, questions)
    tests = [{"a": a, "b": b, **row} for a, b in combinations(arms, 2) for row in compared(kept, a, b)]
    tests = _corrected(tests)
    left_out = {arm: _left_out(joined, arm) for arm in arms}
    report = {
        "recipe": " / ".join(arms),
        "scale": "full",
        "seeds": [],
        "headline": headlines.pop(),
        "results": results,
        "tests": tests,
        "claims": [dict(claim) for claim in claims],
        "matched": {task: len(asked) for task, asked in by_task.items()},
        "left_out": left_out,
        "groups": _groups(by_task, list(arms)),
        "means": [row for a, b in combinations(arms, 2) if (row := _mean_difference(tests, a, b))],
        "gaps": _gaps(results),
        "conditions": {arm: dict(one.conditions) for arm, one in arms.items()},
        "warnings": _warnings(arms, joined, questions, left_out),
    }
    return SideBySide(report, questions)


def _corrected(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(row) | {"p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]


def _left_out(joined: JoinedQuestions, arm: str) -> dict[str, Any]:
    """{"n": questions of an arm that another was not asked, "value": the arm's mean on them}"""
    own = [one[arm] for one in joined.questions if arm in one and len(one) < len(joined.arms)]
    return {"n": len(own), "value": mean(question_score(attempts) for attempts in own)}


def _groups(by_task: Mapping[str, Sequence[ByArm]], arms: Sequence[str]) -> list[dict[str, Any]]:
    """The first arm against every other on the questions of each level, category and part, Holm's
    correction over all of them."""
    rows = []
    for task, questions in by_task.items():
        first = [own[arms[0]] for own in questions]
        clusters = clusters_of(first)
        scores = {arm: [question_score(own[arm]) for own in questions] for arm in arms}
        for key, groups in groups_of(first).items():
            for name, indices in groups.items():
                for arm in arms[1:]:
                    pairs = [(scores[arms[0]][i], scores[arm][i]) for i in indices]
                    test = paired(pairs, [clusters[i] for i in indices])
                    means = {f"value_{one}": mean(pair[i] for pair in pairs) for i, one in enumerate("ab")}
                    named = {"task": task, "key": key, "group": name, "a": arms[0], "b": arm}
                    rows.append({**named, **test, **means, "asked": len(indices)})
    return _corrected(rows)


def _mean_difference(tests: Sequence[Mapping[str, Any]], a: str, b: str) -> dict[str, Any] | None:
    """The mean over tasks of b - a, each task counting once, and without each of them: {"difference",
    "without": {task: difference}, "carried_by": a task without which less than half is left, or None}."""
    found = {t["task"]: t["difference"] for t in tests if (t["a"], t["b"]) == (a, b)}
    known = {task: difference for task, difference in found.items() if difference is not None}
    if len(known) < 2:
        return None
    average = sum(known.values()) / len(known)
    without = {task: (sum(known.values()) - own) / (len(known) - 1) for task, own in known.items()}
    most = max(known, key=lambda task: known[task] * average)
    carried = average != 0 and without[most] / average < CARRIED
    return {
        "a": a,
        "b": b,
        "difference": average,
        "without": without,
        "carried_by": most if carried else None,
    }


def _gaps(results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each arm, unseen less seen, between tasks and between groups of one task."""
    rows = []
    for arm, by_task in results.items():
        places = {"": by_task} | {
            f"{task}, {key}": groups
            for task, one in by_task.items()
            for key, groups in one["by_meta"].items()
        }
        for place, found in places.items():
            for (seen, unseen), gap in seen_gaps(found).items():
                rows.append({"arm": arm, "where": place, "seen": seen, "unseen": unseen, **gap})
    return rows


def flipped(questions: Sequence[ByArm], arms: Sequence[str]) -> list[ByArm]:
    """The questions on which the verdicts on two arms differ, `overall` of several attempts."""
    return [
        own
        for own in questions
        if len({overall(verdict_of(row, outcome(row)) for row in own[arm]) for arm in arms} - {None}) > 1
    ]


# Why a difference may be none of the models ----------------------------------------------------------------


def _warnings(
    arms: Mapping[str, ComparedArm],
    joined: JoinedQuestions,
    questions: Sequence[ByArm],
    left_out: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    found = [_unmatched(arm, one, len(questions)) for arm, one in left_out.items() if one["n"]]
    if n := joined.other_pictures:
        found.append(
            f"{_questions(n)} with the text of another arm's, but other pictures, or the same in another "
            "size: left out"
        )
    if n := joined.several:
        found.append(
            f"{_questions(n)} with several ids, but one text and picture: each counts once, with the mean of "
            "its attempts"
        )
    if n := joined.by_name:
        found.append(f"{n:,} picture{'s' * (n > 1)} not on disk: told apart by name")
    found += _differing_conditions(arms)
    found += [text for arm in arms.values() for text in (*_training(arm), *_unfinished(arm))]
    if n := sum(len({_gold(own[arm][0]) for arm in arms}) > 1 for own in questions):
        found.append(
            f"{_questions(n)} with different reference answers in the arms: one was judged by a wrong one"
        )
    return found


def _unmatched(arm: str, left_out: Mapping[str, Any], matched: int) -> str:
    """Both figures: the comparison is on common questions; the others might be what an arm failed at."""
    n, value = left_out["n"], left_out["value"]
    scored = "" if value is None else f", on which it scores {100 * value:.1f} %"
    text = f"{_questions(n)} of {arm} that not every other arm was asked{scored}"
    return f"{text}: left out; {matched:,} are compared"


def _training(arm: ComparedArm) -> list[str]:
    """Attempts of a training's steps, which another model made at each."""
    steps = {row["step"] for row in arm.rows if row.get("step") is not None}
    if not steps:
        return []
    return [f"{arm.name} holds attempts of training steps {min(steps)} to {max(steps)}, of which all count"]


def _questions(n: int) -> str:
    return f"{n:,} question{'s' * (n != 1)}"


def _differing_conditions(arms: Mapping[str, ComparedArm]) -> list[str]:
    found = []
    for name in dict.fromkeys(name for arm in arms.values() for name in arm.conditions):
        by_words: dict[str, list[str]] = {}
        for arm in arms.values():
            by_words.setdefault(arm.conditions.get(name, "not recorded"), []).append(arm.name)
        if len(by_words) > 1:
            said = "; ".join(f"{', '.join(names)}: {words}" for words, names in by_words.items())
            found.append(f"not the same {name} ({said}): a difference of scores may come from that")
    if unrecorded := [arm.name for arm in arms.values() if not arm.conditions]:
        found.append(
            f"how {', '.join(unrecorded)} was made is not recorded: whether prompts, decoding and verifiers "
            "are equal is unknown"
        )
    return found


def _unfinished(arm: ComparedArm) -> list[str]:
    """Tasks of which the record of an evaluation names more questions than it has answers to."""
    found = []
    for task, n in arm.asked.items():
        questions = by_question(row for row in arm.rows if row["task"] == task)
        if len(questions) < n:
            right = sum(question_score(own) or 0.0 for own in questions.values())
            found.append(
                f"{arm.name} has answers to {len(questions):,} of its {n:,} questions of {task}: if the "
                f"others count as wrong, it is at {100 * right / n:.1f} %"
            )
    return found


def _gold(row: Mapping[str, Any]) -> str:
    """The reference answer as it is compared; an option's letter is its text, since arms may have the options
    in another order."""
    gold, options = str(row.get("gold")), row.get("choices") or ()
    lettered = dict(zip(ascii_uppercase, options, strict=False))
    return " ".join(str(lettered.get(gold.strip("(). "), gold)).split()).casefold()
