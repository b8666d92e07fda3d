"""Statistics over attempts: what an arm scored on a task, and how two arms compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import pstdev
from typing import Any

from seethink.evaluate.attempts import AttemptRow, read_attempts, verdict_of
from seethink.evaluate.chains import followed
from seethink.evaluate.intervals import Interval, interval
from seethink.evaluate.joining import JoinedQuestions, join, placed_attempts, refuse_strangers
from seethink.evaluate.paired import paired, paired_bootstrap
from seethink.evaluate.power import PairedDesign
from seethink.evaluate.questions import (
    Attempts,
    by_question,
    clusters_of,
    mean,
    outcome,
    question_score,
    without_score,
)
from seethink.evaluate.slices import by_meta
from seethink.evaluate.steps import step_metrics
from seethink.evaluate.twins import twins
from seethink.evaluate.voting import majority, pass_at
from seethink.types import InputError


def summarise(rows: Sequence[AttemptRow], asked: Sequence[str] = ()) -> dict[str, Any]:
    """Statistics of one arm on one task: the mean of the headline part with its interval, and its components.

    asked: ids of all questions of the task. One without an attempt is missing, and counts as wrong, as does
    an attempt to which the engine gave no answer. An answer that the verifier cannot judge is left out of
    `value`, and n counts the questions that are in. `judged_only` leaves out all three, `unjudged_wrong`
    counts all as wrong, and `without_score` lists their ids.

    value = readable * accuracy_if_readable where all are judged, since an answer that cannot be read scores
    0. Keys ending in `by_steps` and `at_once` split the answers by whether they reason first; `lenient`
    scores each answer in whatever form it was given. Intervals take questions about one picture for one
    cluster; `clusters` is their number. `by_meta` has results by level, category and part (`slices.py`).
    The keys are those of report.json. `graded`: whether any score is other than 0 and 1.

    A question with several attempts counts once, with their mean; then `majority` and `pass_at`
    (`voting.py`) are there too; `chains` (`chains.py`) where an agent read another's. `usage`: the mean of
    what questions took, where it was counted. `steps` and `step_grades`: of thoughts (`steps.py`).
    `parts`: the mean of each part of the score, metrics too; `twins` (`twins.py`) where a question was asked
    in words and as a picture.
    """
    answered = [row for row in rows if row["stop"] != "unanswered"]
    readable = [row for row in answered if row["said"] is not None]
    by_steps = [row for row in answered if row["by_steps"]]
    at_once = [row for row in answered if not row["by_steps"]]
    found = by_question(rows)
    questions = list(found.values())
    given = {id for _, id in found}
    missing = [id for id in dict.fromkeys(asked) if id not in given]
    scored = Scored(questions, clusters_of(questions), len(missing))
    n = len(rows) + len(missing)
    strict = scored.interval(question_score)
    return {
        **strict,
        "asked": formats_and_modes(rows),
        "graded": any(outcome(row) not in (None, 0.0, 1.0) for row in rows),
        "n": sum(question_score(own) is not None for own in questions) + len(missing),
        "unjudged": sum(outcome(row) is None for row in rows),
        "unanswered": len(rows) - len(answered),
        "missing": len(missing),
        "without_score": without_score(questions, missing),
        "judged_only": Scored(questions, scored.clusters).interval(_judged_score),
        "unjudged_wrong": scored.interval(lambda own: mean(outcome(row) or 0.0 for row in own)),
        "clusters": len({*scored.clusters}) + len(missing),
        "readable": len(readable) / max(1, n),
        "accuracy_if_readable": mean(map(outcome, readable)),
        "well_formed": mean([float(row["fault"] is None) for row in rows]),
        "by_steps": len(by_steps) / max(1, n),
        "accuracy_by_steps": mean(outcome(row, lenient=True) for row in by_steps),
        "accuracy_at_once": mean(outcome(row, lenient=True) for row in at_once),
        "truncated": mean([float(row["stop"] == "length") for row in rows]),
        "mean_tokens": mean([row["n_tokens"] for row in rows]),
        "lenient": scored.interval(lambda own: question_score(own, lenient=True)),
        "by_meta": by_meta(questions, scored.clusters),
        "parts": _parts(questions, scored.clusters),
        **({"twins": pairs} if (pairs := twins(questions)) else {}),
        **_usage(questions),
        **step_metrics(answered),
        **({"chains": chains} if (chains := followed(rows)) else {}),
        **(_several(scored) if len(questions) < len(rows) else {}),
    }


@dataclass(frozen=True)
class Scored:
    """The questions of a task. clusters: of each. n_missing: how many more were asked and have no attempt."""

    questions: Sequence[Attempts]
    clusters: Sequence[int]
    n_missing: int = 0

    def interval(self, score: Callable[[Attempts], float | None]) -> Interval:
        """Mean and interval of the score of each question, None left out, missing ones 0, each its own
        cluster."""
        known = [
            (x, c)
            for own, c in zip(self.questions, self.clusters, strict=True)
            if (x := score(own)) is not None
        ]
        known += [(0.0, -1 - i) for i in range(self.n_missing)]
        return interval([x for x, _ in known], [c for _, c in known])


def _judged_score(own: Attempts) -> float | None:
    return mean(outcome(row) for row in own if row["stop"] != "unanswered")


def _several(scored: Scored) -> dict[str, Any]:
    """The majority's answers, and pass@k for powers of two up to the attempts that every question has. A
    question counts for pass@k if k of its attempts have a score; a missing one fails."""
    most = min(len(own) for own in scored.questions)
    sizes = [1 << i for i in range(most.bit_length()) if 1 << i < most] + [most]

    def passed(k: int) -> Interval:
        def score(own: Attempts) -> float | None:
            known = [found for row in own if (found := verdict_of(row, outcome(row)))]
            return pass_at(k, len(known), known.count("right")) if len(known) >= k else None

        return scored.interval(score)

    vote = scored.interval(lambda own: outcome(own[majority([_ballot_of(row) for row in own])]))
    return {"attempts": most, "majority": vote, "pass_at": {str(k): passed(k) for k in sizes}}


def _ballot_of(row: AttemptRow) -> str | None:
    """The answer; None for an error in its place."""
    return None if row["stop"] == "unanswered" else row["said"]


def _parts(questions: Sequence[Attempts], clusters: Sequence[int]) -> dict[str, Any]:
    """{part of the score: {value, low, high, n}} over the questions that have it; an attempt without an
    answer has 0."""
    found: dict[str, list[tuple[float, int]]] = {}
    for own, cluster in zip(questions, clusters, strict=True):
        for name in dict.fromkeys(name for row in own for name in row.get("parts") or ()):
            parts = [(row, row["parts"].get(name, {}).get("value")) for row in own]
            score = mean(0.0 if row["stop"] == "unanswered" else value for row, value in parts)
            if score is not None:
                found.setdefault(name, []).append((score, cluster))
    return {
        name: {**interval([x for x, _ in scores], [c for _, c in scores]), "n": len(scores)}
        for name, scores in found.items()
    }


def _usage(questions: Sequence[Sequence[AttemptRow]]) -> dict[str, Any]:
    """{"usage": {count: mean over questions}}, None for what one of them does not tell; nothing where no row
    counts."""
    counts = [[row["usage"] for row in own if row.get("usage")] for own in questions]
    names = dict.fromkeys(name for own in counts for one in own for name in one)
    if not names:
        return {}
    sums = {name: [_sum([one[name] for one in own]) for own in counts if own] for name in names}
    return {"usage": {name: None if None in values else mean(values) for name, values in sums.items()}}


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def tokens_sampled(path: Path) -> dict[tuple[str, str], int]:
    """{(task, id): tokens sampled for the question}. Raises InputError where a row does not tell."""
    found: dict[tuple[str, str], int] = {}
    for row in read_attempts(path):
        tokens = (row.get("usage") or {}).get("tokens_sampled")
        if tokens is None:
            raise InputError(
                f"{path}: the engine did not count the tokens sampled for {row['id']}, so nothing can be "
                "compared at equal tokens; use the local engine"
            )
        key = (row["task"], row["id"])
        found[key] = found.get(key, 0) + tokens
    return found


def formats_and_modes(rows: Iterable[AttemptRow]) -> str:
    """The format and prompt mode of the attempts, "think_answer, suffix"; several are joined by commas."""
    asked = (filter(None, (row["format"], row["mode"])) for row in rows if "mode" in row)
    return ", ".join(dict.fromkeys(map(", ".join, asked)))


def compare(a: Path, b: Path) -> list[dict[str, Any]]:
    """Paired tests between two files of attempts, `compared` by task. Raises InputError as `read_attempts`
    does, and for files that name the same task but have no question in common."""
    rows = {str(a): placed_attempts(a), f"{b}{' again' * (a == b)}": placed_attempts(b)}
    joined = join(rows)
    named = [{row["task"] for row in of_file} for of_file in rows.values()]
    if set.intersection(*named):
        refuse_strangers(joined)
    return compared(joined, *joined.arms)


def compared(joined: JoinedQuestions, a: str, b: str) -> list[dict[str, Any]]:
    """A row for each task that both arms answered: `paired` of the questions that both were asked, with
    lenient scores too, and what the number of questions allows to say.

    bootstrap: [low, high] of the difference by resampling. least_difference: what so many questions would
    show with power 0.8. questions_needed: how many would show the difference that was measured. unmatched:
    questions of a and of b that the other was not asked. The key `asked`, [format and mode of a, of b], is
    present only where the two differ.
    """
    rows = []
    for task, questions in joined.by_task(a, b).items():
        pairs = [(one[a], one[b]) for one in questions]
        clusters = clusters_of([first for first, _ in pairs])
        strict, loose = (
            [(question_score(x, lenient), question_score(y, lenient)) for x, y in pairs]
            for lenient in (False, True)
        )
        lenient_test, drawn = paired(loose, clusters), paired_bootstrap(strict, clusters)
        modes = [formats_and_modes(row for pair in pairs for row in pair[i]) for i in range(2)]
        test = paired(strict, clusters)
        rows.append(
            {"task": task, **test, "bootstrap": [drawn["low"], drawn["high"]], **_reach(test, strict)}
            | {f"lenient_{k}": lenient_test[k] for k in ("difference", "p")}
            | {"unmatched": [joined.n_left_out(arm, task, (a, b)) for arm in (a, b)]}
            | ({"asked": modes} if modes[0] != modes[1] else {})
        )
    return rows


def _reach(test: Mapping[str, Any], pairs: Iterable[tuple[float | None, float | None]]) -> dict[str, Any]:
    """What so many questions can show, and how many would have shown the difference that was measured."""
    if test["n"] < 2:
        return {"least_difference": None, "questions_needed": None}
    if test["graded"]:
        sd = pstdev([y - x for x, y in pairs if x is not None and y is not None])
        design = PairedDesign(sd=sd, deff=test["deff"])
    else:
        design = PairedDesign((test["only_a"] + test["only_b"]) / test["n"], deff=test["deff"])
    needed = design.questions_needed(round(test["difference"], 9))
    return {"least_difference": design.least_difference(test["n"]), "questions_needed": needed}
