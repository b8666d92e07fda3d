"""The HTTP client of all engines that use a server, and its retry policy.

Built on aiohttp: with 256 requests in flight to an endpoint that answers in 200 ms, the openai package costs
1.0 to 2.4 ms of one core a request and reaches 31 to 67 % of the endpoint's throughput (httpx2: 62 %),
aiohttp 0.2 ms and more than 93 % (`bench/teacher.py`).
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp

from seethink.engines.base import OnFault, RequestFailed
from seethink.engines.concurrency import BoundedExecutor
from seethink.engines.rate_limit import RateLimiter
from seethink.types import InputError

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

RETRIED_STATUSES = frozenset({408, 409, 425, 429})
"""Statuses below 500 that are retried; from 500 on all are."""
MAX_DELAY_S = 60.0
"""Longest delay between two attempts, unless the server asks for more."""
MODERATED = b"flagged_input"
"""In the body of a 403 by which OpenRouter refuses a request for what it says, not for its key."""
STREAMED_BYTES = 2**20
"""Request bodies of this size or more are sent in pieces."""


@dataclass(frozen=True)
class RequestPolicy:
    """Limits, retries and timeouts of requests to a server.

    max_concurrency: requests in flight. requests_per_minute, tokens_per_minute: the provider's rate limits;
    None for no limit. max_attempts: of one request, the first included. retry_delay_s: before the second
    attempt, doubled before each further one, up to `MAX_DELAY_S`. connect_timeout_s, request_timeout_s: of
    one attempt. startup_timeout_s: how long to wait for a server that is still loading. use_proxies: those of
    the environment, for other machines than this.
    """

    max_concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_attempts: int = 8
    retry_delay_s: float = 1.0
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 600.0
    startup_timeout_s: float = 300.0
    use_proxies: bool = True


class TransientError(Exception):
    """An attempt that failed and may succeed if repeated. kind: as in `OnFault`. retry_after_s: shortest
    delay that the server asks for. immediate: the next attempt differs, so it need not wait. lasting: the
    server means it, so that a second one of this kind is the last."""

    def __init__(
        self,
        kind: str,
        message: str,
        retry_after_s: float = 0.0,
        *,
        immediate: bool = False,
        lasting: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind, self.retry_after_s, self.immediate = kind, retry_after_s, immediate
        self.lasting = lasting


class HttpResponse(NamedTuple):
    """Status and whole body of a response."""

    status: int
    body: bytes


class HttpClient:
    """Requests to the server at `url`; must be created inside a running event loop.

    key_env: the environment variable with the API key, sent as a bearer token if it is set. Proxies of the
    environment are used except for this machine.
    """

    def __init__(self, url: str, policy: RequestPolicy, key_env: str) -> None:
        self.url, self.policy, self.key_env = url, policy, key_env
        self.executor = BoundedExecutor(policy.max_concurrency)
        self._requests = RateLimiter(policy.requests_per_minute) if policy.requests_per_minute else None
        self._tokens = RateLimiter(policy.tokens_per_minute) if policy.tokens_per_minute else None
        self._timeout = aiohttp.ClientTimeout(
            total=policy.request_timeout_s, sock_connect=policy.connect_timeout_s
        )
        key = os.environ.get(key_env, "").strip()
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=policy.max_concurrency),
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            trust_env=policy.use_proxies and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"),
        )

    async def close(self) -> None:
        """Cancel all requests and close the connections."""
        await self.executor.close()
        await self.session.close()

    async def wait_until_ready(self, path: str, accepted: Container[int] = (200,)) -> HttpResponse:
        """GET `path` until the status is accepted. Raises InputError after `startup_timeout_s`."""
        deadline = time.monotonic() + self.policy.startup_timeout_s
        warned = False
        while True:
            try:
                response = await self.send("GET", path, timeout_s=self.policy.connect_timeout_s)
                if response.status in accepted:
                    return response
                problem = f"answers {response.status}"
            except (TransientError, RequestFailed) as error:
                answered = error.kind.isdigit()
                problem = f"answers {error.kind}" if answered else f"cannot be reached ({error})"
            if time.monotonic() >= deadline:
                raise InputError(f"the server at {self.url} {problem}; start it, or correct the address")
            if not warned:
                _LOG.warning("waiting for the server at %s, which %s", self.url, problem)
                warned = True
            await asyncio.sleep(min(1.0, self.policy.startup_timeout_s))

    async def retry(self, attempt: Callable[[], Awaitable[T]], key: str, on_fault: OnFault) -> T:
        """The result of `attempt`, repeated while it raises TransientError; each runs in a slot of the
        executor.

        key: seeds the jitter of the delays. Raises RequestFailed after `max_attempts`, and after the second
        fault that is lasting.
        """
        number = lasting = 0
        while True:
            number += 1
            try:
                return await self.executor.submit(attempt)
            except TransientError as error:
                on_fault(error.kind, str(error))
                lasting += error.lasting
                if number == self.policy.max_attempts or lasting == 2:
                    raise RequestFailed(error.kind, f"after {number} attempts: {error}") from error
                delay_s = 0.0 if error.immediate else self.delay_s(key, number, error.retry_after_s)
            if delay_s:
                await asyncio.sleep(delay_s)

    def delay_s(self, key: str, number: int, retry_after_s: float = 0.0) -> float:
        """Delay after attempt `number`: exponential back-off, less up to half of it by a jitter that is a
        function of `key`, and at least `retry_after_s`."""
        jitter = random.Random(f"{key}/{number}").random()
        longest_s = min(MAX_DELAY_S, self.policy.retry_delay_s * 2 ** (number - 1))
        return max(retry_after_s, longest_s * (1 - jitter / 2))

    async def acquire(self, tokens: int = 0) -> None:
        """Wait until the rate limits allow one more request of about `tokens` tokens."""
        if self._requests:
            await self._requests.acquire(1)
        if self._tokens:
            await self._tokens.acquire(tokens)

    def refund(self, tokens: int) -> None:
        """Correct an estimate given to `acquire` that was too high by `tokens` (too low where negative)."""
        if self._tokens:
            self._tokens.refund(tokens)

    async def send(
        self, method: str, path: str, body: bytes | None = None, timeout_s: float | None = None
    ) -> HttpResponse:
        """One attempt.

        Raises TransientError where another may succeed, RequestFailed where the server asks to wait for
        longer than `request_timeout_s`, and InputError where every request would fail (a refused key, a spent
        account).
        """
        data = body if body is None or len(body) < STREAMED_BYTES else io.BytesIO(body)
        timeout = self._timeout if timeout_s is None else aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self.session.request(
                method, f"{self.url}{path}", data=data, timeout=timeout
            ) as answer:
                response = HttpResponse(answer.status, await answer.read())
        except TimeoutError as error:
            raise TransientError("timeout", f"no response in {timeout.total:g} s") from error
        except aiohttp.ClientPayloadError as error:
            raise TransientError("broken body", f"the response broke off ({error})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError("connection", str(error) or type(error).__name__) from error
        self._raise_for_account(response)
        if response.status in RETRIED_STATUSES or response.status >= 500:
            retry_after_s = _retry_after_s(answer.headers.get("Retry-After", ""))
            kind, message = str(response.status), error_message(response.body)
            if retry_after_s > self.policy.request_timeout_s:
                raise RequestFailed(kind, f"the server asks to wait for {retry_after_s:g} s: {message}")
            raise TransientError(kind, message, retry_after_s)
        return response

    def _raise_for_account(self, response: HttpResponse) -> None:
        status, body = response
        if status == 401 or (status == 403 and MODERATED not in body):
            state = "which is not the right one" if os.environ.get(self.key_env) else "which is not set"
            raise InputError(
                f"the server at {self.url} wants the key in the environment variable {self.key_env}, "
                f"{state}: {error_message(body)}"
            )
        if status == 402 or (status == 429 and b"insufficient_quota" in body):
            raise InputError(f"the account at {self.url} is spent: {error_message(body)}")


def error_message(body: bytes) -> str:
    """The message in the body of an error response, in one line."""
    try:
        content = json.loads(body)
        error = content.get("error", content)
        text = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = body.decode(errors="replace")
    return " ".join(str(text).split())[:300] or "no message"


def _retry_after_s(header: str) -> float:
    """Seconds of a Retry-After header, which may be a number or a date; 0 where it is neither."""
    if header.replace(".", "", 1).isdecimal():
        return float(header)
    date = parsedate_tz(header)
    return max(0.0, mktime_tz(date) - time.time()) if date else 0.0
