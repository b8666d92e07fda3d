"""An asynchronous engine as a synchronous one: its event loop runs on a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from seethink.engines.base import AsyncEngine, Request, RequestFailed, Role
from seethink.types import Completion, Example, Messages, Sampling

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class EventLoopThread:
    """An event loop on a daemon thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; of an ExceptionGroup, the first exception. Cancels it if the wait is
        interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the loop and join the thread."""
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncEngine:
    """A synchronous Engine on the asynchronous engine that the coroutine `opening` returns.

    max_concurrency: requests in flight. A request that fails becomes a completion whose `stop` is
    "unanswered"; the first of each kind is logged. failures: failed requests by kind. faults: failed attempts
    by kind, those that were retried with success included.

    Raises InputError where the engine cannot be opened, or where every request fails (`generate`).
    """

    def __init__(
        self, opening: Coroutine[Any, Any, AsyncEngine], max_concurrency: int = 64, role: Role = "judge"
    ) -> None:
        self.max_concurrency = max_concurrency
        self.role: Role = role
        self.failures: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._loop = EventLoopThread("sync-engine")
        try:
            self._engine = self._loop.run(opening)
        except BaseException:
            self._loop.close()
            raise

    @property
    def name(self) -> str:
        """The model, as the asynchronous engine names it."""
        return self._engine.name

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order; each is a request with its own seed."""
        return self._loop.run(self._generate(conversations, sampling))

    async def _generate(
        self, conversations: Sequence[Messages], sampling: Sampling
    ) -> list[list[Completion]]:
        slots = asyncio.Semaphore(self.max_concurrency)

        async def complete(number: int, messages: Messages, sample: int) -> Completion:
            one = replace(sampling, n=1, seed=sampling.seed + sample)
            example = Example(f"conversation {number}", "")
            async with slots:
                return await self._complete(Request(self.role, example, self.role, messages, one))

        async with asyncio.TaskGroup() as group:
            tasks = [
                [group.create_task(complete(number, messages, sample)) for sample in range(sampling.n)]
                for number, messages in enumerate(conversations, 1)
            ]
        return [[task.result() for task in row] for row in tasks]

    async def _complete(self, request: Request) -> Completion:
        try:
            return await self._engine.complete(request, self._on_fault)
        except RequestFailed as error:
            self.failures[error.kind] += 1
            if self.failures[error.kind] == 1:
                _LOG.warning("%s does not answer (%s): %s", self.name, error.kind, error)
            return Completion(f"{error.kind}: {error}", "unanswered")

    def _on_fault(self, kind: str, message: str) -> None:
        self.faults[kind] += 1

    def close(self) -> None:
        """Close the asynchronous engine and its event loop."""
        try:
            self._loop.run(self._engine.close())
        finally:
            self._loop.close()

    def __enter__(self) -> SyncEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
