"""Engines that give prepared answers, for tests, documents and chains that run without a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from seethink.engines.base import OnFault, Request
from seethink.types import Completion, Messages, Sampling

T = TypeVar("T")


@dataclass
class ScriptedEngine:
    """Engine with a script: a function of the conversation, called `Sampling.n` times, or all texts in order.

    conversations: those continued so far. Raises ValueError when the texts run out.
    """

    script: Callable[[Messages], str] | Sequence[str]
    conversations: list[Messages] = field(default_factory=list)

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order. Raises ValueError, see the class."""
        return [[self._complete(messages) for _ in range(sampling.n)] for messages in conversations]

    def _complete(self, messages: Messages) -> Completion:
        text = _text(self.script, messages, len(self.conversations))
        self.conversations.append(messages)
        return Completion(text, n_tokens=len(text.split()))


@dataclass
class ScriptedAsyncEngine:
    """AsyncEngine with a script: a function of the request, which may raise RequestFailed, or all texts in
    order.

    requests: those received so far. Raises ValueError when the texts run out.
    """

    script: Callable[[Request], str] | Sequence[str]
    name: str = "scripted"
    requests: list[Request] = field(default_factory=list)

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        """The next completion of the script. Raises RequestFailed or ValueError, see the class."""
        number = len(self.requests)
        self.requests.append(request)
        text = _text(self.script, request, number)
        return Completion(text, n_tokens=len(text.split()))

    async def close(self) -> None:
        """Nothing to free."""


def _text(script: Callable[[T], str] | Sequence[str], request: T, number: int) -> str:
    if callable(script):
        return script(request)
    if number >= len(script):
        raise ValueError(f"the script has {len(script)} texts, and request {number + 1} needs another one")
    return script[number]
