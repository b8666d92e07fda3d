"""A teacher that says what a test tells it, and what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from seethink.engines.teacher import Call, Reply
from seethink.synth.draft import Draft, Dropped, Step
from seethink.types import Example

Says = Callable[[Call], str | Reply]


def taught(step: Step, draft: Draft, says: Says) -> tuple[Draft | Dropped, list[Call]]:
    """What the step makes of the draft, and the calls that it put."""
    calls: list[Call] = []

    async def ask(call: Call) -> Reply:
        calls.append(call)
        said = says(call)
        return said if isinstance(said, Reply) else Reply(said)

    async def go() -> Draft | Dropped:
        return await step(draft, ask)

    return asyncio.run(go()), calls


def told(call: Call) -> str:
    """All text of a call's messages."""
    return "\n".join(
        part["text"] for message in call.messages for part in message["content"] if part["type"] == "text"
    )


def drafted(question: str = "How many dots are there?", answer: str | None = "3", **more: Any) -> Draft:
    return Draft(Example("one", question, answer=answer), **more)


def json_of(**values: Any) -> str:
    return json.dumps(values)
