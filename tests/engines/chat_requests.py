"""Requests to a chat engine on a server of `tests/servers.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import PIL.Image

from seethink.engines.base import Request
from seethink.engines.chat import ChatEngine
from seethink.engines.http import RequestPolicy
from seethink.media import Image
from seethink.types import Completion, Example, Messages
from tests.servers import ChatServer

QUICK = RequestPolicy(
    max_attempts=3,
    retry_delay_s=0.01,
    request_timeout_s=2.0,
    connect_timeout_s=1.0,
    startup_timeout_s=0.0,
)
RED = Image.drawn("red", lambda: PIL.Image.new("RGB", (8, 8), "red"))


def message(*parts: Any, role: str = "user") -> dict[str, Any]:
    content = [
        {"type": "text", "text": p} if isinstance(p, str) else {"type": p.kind, p.kind: p} for p in parts
    ]
    return {"role": role, "content": content}


def request(*parts: Any, begun: str = "", **fields: Any) -> Request:
    messages: Messages = [message(*parts), *([message(begun, role="assistant")] if begun else [])]
    defaults = {"step": "describe/route", "example": Example("7", "?"), "role": "vision"}
    return Request(**(defaults | {"messages": messages} | fields))


def with_engine(
    server: ChatServer,
    use: Callable[[ChatEngine], Awaitable[Any]],
    policy: RequestPolicy = QUICK,
    **options: Any,
) -> Any:
    """The result of `use` with an engine on the server."""

    async def run() -> Any:
        engine = await ChatEngine.open(options.pop("url", server.url), policy=policy, **options)
        try:
            return await use(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def complete(
    server: ChatServer, request: Request, policy: RequestPolicy = QUICK, **options: Any
) -> tuple[Completion, list[str]]:
    """The completion, and the kinds of the failed attempts."""
    kinds: list[str] = []
    completion = with_engine(
        server, lambda engine: engine.complete(request, lambda kind, _: kinds.append(kind)), policy, **options
    )
    return completion, kinds


def in_order(*replies: Any) -> Callable[[dict[str, Any]], Any]:
    """One reply for each request, the last one for all further ones."""
    left = list(replies)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]
