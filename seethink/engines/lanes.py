"""So many things on their way at one time, and not a moment lost between them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[[], Awaitable[T]]


class Lanes:
    """At most `n` at one time, in the order in which they came.

    A lane that is done begins the next work in the same turn of the event loop, ahead of whoever waited for
    what it has done: with a semaphore, the next would stand behind everybody's reading and writing.
    """

    def __init__(self, n: int) -> None:
        self.free = n
        self._waiting: deque[tuple[Work[Any], asyncio.Future[Any]]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def run(self, work: Work[T]) -> T:
        """What `work` gives or raises. It goes on if whoever waits for it is cancelled."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self.free:
            self.free -= 1
            lane = asyncio.create_task(self._lane(work, done))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        else:
            self._waiting.append((work, done))
        return await done

    async def _lane(self, work: Work[Any], done: asyncio.Future[Any]) -> None:
        try:
            while True:
                await _carried_out(work, done)
                while done.done():
                    if not self._waiting:
                        return
                    work, done = self._waiting.popleft()
        finally:
            self.free += 1

    async def close(self) -> None:
        """Everything that is on its way or waits is cancelled."""
        for _, done in self._waiting:
            done.cancel()
        self._waiting.clear()
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)


async def _carried_out(work: Work[Any], done: asyncio.Future[Any]) -> None:
    try:
        found = await work()
    except asyncio.CancelledError:
        done.cancel()
        raise
    except Exception as error:
        if not done.done():
            done.set_exception(error)
    else:
        if not done.done():
            done.set_result(found)
