"""Dispatcher of requests to teachers, which reuses replies of the ledger and of equal requests in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from seethink.engines.base import AsyncEngine, Request, Role
from seethink.synth.ledger import CallRecord, ExampleRecord, Ledger
from seethink.types import Completion, InputError

COMMIT_INTERVAL_S = 0.005
"""Shortest time between two commits, in seconds. A kill loses the replies of the last interval."""
OpenTeachers = Callable[[], Awaitable[Mapping[Role, AsyncEngine]]]
"""Opens a teacher for each role; called once in every process."""


@dataclass(frozen=True)
class Price:
    """Price of a million tokens, in any currency. prompt: of prompts. written: of replies."""

    prompt: float = 0.0
    written: float = 0.0

    def of(self, completion: Completion) -> float:
        """Price of one call: its prompt and its reply."""
        return (completion.prompt_tokens * self.prompt + completion.n_tokens * self.written) / 1e6


class BudgetReached(InputError):
    """The budget is spent: no further call may be made. Earlier replies are in the ledger."""


@dataclass(frozen=True)
class Budget:
    """Limits on all answered calls of a ledger together; None is no limit.

    Calls are counted before they are sent, so their limit is exact. Tokens and cost are known afterwards, so
    requests in flight when the limit is reached are still paid for.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None


class LedgerService(Protocol):
    """Access to the ledger for all dispatchers; the ledger may be open in another process.

    `client` names a dispatcher. A reservation is its right and duty to send the request with that key.
    """

    async def release_all(self, client: str) -> None:
        """Release the reservations that an earlier attempt of this client left."""
        ...

    async def reserve(self, key: str, client: str) -> Completion | None:
        """The reply if the ledger has it, waiting if it is in flight. None reserves the key: the caller must
        send the request, and then call `commit` or `release`. Raises BudgetReached."""
        ...

    async def commit(self, call: CallRecord, completion: Completion, cost: float) -> None:
        """Store a reply on disk and release its key."""
        ...

    async def release(self, key: str) -> None:
        """End a reservation; callers that wait in `reserve` for this key go on."""
        ...

    async def record_fault(self, call: CallRecord, kind: str, message: str) -> None:
        """Store a failed attempt of a call on disk."""
        ...

    async def record_example(self, record: ExampleRecord) -> None:
        """Store the outcome of an example on disk."""
        ...


class LocalLedgerService:
    """The ledger service of the process that has the ledger open; see `LedgerService` for the methods.

    A commit costs as much as a request, so there is at most one every `COMMIT_INTERVAL_S`; all callers wait
    for the commit that contains their rows.
    """

    def __init__(self, ledger: Ledger, budget: Budget = Budget()) -> None:
        self.ledger, self.budget, self.usage = ledger, budget, ledger.usage()
        self._in_flight: dict[str, tuple[str, asyncio.Event]] = {}
        self._uncommitted: list[asyncio.Future[None]] = []
        self._next_commit_s = 0.0

    async def release_all(self, client: str) -> None:
        if self._uncommitted:  # may include a reply of this client's earlier attempt
            await self._committed()
        for key in [key for key, (owner, _) in self._in_flight.items() if owner == client]:
            await self.release(key)

    async def reserve(self, key: str, client: str) -> Completion | None:
        while key in self._in_flight:
            await self._in_flight[key][1].wait()
        if completion := self.ledger.find_completion(key):
            return completion
        if limit := self._reached_limit():
            raise BudgetReached(f"the budget of {limit} is spent; raise it and run the same command again")
        self._in_flight[key] = (client, asyncio.Event())
        return None

    def _reached_limit(self) -> str | None:
        limits, usage = self.budget, self.usage
        if limits.calls is not None and usage.calls + len(self._in_flight) >= limits.calls:
            return f"{limits.calls:,} calls"
        if limits.tokens is not None and usage.tokens >= limits.tokens:
            return f"{limits.tokens:,} tokens"
        if limits.cost is not None and usage.cost >= limits.cost:
            return f"{limits.cost:g}"
        return None

    async def commit(self, call: CallRecord, completion: Completion, cost: float) -> None:
        self.ledger.add_call(call, completion, cost)
        await self._committed()
        self.usage = self.usage.plus(completion, cost)
        await self.release(call.key)

    async def release(self, key: str) -> None:
        self._in_flight.pop(key)[1].set()

    async def record_fault(self, call: CallRecord, kind: str, message: str) -> None:
        self.ledger.add_fault(call, kind, message)
        await self._committed()

    async def record_example(self, record: ExampleRecord) -> None:
        self.ledger.add_example(record)
        await self._committed()

    def _committed(self) -> asyncio.Future[None]:
        """A future that is done after the next commit."""
        loop = asyncio.get_running_loop()
        if not self._uncommitted:
            loop.call_at(max(loop.time(), self._next_commit_s), self._commit_now)
        self._uncommitted.append(loop.create_future())
        return self._uncommitted[-1]

    def _commit_now(self) -> None:
        waiting, self._uncommitted = self._uncommitted, []
        self._next_commit_s = asyncio.get_running_loop().time() + COMMIT_INTERVAL_S
        failure: Exception | None = None
        try:
            self.ledger.commit()
        except Exception as error:  # raised again in every waiting caller
            failure = error
        for future in waiting:
            if future.done():  # its caller was cancelled
                continue
            if failure:
                future.set_exception(failure)
            else:
                future.set_result(None)


@dataclass
class RequestDispatcher:
    """Sends each request to the teacher of its role, unless the ledger already has the reply."""

    teachers: Mapping[Role, AsyncEngine]
    service: LedgerService
    client: str = "here"
    prices: Mapping[Role, Price] = field(default_factory=dict)

    async def send(self, request: Request) -> tuple[Completion, str]:
        """The reply and the model's name. Raises RequestFailed, BudgetReached and InputError."""
        teacher = self.teachers[request.role]
        call = CallRecord.of(request, teacher.name)
        if known := await self.service.reserve(call.key, self.client):
            return known, teacher.name
        recording: list[asyncio.Future[None]] = []

        def on_fault(kind: str, message: str) -> None:
            recording.append(asyncio.ensure_future(self.service.record_fault(call, kind, message)))

        try:
            completion = await teacher.complete(request, on_fault)
        except BaseException:
            await self.service.release(call.key)
            raise
        finally:
            if recording:
                await asyncio.gather(*recording)
        await self.service.commit(call, completion, self.prices.get(request.role, Price()).of(completion))
        return completion, teacher.name
