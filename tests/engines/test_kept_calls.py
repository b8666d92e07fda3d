"""Calls of a server are kept as they come, and none is made twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from seethink.engines.base import Request, RequestFailed
from seethink.engines.kept_calls import KeptCalls
from seethink.engines.response_cache import ResponseCache
from seethink.types import GREEDY, Completion, CoordinateFrame, Example

ANSWER = Completion("3", "length", 5, prompt_tokens=7, frame=CoordinateFrame("resized", (40, 30), (56, 28)))


class Slow:
    name = "slow"

    def __init__(self, fails: int = 0) -> None:
        self.asked, self.fails = 0, fails

    async def complete(self, request, on_fault):
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.asked <= self.fails:
            raise RequestFailed("500", "out of order")
        return ANSWER

    async def close(self):
        pass


def request(text: str, id: str = "1") -> Request:
    content = [{"type": "text", "text": text}]
    return Request("eval", Example(id, text), "text", [{"role": "user", "content": content}])


def ask(calls: KeptCalls, *requests: Request) -> list:
    async def all_at_once():
        asked = (calls.complete(one, lambda *fault: None) for one in requests)
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(all_at_once())


def test_equal_requests_are_one_call_also_in_flight_and_in_the_next_process(tmp_path):
    with ResponseCache(tmp_path / "calls.sqlite") as kept:
        calls = KeptCalls(Slow(), kept)
        assert ask(calls, request("a"), request("a", "2"), request("b")) == [ANSWER] * 3
        assert (calls.engine.asked, calls.sent, calls.found) == (2, 2, 1)
    with ResponseCache(tmp_path / "calls.sqlite") as kept:
        again = KeptCalls(Slow(), kept)
        assert ask(again, request("a"), request("b")) == [ANSWER] * 2
        assert again.engine.asked == 0


def test_what_decides_the_answer_decides_the_call():
    one = request("a")
    for other in (
        request("b"),
        replace(one, sampling=replace(GREEDY, max_tokens=9)),
        replace(one, sampling=replace(GREEDY, seed=1)),
        replace(one, schema={"type": "object"}),
    ):
        calls = KeptCalls(Slow(), {})
        ask(calls, one, other)
        assert calls.sent == 2
    kept: dict[str, str] = {}
    for served in ("weights/a", "weights/b"):
        ask(KeptCalls(Slow(), kept, served), one)
    assert len(kept) == 2, "other weights under the same name"


def test_a_failed_call_is_not_kept_and_fails_all_who_waited_for_it():
    kept: dict[str, str] = {}
    calls = KeptCalls(Slow(fails=1), kept)
    failed = ask(calls, request("a"), request("a"))
    assert all(isinstance(error, RequestFailed) for error in failed) and kept == {}
    assert ask(calls, request("a")) == [ANSWER]


@pytest.mark.parametrize("completion", [ANSWER, Completion("ä"), Completion("", "stop", 1)])
def test_a_kept_completion_is_the_one_that_came(completion):
    class Fixed(Slow):
        async def complete(self, request, on_fault):
            return completion

    calls = KeptCalls(Fixed(), {})
    (first,), (again,) = ask(calls, request("a")), ask(calls, request("a"))
    assert first == again == completion and calls.sent == 1
    assert again.prompt_tokens == completion.prompt_tokens
