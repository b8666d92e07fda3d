"""Whether a text answers a question, for steps that must know before the answer step does."""

from __future__ import annotations

from seethink import verify
from seethink.attempt import judge, lenient
from seethink.formats import BARE
from seethink.types import Completion, Example, Score, Task


def right(verifier: str, example: Example, answer: str) -> Score:
    """The verdict of a verifier, held by name, on a bare answer."""
    task = Task("answer", (), BARE, verify.by_name(verifier))
    return judge(task, example, Completion(answer)).score


def right_anyhow(verifier: str, example: Example, text: str) -> Score:
    """The same on a text that is the answer, or that says it in any form that `formats.read_any` reads."""
    task = Task("answer", (), BARE, verify.by_name(verifier))
    rollout = judge(task, example, Completion(text))
    return rollout.score if rollout.score.value in (None, 1.0) else lenient(task, rollout)[1]
