"""Bounded-concurrency FIFO executor."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[[], Awaitable[T]]


class BoundedExecutor:
    """Runs at most `max_concurrency` pieces of work concurrently, in the order of submission.

    A worker that finishes starts the next piece in the same iteration of the event loop, before the caller
    that waited for the finished one. With a semaphore, the next request would be sent only after all callers
    have parsed and stored their results.
    """

    def __init__(self, max_concurrency: int) -> None:
        self.free = max_concurrency
        self._queue: deque[tuple[Work[Any], asyncio.Future[Any]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def submit(self, work: Work[T]) -> T:
        """The result or exception of `work`. Work that has started goes on if the caller is cancelled."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self.free:
            self.free -= 1
            worker = asyncio.create_task(self._run_worker(work, result))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        else:
            self._queue.append((work, result))
        return await result

    async def _run_worker(self, work: Work[Any], result: asyncio.Future[Any]) -> None:
        try:
            while True:
                await _run(work, result)
                while result.done():
                    if not self._queue:
                        return
                    work, result = self._queue.popleft()
        finally:
            self.free += 1

    async def close(self) -> None:
        """Cancel all running and queued work."""
        for _, result in self._queue:
            result.cancel()
        self._queue.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)


async def _run(work: Work[Any], result: asyncio.Future[Any]) -> None:
    try:
        value = await work()
    except asyncio.CancelledError:
        result.cancel()
        raise
    except Exception as error:
        if not result.done():
            result.set_exception(error)
    else:
        if not result.done():
            result.set_result(value)
