"""A chat server on loopback with scripted replies, injected faults and request counts.

In this process, on a thread:

    with ChatServer(lambda body: "text", FaultRates(busy=0.2)) as server:
        server.url                      # http://127.0.0.1:PORT/v1
        server.bodies                   # the requests as JSON, in order
        server.counts                   # sha256 of a request's body -> [times received, times answered]

In another process, which prints its URL first and ends with its stdin:

    python -m tests.servers --reply tests.servers:echo --delay 0.2 --faults busy=0.2,broken=0.1
    GET /counts                         # the same counts as JSON; they survive the death of the client
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession


@dataclass(frozen=True)
class HttpReply:
    """A raw HTTP reply. body: JSON, or bytes sent unchanged. cut: only half of it is sent."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


HANG = HttpReply(status=0)
"""The server never replies."""
CLOSE = HttpReply(status=-1)
"""The server closes the connection."""


@dataclass(frozen=True)
class FaultRates:
    """Rates of injected faults, drawn by a hash of the request's body and its count: 429 with `Retry-After`,
    500, no reply, half a reply. Their sum is at most 1."""

    busy: float = 0.0
    broken: float = 0.0
    hang: float = 0.0
    cut: float = 0.0
    seed: int = 0
    retry_after_s: float = 0.05

    def draw(self, key: str, number: int) -> str:
        """ "busy", "broken", "hang", "cut", or "" for an ordinary reply."""
        value = random.Random(f"trouble/{self.seed}/{key}/{number}").random()
        for kind in ("busy", "broken", "hang", "cut"):
            value -= getattr(self, kind)
            if value < 0:
                return kind
        return ""


def echo(body: dict[str, Any]) -> str:
    """The text of the last turn."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def completion(text: str, finish: str = "stop", **usage: int) -> dict[str, Any]:
    """An ordinary reply as JSON; usage: prompt_tokens, completion_tokens."""
    message = {"role": "assistant", "content": text}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1, "completion_tokens": len(text.split())} | usage,
    }


@dataclass
class ChatServer:
    """reply: of a request's JSON: a text, a whole reply as JSON, or a `HttpReply`. delay_s: before each
    reply. models: (id, owned_by) that it serves; requests for other models get 404. key: the bearer token
    that it expects. context: the `max_model_len` of its models; 0 for none. keep: whether to keep requests in
    `bodies`."""

    reply: Callable[[dict[str, Any]], str | dict[str, Any] | HttpReply] = echo
    faults: FaultRates = field(default_factory=FaultRates)
    delay_s: float = 0.0
    models: tuple[tuple[str, str], ...] = (("fake", "vllm"),)
    key: str = ""
    context: int = 0
    keep: bool = True
    bodies: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)
    in_flight: int = 0
    max_in_flight: int = 0
    port: int = 0
    connections: set[Any] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def n_requests(self) -> int:
        return sum(received for received, _ in self.counts.values())

    @property
    def answered_twice(self) -> int:
        return sum(answered > 1 for _, answered in self.counts.values())

    async def serve(self, ready: Callable[[], None], until: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, backlog=1024)
        self.port = listening.sockets[0].getsockname()[1]
        ready()
        try:
            await until
        finally:
            listening.close()
            for connection in self.connections:
                connection.close()
            await listening.wait_closed()

    def __enter__(self) -> ChatServer:
        ready = threading.Event()

        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._until = self._loop.create_future()
            await self.serve(ready.set, self._until)

        self._thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._until.set_result, None)
        self._thread.join()

    def respond(self, path: str, headers: Mapping[str, str], data: bytes) -> HttpReply:
        if path == "/counts":
            return HttpReply(body=self.counts)
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            return HttpReply(401, {"error": {"message": "no such key"}})
        if path == "/v1/models":
            more = {"max_model_len": self.context} if self.context else {}
            cards = [{"id": name, "owned_by": owner, **more} for name, owner in self.models]
            return HttpReply(body={"object": "list", "data": cards})
        if path != "/v1/chat/completions":
            return HttpReply(404, {"error": {"message": f"nothing at {path}"}})
        body = json.loads(data)
        if self.keep:
            self.bodies.append(body)
        if body["model"] not in dict(self.models):
            return HttpReply(404, {"error": {"message": "no such model", "code": "model_not_found"}})
        return self._chat(hashlib.sha256(data).hexdigest(), body)

    def _chat(self, key: str, body: dict[str, Any]) -> HttpReply:
        count = self.counts.setdefault(key, [0, 0])
        count[0] += 1
        kind = self.faults.draw(key, count[0])
        if kind == "busy":
            wait = {"Retry-After": f"{self.faults.retry_after_s:g}"}
            return HttpReply(429, {"error": {"message": "too many requests"}}, wait)
        if kind == "broken":
            return HttpReply(500, {"error": {"message": "out of order"}})
        if kind == "hang":
            return HANG
        reply = self.reply(body)
        if isinstance(reply, HttpReply):
            return reply
        count[1] += kind != "cut"
        return HttpReply(body=completion(reply) if isinstance(reply, str) else reply, cut=kind == "cut")


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, for clients that send `Content-Length` and wait for each reply."""

    def __init__(self, server: ChatServer) -> None:
        self.server, self.buffer = server, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self.buffer[:end].decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        whole = end + 4 + int(headers.get("content-length", 0))
        if len(self.buffer) < whole:
            return
        body = bytes(self.buffer[end + 4 : whole])
        del self.buffer[:whole]
        server, path = self.server, first.split()[1]
        reply = server.respond(path, headers, body)
        if reply is HANG:
            return
        chat = path.endswith("completions")
        server.in_flight += chat
        server.max_in_flight = max(server.max_in_flight, server.in_flight)
        if server.delay_s and chat:
            asyncio.get_running_loop().call_later(server.delay_s, self._send, reply, chat)
        else:
            self._send(reply, chat)

    def _send(self, reply: HttpReply, chat: bool) -> None:
        self.server.in_flight -= chat
        if reply is CLOSE:
            return self.transport.close()
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        head = f"HTTP/1.1 {reply.status} Reply\r\nContent-Type: application/json\r\n{more}"
        sent = data[: len(data) // 2] if reply.cut else data
        self.transport.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + sent)
        if reply.cut:
            self.transport.close()


@contextmanager
def server_process(*options: str) -> Iterator[str]:
    """The URL of a server in another process, started with these options."""
    command = [sys.executable, "-m", "tests.servers", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()


async def counts(url: str) -> dict[str, list[int]]:
    """`ChatServer.counts` of a server in another process."""
    async with ClientSession() as http, http.get(f"{url.removesuffix('/v1')}/counts") as answer:
        return await answer.json()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reply", default="tests.servers:echo", help="module:function")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--faults", default="", help="busy=0.2,broken=0.1,hang=0.05,cut=0.05,seed=0")
    parser.add_argument("--model", default="fake")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    module, _, name = options.reply.partition(":")
    pairs = [pair.partition("=") for pair in options.faults.split(",") if pair]
    faults = FaultRates(**{name: type(getattr(FaultRates, name))(float(value)) for name, _, value in pairs})
    reply = getattr(importlib.import_module(module), name)
    models = ((options.model, "vllm"),)
    server = ChatServer(reply, faults, options.delay, models, keep=False, port=options.port)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        until = loop.create_future()
        ended = threading.Thread(
            target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(until.set_result, None))
        )
        ended.daemon = True
        ended.start()
        await server.serve(lambda: print(server.url, flush=True), until)  # noqa: T201

    asyncio.run(run())


if __name__ == "__main__":
    main()
