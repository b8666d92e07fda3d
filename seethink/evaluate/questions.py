"""Rows of attempts by question: what each question scored, which questions share a picture, which have no
score."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from seethink.evaluate.attempts import AttemptRow

Attempts = Sequence[AttemptRow]
"""The attempts at one question."""
TWIN_OF = "twin_of"
"""Key of a row's meta: the id of the question that it shows in another form."""


def by_question(rows: Iterable[AttemptRow]) -> dict[tuple[str, str], list[AttemptRow]]:
    """{(task, id): the attempts at that question}"""
    found: dict[tuple[str, str], list[AttemptRow]] = {}
    for row in rows:
        found.setdefault((row["task"], row["id"]), []).append(row)
    return found


def outcome(row: Mapping[str, Any], lenient: bool = False) -> float | None:
    """The score of an attempt: 0 where the engine gave no answer, which is a failure of what is measured;
    None where the verifier cannot judge the answer, which is none."""
    if row["stop"] == "unanswered":
        return 0.0
    return row["lenient"]["value"] if lenient else row["correct"]


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def question_score(own: Attempts, lenient: bool = False) -> float | None:
    """The mean of a question's attempts that have a score."""
    return mean(outcome(row, lenient) for row in own)


def clusters_of(questions: Sequence[Attempts]) -> list[int]:
    """The cluster of each question: questions that share a picture, directly or by way of others, have the
    same one, and so have twins (`twins.py`). A row's own `cluster`, if it has one, decides instead."""
    parents: dict[object, object] = {}

    def root(name: object) -> object:
        parents.setdefault(name, name)
        while parents[name] != name:
            parents[name] = name = parents[parents[name]]
        return name

    for i, own in enumerate(questions):
        given = own[0].get("cluster")
        for name in [("cluster", given)] if given is not None else _shared(own[0]):
            parents[root(name)] = root(i)
    numbers: dict[object, int] = {}
    return [numbers.setdefault(root(i), len(numbers)) for i in range(len(questions))]


def _shared(row: AttemptRow) -> list[Hashable]:
    """What makes one cluster of two questions that both have it: a picture, and being twins."""
    id = (row.get("meta") or {}).get(TWIN_OF, row.get("id"))
    return [*(row.get("media") or ()), *([("twin", row.get("task"), id)] if id is not None else ())]


def without_score(questions: Iterable[Attempts], missing: Iterable[str] = ()) -> dict[str, list[str]]:
    """{kind: ids of questions}. missing: without any attempt; unanswered: an attempt to which the engine
    gave no answer; unjudged: an attempt that the verifier could not judge. Kinds that do not occur are left
    out."""
    found: dict[str, list[str]] = {"missing": [*missing], "unanswered": [], "unjudged": []}
    for own in questions:
        if any(row["stop"] == "unanswered" for row in own):
            found["unanswered"].append(own[0]["id"])
        if any(outcome(row) is None for row in own):
            found["unjudged"].append(own[0]["id"])
    return {kind: ids for kind, ids in found.items() if ids}
