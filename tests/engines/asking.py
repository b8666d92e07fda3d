"""A teacher on a server of `tests/servers.py`, asked one thing or many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import PIL.Image

from seethink.engines.chat import ChatTeacher, Terms
from seethink.engines.teacher import Call, Reply
from seethink.media import Image
from seethink.types import Example, Messages
from tests.servers import ChatServer

QUICK = Terms(attempts=3, pause_s=0.01, answer_s=2.0, connect_s=1.0, wait_s=0.0)
RED = Image.drawn("red", lambda: PIL.Image.new("RGB", (8, 8), "red"))


def turn(*parts: Any, role: str = "user") -> dict[str, Any]:
    content = [
        {"type": "text", "text": p} if isinstance(p, str) else {"type": p.kind, p.kind: p} for p in parts
    ]
    return {"role": role, "content": content}


def asking(*parts: Any, begun: str = "", **more: Any) -> Call:
    messages: Messages = [turn(*parts), *([turn(begun, role="assistant")] if begun else [])]
    return Call(
        **(
            {"step": "describe/route", "example": Example("7", "?"), "role": "see", "messages": messages}
            | more
        )
    )


def run(
    server: ChatServer, use: Callable[[ChatTeacher], Awaitable[Any]], terms: Terms = QUICK, **more: Any
) -> Any:
    """What `use` makes of a teacher on the server."""

    async def whole() -> Any:
        teacher = await ChatTeacher.open(more.pop("url", server.url), terms=terms, **more)
        try:
            return await use(teacher)
        finally:
            await teacher.close()

    return asyncio.run(whole())


def answer(server: ChatServer, call: Call, terms: Terms = QUICK, **more: Any) -> tuple[Reply, list[str]]:
    """The reply, and the kinds of the tries that failed."""
    failed: list[str] = []
    reply = run(
        server, lambda teacher: teacher.answer(call, lambda kind, told: failed.append(kind)), terms, **more
    )
    return reply, failed


def in_turn(*told: Any) -> Callable[[dict[str, Any]], Any]:
    """A reply for each request, the last one again and again."""
    left = list(told)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]
