"""Whether a verifier can judge the reference answers of a task; if it can judge none, neither a reward nor an
accuracy means anything."""

from __future__ import annotations

from collections.abc import Sequence

from seethink.attempt import judge
from seethink.types import Completion, Example, InputError, Task
from seethink.verify.combine import uses_judge

PROBED = 2_000
"""Rows, spread evenly over the data, whose reference answers are given to the verifier."""


def refuse_unjudgeable(tasks: Sequence[Task]) -> None:
    """Raise InputError for a task none of whose reference answers its verifier can judge. A judge model is
    not asked, and questions without answers are not counted."""
    for task in tasks:
        if uses_judge(task.verifier):
            continue
        whys, rows = [], spread(range(len(task.examples)))
        answers = two_answers(task, rows)
        for i in rows:
            example = task.examples[i]
            if example.answer is None:
                continue
            why = unjudged(task, example, answers)
            if why is None:
                break
            whys.append(f"{example.label}: {why}")
        else:
            if whys:
                raise none_judged(whys, len(task.examples), "measured")


def spread(indices: Sequence[int]) -> Sequence[int]:
    """At most `PROBED` of the indices."""
    return indices[:: -(-len(indices) // PROBED) or 1]


def two_answers(task: Task, rows: Sequence[int]) -> tuple[str, ...]:
    """Two different reference answers of the rows, or as many as there are."""
    found: dict[str, None] = {}
    for i in rows:
        if (answer := task.examples[i].answer) is not None:
            found[answer] = None
        if len(found) == 2:
            break
    return tuple(found)


def unjudged(task: Task, example: Example, answers: Sequence[str]) -> str | None:
    """Why the verifier cannot judge a response to the row; None if it can, or if the row has no steps for a
    format that needs some, so that there is no such response.

    The response gives the one of `answers` that is not the row's own: its own is right even for a verifier
    that cannot read it, since it is the same text. Its words stand for its tokens, which no engine counted
    and rewards of length ask for.
    """
    given = next((answer for answer in answers if answer != example.answer), example.answer or "unknown")
    try:
        text = task.format.write(example.steps, given)
    except ValueError:
        return None
    score = judge(task, example, Completion(text, n_tokens=max(1, len(text.split())))).score
    return score.why or "no score" if score.value is None else None


def none_judged(whys: Sequence[str], n_rows: int, lost: str) -> InputError:
    """The error of a verifier that can judge none of the rows looked at. whys: a reason for each, with its
    row. lost: what would not come of it, "learned"."""
    looked_at = "no row" if len(whys) == n_rows else f"none of {len(whys):,} rows looked at"
    return InputError(
        f"the verifier can judge {looked_at}, so nothing would be {lost}; {whys[0]}; choose another "
        "verifier, or correct the answers"
    )
