"""Work on lanes: never too much at one time, none lost, the next one first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.engines.lanes import Lanes


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=30))
def test_all_is_done_in_order_and_never_more_than_allowed_at_one_time(n, works) -> None:
    begun, now, most = [], 0, 0

    async def work(i: int, turns: int, fails: bool) -> int:
        nonlocal now, most
        begun.append(i)
        now += 1
        most = max(most, now)
        for _ in range(turns):
            await asyncio.sleep(0)
        now -= 1
        if fails:
            raise ValueError(i)
        return i

    async def all_of_them() -> list[Any]:
        lanes = Lanes(n)
        runs = [lanes.run(lambda i=i, w=w: work(i, *w)) for i, w in enumerate(works)]
        found = await asyncio.gather(*runs, return_exceptions=True)
        assert lanes.free == n
        return found

    found = asyncio.run(all_of_them())
    assert [one.args[0] if isinstance(one, ValueError) else one for one in found] == [*range(len(works))]
    assert [isinstance(one, ValueError) for one in found] == [fails for _, fails in works]
    assert begun == [*range(len(works))] and most == min(n, len(works))


def test_the_next_work_begins_before_whoever_waited_goes_on() -> None:
    told = []

    async def work(i: int) -> None:
        told.append(f"{i} begins")
        await asyncio.sleep(0)

    async def ask(lanes: Lanes, i: int) -> None:
        await lanes.run(lambda: work(i))
        told.append(f"{i} is read")

    async def both() -> None:
        lanes = Lanes(1)
        await asyncio.gather(ask(lanes, 1), ask(lanes, 2))

    asyncio.run(both())
    assert told == ["1 begins", "2 begins", "1 is read", "2 is read"]


def test_who_is_cancelled_while_waiting_is_never_begun() -> None:
    async def scene() -> list[str]:
        lanes, begun, go = Lanes(1), [], asyncio.Event()

        async def work(name: str) -> None:
            begun.append(name)
            await go.wait()

        first, second, third = (asyncio.create_task(lanes.run(lambda n=n: work(n))) for n in "abc")
        await asyncio.sleep(0.01)
        second.cancel()
        go.set()
        await asyncio.gather(first, third)
        with pytest.raises(asyncio.CancelledError):
            await second
        return begun

    assert asyncio.run(scene()) == ["a", "c"]


def test_closing_cancels_what_is_on_its_way_and_what_waits() -> None:
    async def scene() -> list[bool]:
        lanes, never = Lanes(1), asyncio.Event()

        def forever() -> Awaitable[bool]:
            return never.wait()

        waiting = [asyncio.create_task(lanes.run(forever)) for _ in range(3)]
        await asyncio.sleep(0.01)
        await lanes.close()
        await asyncio.wait(waiting, timeout=5)
        assert lanes.free == 1
        return [one.cancelled() for one in waiting]

    assert asyncio.run(scene()) == [True] * 3
