"""Whether a text answers a question, for steps that must know before the answer step does."""

from __future__ import annotations

from seethink import verify
from seethink.attempt import judge, lenient
from seethink.formats import BARE
from seethink.types import Completion, Example, Score, Task, Verifier

RIGHT = 0.5
"""From this score on an answer counts as right; only those of boxes lie between 0 and 1."""


def rules(verifier: str, example: Example) -> Verifier:
    """The verifier of that name; of an example with options, which one is named comes first."""
    named = verify.by_name(verifier)
    return verify.first_of(verify.same_choice, named) if example.choices else named


def verdict(verifier: str, example: Example, answer: str) -> Score:
    """The verdict of a verifier, held by name, on a bare answer."""
    task = Task("answer", (), BARE, rules(verifier, example))
    return judge(task, example, Completion(answer)).score


def verdict_anyhow(verifier: str, example: Example, text: str) -> Score:
    """The same on a text that is the answer, or that says it in any form that `formats.read_any` reads."""
    task = Task("answer", (), BARE, rules(verifier, example))
    rollout = judge(task, example, Completion(text))
    settled = rollout.score.value is None or rollout.score.value >= RIGHT
    return rollout.score if settled else lenient(task, rollout)[1]


def is_right(score: Score) -> bool | None:
    """None where nobody can judge."""
    return None if score.value is None else score.value >= RIGHT
