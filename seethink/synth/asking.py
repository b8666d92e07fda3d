"""What steps that ask have in common: messages, seeds, and asking again until a reply can be read."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from seethink.engines.teacher import Call, Unanswered
from seethink.synth.draft import Ask, Dropped
from seethink.synth.replies import refuses
from seethink.types import Example, Media, Message, Messages

T = TypeVar("T")
Read = Callable[[str], T | Dropped]
"""What a reply says, or why it cannot be used."""


def seed_of(*names: object) -> int:
    """The same number for the same names, in every process; 28 bits, which every server takes."""
    return int(hashlib.sha256("/".join(map(str, names)).encode()).hexdigest()[:7], 16)


def said(role: str, *parts: str | Media) -> Message:
    """A message of texts and media, in this order."""
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": part.kind, part.kind: part}
        for part in parts
    ]
    return {"role": role, "content": content}


def in_words(example: Example) -> str:
    """The question as one is told who sees no picture: without media and their marks."""
    return "".join(part for part in example.parts() if isinstance(part, str)).strip()


def quoted(name: str, text: str) -> str:
    """A text as data, between marks that it cannot close."""
    return f"{name}:\n<<<\n{re.sub(r'[<>]{3,}', ' ', text)}\n>>>"


def as_text(value: Any) -> str:
    """A value of a JSON reply as the text that it means; empty for what is no answer."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) and value else ""


async def until_read(ask: Ask, call: Call, read: Read[T], retries: int, reminder: str) -> T | Dropped:
    """What the reply to a call says, after at most `retries` more tries; else why the last was no use.

    A refusal is final. Every further try has a seed of its own, and the reminder behind the question; neither
    is left behind in the caller's messages.
    """
    fault = None
    for number in range(retries + 1):
        reply = await ask(_again(call, number, reminder) if number else call)
        if refuses(reply.text):
            return Dropped("refused", f"{call.step} was refused: {reply.text[:80]!r}")
        if reply.stop == "length":
            fault = Dropped("cut off", f"{call.step} broke off after {reply.tokens} tokens")
            continue
        found = read(reply.text)
        if not isinstance(found, Dropped):
            return found
        fault = found
    assert fault is not None, "at least one try is made"
    return fault


def _again(call: Call, number: int, reminder: str) -> Call:
    seed = seed_of(call.sampling.seed, "again", number)
    return replace(
        call, messages=_reminded(call.messages, reminder), sampling=replace(call.sampling, seed=seed)
    )


def _reminded(messages: Messages, reminder: str) -> Messages:
    """With the reminder at the end of the user's last message."""
    at = max(i for i, message in enumerate(messages) if message["role"] == "user")
    told = {"type": "text", "text": f"\n\n{reminder}"}
    longer = {**messages[at], "content": [*messages[at]["content"], told]}
    return [*messages[:at], longer, *messages[at + 1 :]]


async def together(tasks: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All of them at once, in order. An error is raised when all have ended, so that no call that was paid
    for is left behind: one that stops the run before one that fails the example."""
    done = await asyncio.gather(*tasks, return_exceptions=True)
    if errors := [result for result in done if isinstance(result, BaseException)]:
        raise next((error for error in errors if not isinstance(error, Unanswered)), errors[0])
    return [result for result in done if not isinstance(result, BaseException)]
