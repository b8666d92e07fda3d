"""Calls put to teachers through the ledger: answered before, on its way already, or asked now and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from seethink.engines.teacher import Call, Reply, Role, Teacher
from seethink.synth.ledger import Asked, Finished, Ledger
from seethink.types import InputError

GATHER_S = 0.005
"""How long a reply may wait for others before all are committed; a kill loses what waits."""


@dataclass(frozen=True)
class Price:
    """Of a million tokens, in any currency: of prompts, and of what is written."""

    prompt: float = 0.0
    written: float = 0.0

    def of(self, reply: Reply) -> float:
        return (reply.prompt_tokens * self.prompt + reply.tokens * self.written) / 1e6


class BudgetReached(InputError):
    """No further call may be made; what was answered stands in the ledger."""


@dataclass(frozen=True)
class Budget:
    """What all answered calls of a ledger may take together; None is no limit.

    Calls are counted before they are made, so their limit is exact. Tokens and cost are known afterwards:
    what is on its way when the limit is reached is still paid.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None


class Desk(Protocol):
    """Who holds the ledger, for all who ask; it may be in another process. `who`: the one that asks."""

    async def begin(self, who: str) -> None:
        """`who` starts anew: what an earlier attempt of the same name had on its way is taken back."""
        ...

    async def admit(self, key: str, who: str) -> Reply | None:
        """The reply, if there is one or somebody is just getting it; None where the caller is to ask, and to
        `keep` or `give_up` afterwards. Raises BudgetReached."""
        ...

    async def keep(self, asked: Asked, reply: Reply, cost: float) -> None: ...
    async def give_up(self, key: str) -> None: ...
    async def fault(self, asked: Asked, kind: str, told: str) -> None: ...
    async def finish(self, done: Finished) -> None: ...


class LocalDesk:
    """The desk of the process that has the ledger open.

    A write to the disk for every reply costs as much as asking for it, so there is one in `GATHER_S` at most,
    and whoever put something down waits for it.
    """

    def __init__(self, ledger: Ledger, budget: Budget = Budget()) -> None:
        self.ledger, self.budget, self.spent = ledger, budget, ledger.spent()
        self._asking: dict[str, tuple[str, asyncio.Event]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._next_s = 0.0

    async def begin(self, who: str) -> None:
        if self._waiting:  # a reply that `who` left before it died may be among what waits
            await self._committed()
        for key in [key for key, (asker, _) in self._asking.items() if asker == who]:
            await self.give_up(key)

    async def admit(self, key: str, who: str) -> Reply | None:
        while key in self._asking:
            await self._asking[key][1].wait()
        if reply := self.ledger.reply(key):
            return reply
        if limit := self._reached():
            raise BudgetReached(f"the budget of {limit} is spent; raise it, and the same command continues")
        self._asking[key] = (who, asyncio.Event())
        return None

    def _reached(self) -> str | None:
        limits, spent = self.budget, self.spent
        if limits.calls is not None and spent.calls + len(self._asking) >= limits.calls:
            return f"{limits.calls:,} calls"
        if limits.tokens is not None and spent.tokens >= limits.tokens:
            return f"{limits.tokens:,} tokens"
        if limits.cost is not None and spent.cost >= limits.cost:
            return f"{limits.cost:g}"
        return None

    async def keep(self, asked: Asked, reply: Reply, cost: float) -> None:
        self.ledger.keep(asked, reply, cost)
        await self._committed()
        self.spent = self.spent.plus(reply, cost)
        await self.give_up(asked.key)

    async def give_up(self, key: str) -> None:
        self._asking.pop(key)[1].set()

    async def fault(self, asked: Asked, kind: str, told: str) -> None:
        self.ledger.fault(asked, kind, told)
        await self._committed()

    async def finish(self, done: Finished) -> None:
        self.ledger.finish(done)
        await self._committed()

    def _committed(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_at(max(loop.time(), self._next_s), self._commit)
        self._waiting.append(loop.create_future())
        return self._waiting[-1]

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._next_s = asyncio.get_running_loop().time() + GATHER_S
        failed: Exception | None = None
        try:
            self.ledger.commit()
        except Exception as error:  # raised again by everybody who waits
            failed = error
        for one in waiting:
            if one.done():  # whoever waited is cancelled
                continue
            if failed:
                one.set_exception(failed)
            else:
                one.set_result(None)


@dataclass
class Asker:
    """Has calls answered by the teacher of their role."""

    teachers: Mapping[Role, Teacher]
    desk: Desk
    who: str = "here"
    prices: Mapping[Role, Price] = field(default_factory=dict)

    async def put(self, call: Call) -> tuple[Reply, str]:
        """The reply, and the model's name. Raises Unanswered, BudgetReached and InputError."""
        teacher = self.teachers[call.role]
        asked = Asked.of(call, teacher.name)
        if known := await self.desk.admit(asked.key, self.who):
            return known, teacher.name
        told: list[asyncio.Future[None]] = []

        def fault(kind: str, sentence: str) -> None:
            told.append(asyncio.ensure_future(self.desk.fault(asked, kind, sentence)))

        try:
            reply = await teacher.answer(call, fault)
        except BaseException:
            await self.desk.give_up(asked.key)
            raise
        finally:
            if told:
                await asyncio.gather(*told)
        await self.desk.keep(asked, reply, self.prices.get(call.role, Price()).of(reply))
        return reply, teacher.name
