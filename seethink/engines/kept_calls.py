"""An asynchronous engine that keeps every completion on disk as it comes, and asks for none twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from dataclasses import asdict

from seethink import identity
from seethink.engines.base import AsyncEngine, OnFault, Request
from seethink.media import fingerprint
from seethink.types import Completion, CoordinateFrame


class KeptCalls:
    """`engine`, whose completions are kept in `kept` by the content of their request.

    A request is its model, messages (media by content), sampling and schema: equal requests share one call,
    also when both are in flight. Failed requests are not kept. sent: requests given to the engine; found:
    those answered from `kept`, or by an equal one in flight.
    """

    def __init__(self, engine: AsyncEngine, kept: MutableMapping[str, str], served: str = "") -> None:
        self.engine, self.kept, self.served = engine, kept, served
        self.sent = self.found = 0
        self._in_flight: dict[str, asyncio.Future[Completion]] = {}

    @property
    def name(self) -> str:
        """The model, as the engine names it."""
        return self.engine.name

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        """The kept completion, or the engine's. Raises as the engine does."""
        key = self._key(request)
        if (waiting := self._in_flight.get(key)) is not None:
            self.found += 1
            return await asyncio.shield(waiting)
        if (text := self.kept.get(key)) is not None:
            self.found += 1
            return _read(text)
        self._in_flight[key] = asyncio.get_running_loop().create_future()
        try:
            self.sent += 1
            completion = await self.engine.complete(request, on_fault)
            self.kept[key] = _written(completion)
        except BaseException as error:
            self._fail(key, error)
            raise
        self._in_flight.pop(key).set_result(completion)
        return completion

    def _fail(self, key: str, error: BaseException) -> None:
        waiting = self._in_flight.pop(key)
        if isinstance(error, asyncio.CancelledError):
            waiting.cancel()
            return
        waiting.set_exception(error)
        waiting.exception()  # nobody else may be waiting for it

    def _key(self, request: Request) -> str:
        messages = [
            [
                message["role"],
                [part.get("text") or fingerprint(part[part["type"]]) for part in message["content"]],
            ]
            for message in request.messages
        ]
        model = [self.served, self.engine.name]
        return identity.digest([model, request.version, messages, request.sampling, request.schema])

    async def close(self) -> None:
        """Close the engine; `kept` stays open."""
        await self.engine.close()


def _written(completion: Completion) -> str:
    told = {"text": completion.text, "stop": completion.stop, "n_tokens": completion.n_tokens}
    frame = None if completion.frame is None else asdict(completion.frame)
    return json.dumps(told | {"prompt_tokens": completion.prompt_tokens, "frame": frame})


def _read(text: str) -> Completion:
    told = json.loads(text)
    return Completion(**told | {"frame": CoordinateFrame.of_json(told["frame"])})
