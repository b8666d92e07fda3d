"""What every request passes before any route: the key, the host, the size of the body, and the count."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from seethink.serve.errors import ApiError
from seethink.serve.limits import Limits
from seethink.serve.metrics import ServerMetrics

OPEN = {"/health"}
"""Routes that need no key. All others do, those that do not exist included."""
LOCAL = {"localhost", "127.0.0.1", "[::1]"}
"""Hosts that a request may name where there is no key: a web page that leads a name of its own to this
machine must not reach the server."""
ROUTES = {"/v1/chat/completions", "/v1/responses", "/v1/models", "/health", "/metrics"}


class Gate:
    """ASGI middleware; raises no error, but answers with one. pages: routes without data, which need no
    key."""

    def __init__(
        self, app: Any, keys: Sequence[str], limits: Limits, metrics: ServerMetrics, pages: Iterable[str] = ()
    ) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics
        self.open = {*OPEN, *pages}
        self.keys = [key.encode() for key in keys]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in ROUTES else "other"
        begun, status = time.monotonic(), 500

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._check(scope)
            body = await self._body(scope, receive)
        except ApiError as error:
            await _answer(counted, error)
        else:
            await self.app(scope, _replayed(body, receive), counted)
        finally:
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(time.monotonic() - begun)

    def _check(self, scope: Any) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        if not self.keys:
            host = headers.get(b"host", b"").decode("latin-1")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name.lower() not in LOCAL:
                message = f"without an API key the server answers to {', '.join(sorted(LOCAL))} alone"
                raise ApiError(403, message, "host_not_allowed")
        elif scope["path"] not in self.open:
            kind, _, key = headers.get(b"authorization", b"").partition(b" ")
            if not key:
                message = "this server needs an API key, as `Authorization: Bearer KEY`"
                raise ApiError(401, message, "missing_api_key")
            given = [hmac.compare_digest(key.strip(), known) for known in self.keys]
            if kind.lower() != b"bearer" or not any(given):
                raise ApiError(401, "the API key is not one of this server's", "invalid_api_key")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limits.max_body_bytes:
            raise self._too_large()

    async def _body(self, scope: Any, receive: Any) -> bytes:
        """All of the request's body, as long as the client sends it in time."""
        data = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ApiError(400, "the client has gone", "cancelled")
                    data += message.get("body", b"")
                    if len(data) > self.limits.max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body"):
                        return bytes(data)
        except TimeoutError as error:
            seconds = f"{self.limits.body_timeout_s:g} s"
            raise ApiError(408, f"the body did not arrive in {seconds}", "body_timeout") from error

    def _too_large(self) -> ApiError:
        most = f"{self.limits.max_body_bytes // 2**20} MiB"
        return ApiError(413, f"the body has more than {most}", "body_too_large")


def _replayed(body: bytes, receive: Any) -> Any:
    """A `receive` that gives the body once, then what the client does next."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Any, error: ApiError) -> None:
    body = json.dumps(error.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    headers += [(b"connection", b"close")] if error.status in (408, 413) else []
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
