"""Engines and teachers that say what they are told to: for tests and documents, and for chains that run
without a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from seethink.engines.scripted.oracle import Oracle, Rates
from seethink.engines.scripted.speech import LEAKS
from seethink.engines.teacher import Call, Fault, Reply
from seethink.types import Completion, Messages, Sampling

T = TypeVar("T")


@dataclass
class ScriptedEngine:
    """An Engine. script: what to say to a conversation (asked `Sampling.n` times), or all texts in the order
    in which they are asked for. Raises ValueError when they run out. asked: the conversations so far."""

    script: Callable[[Messages], str] | Sequence[str]
    asked: list[Messages] = field(default_factory=list)

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return [[self._say(messages) for _ in range(sampling.n)] for messages in conversations]

    def _say(self, messages: Messages) -> Completion:
        text = _next(self.script, messages, len(self.asked))
        self.asked.append(messages)
        return Completion(text, n_tokens=len(text.split()))


@dataclass
class ScriptedTeacher:
    """A Teacher. script: what to say to a call (the function may raise `Unanswered`), or all texts in the
    order in which they are asked for. Raises ValueError when they run out. asked: the calls so far."""

    script: Callable[[Call], str] | Sequence[str]
    name: str = "scripted"
    asked: list[Call] = field(default_factory=list)

    async def answer(self, call: Call, fault: Fault) -> Reply:
        at = len(self.asked)
        self.asked.append(call)
        text = _next(self.script, call, at)
        return Reply(text, tokens=len(text.split()))

    async def close(self) -> None: ...


def _next(script: Callable[[T], str] | Sequence[str], asked: T, at: int) -> str:
    if callable(script):
        return script(asked)
    if at >= len(script):
        raise ValueError(f"the script has {len(script)} texts, and is asked for another one")
    return script[at]


__all__ = ["LEAKS", "Oracle", "Rates", "ScriptedEngine", "ScriptedTeacher"]
