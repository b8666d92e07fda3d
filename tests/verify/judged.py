"""One verdict on one answer, for the tests of verifiers."""

from __future__ import annotations

from seethink.types import Example, Response, Score, Verifier


def judged(verifier: Verifier, gold: str | None, answer: str | None, choices: tuple[str, ...] = ()) -> Score:
    example = Example(id="1", question="?", answer=gold, choices=choices)
    return verifier(example, Response(text=answer or "", answer=answer))
