"""The HTTP client that all engines share: its retry policy, delays, rate limits, proxies and start-up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from seethink.engines import http
from seethink.engines.base import RequestFailed
from seethink.engines.http import HttpClient, RequestPolicy, TransientError
from seethink.engines.rate_limit import RateLimiter
from seethink.types import InputError
from tests.servers import CLOSE, HANG, ChatServer, HttpReply

QUICK = RequestPolicy(max_attempts=3, retry_delay_s=0.01, request_timeout_s=30.0, startup_timeout_s=0.0)


def use(url: str, work: Callable[[HttpClient], Awaitable[Any]], policy: RequestPolicy = QUICK) -> Any:
    """The result of `work` with a client of the server."""

    async def run() -> Any:
        client = HttpClient(url, policy, "NO_KEY")
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def responses(*answers: HttpReply) -> Callable[[dict[str, Any]], HttpReply]:
    """One answer for each request, the last one for all further ones."""
    left = list(answers)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def post(client: HttpClient, kinds: list[str]) -> Awaitable[http.HttpResponse]:
    body = b'{"model": "fake", "messages": []}'
    return client.retry(
        lambda: client.send("POST", "/chat/completions", body), "key", lambda kind, _: kinds.append(kind)
    )


RETRIED = (408, 409, 425, 429, 500, 501, 502, 503, 504, 529, 599)
RETURNED = (200, 301, 400, 404, 405, 413, 418, 422, 451, 499)


@pytest.mark.parametrize("status", RETRIED)
def test_statuses_of_a_busy_or_broken_server_are_retried(status) -> None:
    kinds: list[str] = []
    with ChatServer(
        responses(HttpReply(status, {}), HttpReply(status, {}), HttpReply(200, {"ok": True}))
    ) as server:
        response = use(server.url, lambda client: post(client, kinds))
    assert (response, kinds) == ((200, b'{"ok": true}'), [str(status)] * 2)


@pytest.mark.parametrize("status", RETURNED)
def test_other_statuses_are_returned_at_once(status) -> None:
    kinds: list[str] = []
    with ChatServer(responses(HttpReply(status, {}))) as server:
        assert use(server.url, lambda client: post(client, kinds)).status == status
        assert (kinds, server.n_requests) == ([], 1)


@pytest.mark.parametrize(("answer", "kind"), [(HANG, "timeout"), (CLOSE, "connection")])
def test_what_stays_broken_fails_after_all_attempts(answer, kind) -> None:
    kinds: list[str] = []
    policy = replace(QUICK, request_timeout_s=1.0) if answer is HANG else QUICK
    with ChatServer(responses(answer)) as server:
        with pytest.raises(RequestFailed, match="after 3 attempts: ") as error:
            use(server.url, lambda client: post(client, kinds), policy)
        assert (error.value.kind, kinds, server.n_requests) == (kind, [kind] * 3, 3)


def test_an_attempt_that_differs_is_made_without_a_delay() -> None:
    async def work(client: HttpClient) -> str:
        attempts = iter((True, False))

        async def attempt() -> str:
            if next(attempts):
                raise TransientError("400", "another field", immediate=True)
            return "done"

        return await client.retry(attempt, "key", lambda *_: None)

    began = time.monotonic()
    assert use("http://127.0.0.1:9", work, replace(QUICK, retry_delay_s=30.0)) == "done"
    assert time.monotonic() - began < 5


def test_delays_double_up_to_a_limit_and_differ_between_keys_but_not_between_runs() -> None:
    async def delays(client: HttpClient) -> list[list[float]]:
        return [[client.delay_s(key, n) for n in range(1, 9)] for key in ("0/step/0", "1/step/0")]

    policy = replace(QUICK, retry_delay_s=1.0)
    one, two = use("http://127.0.0.1:9", delays, policy)
    assert [one, two] == use("http://127.0.0.1:9", delays, policy)
    assert one != two
    for delay_s, most_s in zip(one, (1, 2, 4, 8, 16, 32, http.MAX_DELAY_S, http.MAX_DELAY_S), strict=True):
        assert most_s / 2 <= delay_s <= most_s


def test_a_delay_is_as_long_as_the_server_asks_for() -> None:
    async def delays(client: HttpClient) -> list[float]:
        return [client.delay_s("key", 1, retry_after_s=9.0), client.delay_s("key", 1, retry_after_s=0.001)]

    requested, own = use("http://127.0.0.1:9", delays)
    assert requested == 9.0 and 0.005 <= own <= 0.01


def test_requests_wait_for_a_slot_and_delays_hold_none() -> None:
    """With one slot, a request that waits to be retried lets the next one through."""

    async def work(client: HttpClient) -> list[str]:
        done: list[str] = []

        async def request(name: str, fails: bool) -> None:
            left = [fails]

            async def attempt() -> None:
                if left and left.pop():
                    raise TransientError("500", "tired")
                done.append(name)

            await client.retry(attempt, name, lambda *_: None)

        await asyncio.gather(request("slow", True), request("fast", False))
        return done

    policy = replace(QUICK, max_concurrency=1, retry_delay_s=0.1)
    assert use("http://127.0.0.1:9", work, policy) == ["fast", "slow"]


def test_a_server_that_never_gets_ready_is_named_with_its_last_answer() -> None:
    with ChatServer() as server, pytest.raises(InputError, match=r"answers 404; start it, or correct"):
        use(server.url, lambda client: client.wait_until_ready("/health"))
    with pytest.raises(InputError, match=r"http://127.0.0.1:9 cannot be reached"):
        use("http://127.0.0.1:9", lambda client: client.wait_until_ready("/health"))


def test_a_rate_limiter_has_no_bursts_and_takes_refunds() -> None:
    async def work() -> float:
        limiter, began = RateLimiter(6000), time.monotonic()
        for _ in range(11):
            await limiter.acquire(2)
        limiter.refund(20)
        await limiter.acquire(1)
        return time.monotonic() - began

    assert 0.2 <= asyncio.run(work()) < 0.4


def test_proxies_are_used_for_other_machines_only(monkeypatch) -> None:
    async def trusts(client: HttpClient) -> bool:
        return client.session.trust_env

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with ChatServer() as server:
        assert use(server.url, lambda client: client.wait_until_ready("/models")).status == 200
    assert not use("http://localhost:8000/v1", trusts)
    assert use("https://api.example.org/v1", trusts)
