"""Work on executor: never too much at one time, none lost, the next one first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.engines.concurrency import BoundedExecutor


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=30))
def test_work_runs_in_order_with_bounded_concurrency(n, works) -> None:
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
        executor = BoundedExecutor(n)
        runs = [executor.submit(lambda i=i, w=w: work(i, *w)) for i, w in enumerate(works)]
        results = await asyncio.gather(*runs, return_exceptions=True)
        assert executor.free == n
        return results

    results = asyncio.run(all_of_them())
    assert [one.args[0] if isinstance(one, ValueError) else one for one in results] == [*range(len(works))]
    assert [isinstance(one, ValueError) for one in results] == [fails for _, fails in works]
    assert begun == [*range(len(works))] and most == min(n, len(works))


def test_the_next_work_starts_before_the_caller_of_the_last_goes_on() -> None:
    events = []

    async def work(i: int) -> None:
        events.append(f"{i} begins")
        await asyncio.sleep(0)

    async def ask(executor: BoundedExecutor, i: int) -> None:
        await executor.submit(lambda: work(i))
        events.append(f"{i} is read")

    async def both() -> None:
        executor = BoundedExecutor(1)
        await asyncio.gather(ask(executor, 1), ask(executor, 2))

    asyncio.run(both())
    assert events == ["1 begins", "2 begins", "1 is read", "2 is read"]


def test_work_that_is_cancelled_while_queued_is_never_started() -> None:
    async def scene() -> list[str]:
        executor, begun, go = BoundedExecutor(1), [], asyncio.Event()

        async def work(name: str) -> None:
            begun.append(name)
            await go.wait()

        first, second, third = (asyncio.create_task(executor.submit(lambda n=n: work(n))) for n in "abc")
        await asyncio.sleep(0.01)
        second.cancel()
        go.set()
        await asyncio.gather(first, third)
        with pytest.raises(asyncio.CancelledError):
            await second
        return begun

    assert asyncio.run(scene()) == ["a", "c"]


def test_closing_cancels_running_and_queued_work() -> None:
    async def scene() -> list[bool]:
        executor, never = BoundedExecutor(1), asyncio.Event()

        def forever() -> Awaitable[bool]:
            return never.wait()

        waiting = [asyncio.create_task(executor.submit(forever)) for _ in range(3)]
        await asyncio.sleep(0.01)
        await executor.close()
        await asyncio.wait(waiting, timeout=5)
        assert executor.free == 1
        return [one.cancelled() for one in waiting]

    assert asyncio.run(scene()) == [True] * 3
