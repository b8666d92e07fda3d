"""What a teacher is: a large model that is asked one thing at a time, and answers with a text.

A teacher on a server is `engines/chat.py`, one that knows the truth of drawn worlds `engines/scripted.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from seethink.types import GREEDY, Example, Messages, Sampling

Role = Literal["see", "reason", "judge"]
"""What a teacher is asked for: to look at pictures, to think about a text, or to give a verdict."""


@dataclass(frozen=True)
class Call:
    """One question to a teacher.

    step, example: who asks, and about what; never sent, so that equal calls of two examples are one. version:
    of the wording, filled in by the chain. messages: may end with a begun answer, which the teacher
    continues. sampling: `n` is 1; several answers are several calls with other seeds. schema: the JSON schema
    that the reply should obey, where the teacher can be held to one.
    """

    step: str
    example: Example
    role: Role
    messages: Messages
    sampling: Sampling = GREEDY
    version: str = ""
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Reply:
    """What came back: the continuation alone, without the begun answer. stop: "length" where it was cut off.
    prompt_tokens, tokens: as the teacher counts them."""

    text: str
    stop: Literal["stop", "length"] = "stop"
    prompt_tokens: int = 0
    tokens: int = 0


Fault = Callable[[str, str], None]
"""Told of every try that failed: its kind ("429", "500", "timeout", "broken body"), and a sentence."""


class Unanswered(RuntimeError):
    """A call that the teacher does not answer, now or after all retries; its example fails, the others go on.
    kind: as in `Fault`."""

    def __init__(self, kind: str, told: str) -> None:
        super().__init__(told)
        self.kind = kind


class Teacher(Protocol):
    @property
    def name(self) -> str:
        """The model, as it stands in ledgers: another name is another teacher."""
        ...

    async def answer(self, call: Call, fault: Fault) -> Reply:
        """Raises Unanswered for this call, and InputError for what no call will survive (a wrong key, an
        unknown model, no server)."""
        ...

    async def close(self) -> None: ...
