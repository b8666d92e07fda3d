"""Prompts of steps: messages, seeds, and retries until a reply can be read."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from seethink.engines.base import Request, RequestFailed
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Dropped
from seethink.synth.replies import is_refusal
from seethink.types import Messages

T = TypeVar("T")
Parser = Callable[[str], T | Dropped]
"""Parses a reply; `Dropped` says why it cannot be used."""


def delimited(name: str, text: str) -> str:
    """A text between delimiters, marked as data; delimiters inside the text are removed."""
    return f"{name}:\n<<<\n{re.sub(r'[<>]{3,}', ' ', text)}\n>>>"


def as_text(value: Any) -> str:
    """A value of a JSON reply as text; empty for null, booleans and empty values."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) and value else ""


async def ask_until_valid(
    ask: AskTeacher, request: Request, parse: Parser[T], retries: int, reminder: str
) -> T | Dropped:
    """The parsed reply to a request, or the fault of the last reply after `retries` further attempts.

    A refusal is not retried. Every retry has its own seed and the reminder after the question; the caller's
    messages are not modified.
    """
    fault = None
    for attempt in range(retries + 1):
        reply = await ask(_retry(request, attempt, reminder) if attempt else request)
        if is_refusal(reply.text):
            return Dropped("refused", f"{request.step} was refused: {reply.text[:80]!r}")
        if reply.stop == "length":
            fault = Dropped("cut off", f"{request.step} broke off after {reply.n_tokens} tokens")
            continue
        parsed = parse(reply.text)
        if not isinstance(parsed, Dropped):
            return parsed
        fault = parsed
    assert fault is not None, "there is at least one attempt"
    return fault


def _retry(request: Request, attempt: int, reminder: str) -> Request:
    seed = seed_of(request.sampling.seed, "again", attempt)
    messages = _with_reminder(request.messages, reminder)
    return replace(request, messages=messages, sampling=replace(request.sampling, seed=seed))


def _with_reminder(messages: Messages, reminder: str) -> Messages:
    """The messages with the reminder at the end of the user's last message."""
    last = max(i for i, message in enumerate(messages) if message["role"] == "user")
    part = {"type": "text", "text": f"\n\n{reminder}"}
    extended = {**messages[last], "content": [*messages[last]["content"], part]}
    return [*messages[:last], extended, *messages[last + 1 :]]


async def gather_all(tasks: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of concurrent tasks, in order.

    Errors are raised only after all tasks have ended, so that no paid reply is lost. An error that stops the
    run takes precedence over RequestFailed, which concerns one example.
    """
    results = await asyncio.gather(*tasks, return_exceptions=True)
    if errors := [result for result in results if isinstance(result, BaseException)]:
        raise next((error for error in errors if not isinstance(error, RequestFailed)), errors[0])
    return [result for result in results if not isinstance(result, BaseException)]
