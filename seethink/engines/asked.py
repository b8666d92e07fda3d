"""A teacher as an engine: conversations are put to it many at one time, from code that waits for them all."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from seethink.engines.teacher import Call, Role, Teacher, Unanswered
from seethink.types import Completion, Example, Messages, Sampling

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class AskedEngine:
    """An engine that asks the teacher which `opening` gives, in an event loop on a thread of its own.

    at_once: conversations on their way at one time. A call that is not answered becomes a completion whose
    `stop` is "unanswered"; the first of each kind is told in the log. unanswered: such calls, by kind.
    faults: tries that failed, by kind, mended ones too.

    Raises InputError where there is no teacher (`opening`), or where no call will be answered (`generate`).
    """

    def __init__(
        self, opening: Coroutine[Any, Any, Teacher], at_once: int = 64, role: Role = "judge"
    ) -> None:
        self.at_once = at_once
        self.role: Role = role
        self.unanswered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asked-engine", daemon=True)
        self._thread.start()
        try:
            self.teacher = self._wait(opening)
        except BaseException:
            self._end()
            raise

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each, in order; each is a call with a seed of its own."""
        return self._wait(self._all(conversations, sampling))

    async def _all(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        slots = asyncio.Semaphore(self.at_once)

        async def one(at: int, messages: Messages, number: int) -> Completion:
            drawn = replace(sampling, n=1, seed=sampling.seed + number)
            call = Call(self.role, Example(f"conversation {at + 1}", ""), self.role, messages, drawn)
            async with slots:
                return await self._completion(call)

        async with asyncio.TaskGroup() as group:
            tasks = [
                [group.create_task(one(at, messages, number)) for number in range(sampling.n)]
                for at, messages in enumerate(conversations)
            ]
        return [[task.result() for task in own] for own in tasks]

    async def _completion(self, call: Call) -> Completion:
        try:
            reply = await self.teacher.answer(call, self._fault)
        except Unanswered as error:
            self.unanswered[error.kind] += 1
            if self.unanswered[error.kind] == 1:
                _LOG.warning("%s gives no answer (%s): %s", self.teacher.name, error.kind, error)
            return Completion(f"{error.kind}: {error}", "unanswered")
        return Completion(reply.text, reply.stop, reply.tokens)

    def _fault(self, kind: str, told: str) -> None:
        self.faults[kind] += 1

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What it gives; of several errors the first. Whoever is interrupted while waiting cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        try:
            self._wait(self.teacher.close())
        finally:
            self._end()

    def _end(self) -> None:
        self._wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> AskedEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
