"""Run one step with scripted replies, and record its requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from seethink.engines.base import Request
from seethink.synth.draft import Draft, Dropped, Step
from seethink.types import Completion, Example

ReplyFunction = Callable[[Request], str | Completion]


def run_step(step: Step, draft: Draft, reply_to: ReplyFunction) -> tuple[Draft | Dropped, list[Request]]:
    """The result of the step, and the requests that it sent."""
    requests: list[Request] = []

    async def ask(request: Request) -> Completion:
        requests.append(request)
        reply = reply_to(request)
        return reply if isinstance(reply, Completion) else Completion(reply)

    async def run() -> Draft | Dropped:
        return await step(draft, ask)

    return asyncio.run(run()), requests


def text_of(request: Request) -> str:
    """All text of a request's messages."""
    return "\n".join(
        part["text"] for message in request.messages for part in message["content"] if part["type"] == "text"
    )


def make_draft(question: str = "How many dots are there?", answer: str | None = "3", **more: Any) -> Draft:
    return Draft(Example("one", question, answer=answer), **more)


def as_json(**values: Any) -> str:
    return json.dumps(values)
