"""Scores of answers by a named verifier, for steps that need them."""

from __future__ import annotations

from seethink import verify
from seethink.attempt import judge, lenient
from seethink.formats import BARE
from seethink.types import Completion, Example, Score, Task, Verifier

CORRECT_FROM = 0.5
"""Lowest score of a correct answer. Only answers with boxes have scores between 0 and 1."""


def verifier_for(name: str, example: Example) -> Verifier:
    """The verifier of that name; for an example with options, the chosen option is compared first."""
    verifier = verify.by_name(name)
    return verify.first_of(verify.same_choice, verifier) if example.choices else verifier


def score_answer(verifier: str, example: Example, answer: str) -> Score:
    """The score of a bare answer."""
    task = Task("answer", (), BARE, verifier_for(verifier, example))
    return judge(task, example, Completion(answer)).score


def score_leniently(verifier: str, example: Example, text: str) -> Score:
    """The score of a text that is an answer, or contains one in any form that `formats.read_any` reads."""
    task = Task("answer", (), BARE, verifier_for(verifier, example))
    rollout = judge(task, example, Completion(text))
    settled = rollout.score.value is None or rollout.score.value >= CORRECT_FROM
    return rollout.score if settled else lenient(task, rollout)[1]


def is_correct(score: Score) -> bool | None:
    """None if the answer could not be judged."""
    return None if score.value is None else score.value >= CORRECT_FROM
