"""The application: routes, and the conversion of all errors to OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

from seethink.serve.chat import ChatAnswer, event_of
from seethink.serve.errors import ApiError, api_error, bad_request
from seethink.serve.gate import Gate
from seethink.serve.page import PLAYGROUND_ROUTES, add_page
from seethink.serve.requests import ChatRequest, ResponsesRequest
from seethink.serve.responses import ResponseAnswer, chat_request
from seethink.serve.service import Service
from seethink.types import InputError

_LOG = logging.getLogger(__name__)

LAST_WORDS_S = 5.0
"""How long a client may take to read the end of a stream."""


class ErrorDetail(BaseModel):
    """An error, for programs and people."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504)
}


class Json(Response):
    """JSON in ASCII, so that no text can break it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def create_app(
    service: Service, keys: Sequence[str] = (), documented: bool = False, playground: bool = False
) -> Any:
    """The ASGI application. keys: of which clients must send one; without any, only this machine's names are
    answered to. documented: whether `/docs` and `/openapi.json` exist, behind the key as all else.
    playground: whether there is a page at `/`, which is open, unlike what it asks."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.scheduler.start()
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="SeeThink",
        lifespan=lifespan,
        docs_url="/docs" if documented else None,
        redoc_url=None,
        openapi_url="/openapi.json" if documented else None,
    )
    for kind in (ApiError, InputError, RequestValidationError, StarletteHTTPException, Exception):
        app.add_exception_handler(kind, _error_answer)
    _add_routes(app, service)
    if playground:
        add_page(app, service, bool(keys))
    return Gate(app, keys, service.limits, service.metrics, PLAYGROUND_ROUTES if playground else ())


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post("/v1/chat/completions", responses=ERRORS)
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        """Answer a conversation."""
        return await _answer(service, body, request, lambda chat: chat)

    @app.post("/v1/responses", responses=ERRORS)
    async def responses(body: ResponsesRequest, request: Request) -> Response:
        """Answer a conversation, as OpenAI's newer endpoint."""
        return await _answer(service, chat_request(body), request, ResponseAnswer)

    @app.get("/v1/models", responses=ERRORS)
    async def models() -> Response:
        """The names of the model, and the solvers."""
        cards = [
            {
                "id": name,
                "object": "model",
                "created": 0,
                "owned_by": "seethink",
                "max_model_len": service.scheduler.context,
                "solver": service.solver,
                "format": service.form.name,
            }
            for name in service.names
        ]
        return Json({"object": "list", "data": cards})

    @app.get("/health")
    async def health() -> Response:
        """Whether the engine works."""
        if not service.scheduler.alive:
            raise ApiError(503, "the engine has stopped", "engine_stopped")
        return Json({"status": "ok"})

    @app.get("/metrics", responses=ERRORS)
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _answer(service: Service, body: ChatRequest, request: Request, shape: Any) -> Response:
    """The answer to a request, whole or as a stream. shape: makes a `ChatAnswer` the endpoint's own."""
    slot, streaming = Slot(service), False
    try:
        async with asyncio.timeout(service.limits.timeout_s) as deadline:
            answer = shape(await _unless_gone(service, request, ChatAnswer.of(service, body)))
            if not body.stream:
                return Json(await _unless_gone(service, request, answer.whole()))
            chunks = answer.stream()
            first = await _unless_gone(service, request, anext(chunks))
        streaming = True
        return EventStream(slot, chunks, first, deadline.when())
    except TimeoutError as error:
        raise _timeout(service) from error
    except Exception as error:
        raise api_error(error) from error
    finally:
        if not streaming:
            slot.release()


class Slot:
    """One of the requests at work. Raises ApiError where there are too many."""

    def __init__(self, service: Service) -> None:
        if service.running >= service.limits.max_concurrency:
            message = "the server is at work on as many requests as it takes; try again"
            raise ApiError(429, message, "too_many_requests")
        self.service = service
        self._count(1)

    def release(self) -> None:
        """Give the slot back."""
        self._count(-1)

    def _count(self, change: int) -> None:
        self.service.running += change
        self.service.metrics.running.set(self.service.running)


async def _unless_gone(service: Service, request: Request, work: Any) -> Any:
    """The result of `work`, which is cancelled when the client hangs up."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request.receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        service.metrics.cancelled.inc()
        raise ApiError(400, "the client has gone", "cancelled")
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.wait({task, gone})


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events. chunks: those after `first`. until: the deadline, in the loop's time. A client that
    hangs up ends the work on them."""

    media_type = "text/event-stream"

    def __init__(self, slot: Slot, chunks: AsyncIterator[bytes], first: bytes, until: float | None) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.slot, self.chunks, self.first, self.until = slot, chunks, first, until

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                self.slot.service.metrics.cancelled.inc()
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.wait({sending, gone})
            self.slot.release()
        if not sending.cancelled() and (error := sending.exception()):
            raise error

    async def _send(self, send: Any) -> None:
        def message(chunk: bytes, more: bool = True) -> dict[str, Any]:
            return {"type": "http.response.body", "body": chunk, "more_body": more}

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with asyncio.timeout_at(self.until):
                await send(message(self.first))
                async for chunk in self.chunks:
                    await send(message(chunk))
                return await send(message(b"", more=False))
        except TimeoutError:
            _LOG.info("a stream ended at its deadline")
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await send(message(event_of(dict(_timeout(self.slot.service).body()), "error")))
                await send(message(b"data: [DONE]\n\n"))
                await send(message(b"", more=False))
        except TimeoutError:
            _LOG.info("a client that reads nothing loses its slot")


def _timeout(service: Service) -> ApiError:
    return ApiError(504, f"the answer was not finished in {service.limits.timeout_s:g} s", "timeout")


# Errors ---------------------------------------------------------------------------------------------------


async def _error_answer(request: Request, error: Exception) -> Response:
    """Any error in OpenAI's shape."""
    if isinstance(error, RequestValidationError):
        found = _validation_error(error)
    elif isinstance(error, StarletteHTTPException):
        codes = {404: "route_not_found", 405: "method_not_allowed"}
        found = ApiError(error.status_code, str(error.detail), codes.get(error.status_code, "bad_request"))
    else:
        found = api_error(error)
    return Json(found.body(), found.status, found.headers)


def _validation_error(error: RequestValidationError) -> ApiError:
    """The first fault of a body, with its place as clients write it: `messages[0].content`."""
    first = error.errors()[0]
    kind, *place = first["type"], *first["loc"][1:]
    if kind == "json_invalid":
        return bad_request(f"the body is not JSON: {first['ctx']['error']}", code="invalid_json")
    names = [part for part in place if isinstance(part, int) or part.replace("_", "").isalnum()]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names).lstrip(".")
    if kind == "extra_forbidden":
        return bad_request(f"{param} is unknown or not supported by this server", param, "unknown_field")
    message = f"{param}: {first['msg']}" if param else str(first["msg"])
    return bad_request(message, param or None)
