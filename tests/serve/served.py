"""A server in this process, on a thread and a free port, and requests to it."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import aiohttp
import openai
from PIL import Image as PILImage

from seethink import formats
from seethink.serve.service import Service
from seethink.serve.startup import bound, http_server, scheduler_of
from seethink.types import Example

MODEL = "sprout"
FORM = formats.PREFILLED_THINK
"""With it, sprout thinks."""


@dataclass
class Served:
    """A running server."""

    service: Service
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str = "unused", **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60, **options)


@contextmanager
def serving(
    service: Service, keys: Sequence[str] = (), documented: bool = False, playground: bool = False
) -> Iterator[Served]:
    """The service, served until the end of the context; then it must end by itself."""
    sock = bound("127.0.0.1", 0)
    server = http_server(service, keys, documented, playground)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    try:
        yield Served(service, sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@cache
def sprout() -> Any:
    from seethink.engines.local import LocalEngine

    return LocalEngine.load(MODEL)


def service_of(engine: Any, **options: Any) -> Service:
    form = options.pop("form", FORM)
    return Service(scheduler_of(engine), form, (MODEL,), **options)


def png(picture: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def data_uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def plain(colour: Any = "white", size: tuple[int, int] = (56, 56)) -> str:
    """A data URI of a picture of one colour."""
    return data_uri(png(PILImage.new("RGB", size, colour)))


def user(*parts: str) -> list[dict[str, Any]]:
    """A message of texts and pictures, the latter as URLs."""
    content = [
        {"type": "image_url", "image_url": {"url": part}}
        if part.lower().startswith(("data:", "http", "file:", "/"))
        else {"type": "text", "text": part}
        for part in parts
    ]
    return [{"role": "user", "content": content}]


def asked(example: Example) -> list[dict[str, Any]]:
    """The question of an example as a message."""
    parts = [part if isinstance(part, str) else data_uri(png(part.load())) for part in example.parts()]
    return user(*parts)


def body(messages: Any = None, **fields: Any) -> dict[str, Any]:
    """A request with defaults that cost little."""
    return {
        "model": MODEL,
        "messages": messages or user("How many?"),
        "max_tokens": 8,
        "temperature": 0,
    } | fields


def post(served: Served, path: str, json: Any = None, data: Any = None, **headers: str) -> tuple[int, Any]:
    """(status, JSON or text) of a POST; GET where there is nothing to send."""

    async def send() -> tuple[int, Any]:
        method = "GET" if json is None and data is None else "POST"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            named.setdefault("content-type", "application/json")
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{served.url}{path}", json=json, data=data, headers=named) as response,
        ):
            text = await response.text()
            return (
                response.status,
                await response.json() if response.content_type == "application/json" else text,
            )

    return asyncio.run(send())
