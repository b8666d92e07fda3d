"""A teacher on any server that speaks OpenAI's `/v1/chat/completions`, asked many things at one time.

Requests go over aiohttp, not over the openai package: at 256 requests at a time to an endpoint that answers
in 200 ms, the package costs 1.0 to 2.4 ms of one core a call and reaches 31 to 67 % of what the endpoint can
give (httpx2: 62 %), aiohttp 0.2 ms and more than 93 % (`bench/teacher.py`).
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import os
import random
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp

from seethink.engines.lanes import Lanes
from seethink.engines.pace import Pace
from seethink.engines.teacher import Call, Fault, Reply, Unanswered
from seethink.engines.wire import Wire
from seethink.types import InputError, begun_answer

_LOG = logging.getLogger(__name__)

PASSING = {408, 409, 425, 429}
"""Statuses below 500 of a server that is busy or about to come back; from 500 on all are."""
CONTINUE = {"vllm", "sglang"}
"""Servers, by what owns their models, that continue a begun answer and take `top_k`."""
LONGEST_S = 60.0
"""Between two tries, unless the server asks for more."""
LARGE = 2**20
"""Bytes of a request from which on it is sent in pieces."""
LIMIT, SCHEMA = "max_tokens", "response_format"
"""Fields of a request that a server may refuse; then it is asked again without them."""
NO_ROOM = re.compile(rb"maximum context length|context_length_exceeded|max_(completion_)?tokens")
"""What a server says to a call that may write more than is left behind its prompt."""


@dataclass(frozen=True)
class Terms:
    """How a server is asked.

    at_once: calls on their way at one time. requests_per_minute, tokens_per_minute: what the provider allows,
    None for no limit; tokens are estimated and put right when the server has counted them. attempts: tries of
    a call, the first included. pause_s: before the second try, doubled every time, up to `LONGEST_S`.
    connect_s, answer_s: a server that is silent for so long is taken for gone. wait_s: how long one that does
    not answer at first may still be loading. continues: whether it can continue a begun answer; None asks it.
    named: tell who asks in the field `user`, as `step:example`.
    """

    at_once: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    attempts: int = 8
    pause_s: float = 1.0
    connect_s: float = 10.0
    answer_s: float = 600.0
    wait_s: float = 300.0
    continues: bool | None = None
    named: bool = False


class _Failed(Exception):
    """A try that another may mend. pause_s: for how long the server asks not to be asked. without: the field
    that the next try leaves out, at once."""

    def __init__(self, kind: str, told: str, pause_s: float = 0.0, without: str = "") -> None:
        super().__init__(told)
        self.kind, self.told, self.pause_s, self.without = kind, told, pause_s, without


class ChatTeacher:
    """The model `name` of the server at `url`; made by `open`.

    continues: whether it can continue a begun answer. schemaless: calls that were made without their schema,
    because the server takes none. limitless: calls that were made without `max_tokens`, because so many do
    not fit behind their prompt: the server then writes as much as fits.
    """

    def __init__(self, url: str, key_env: str, terms: Terms) -> None:
        self.url, self.key_env, self.terms = url, key_env, terms
        self.name, self.ours = "", False
        self.served: list[str] = []
        self.continues, self.takes_schema = bool(terms.continues), True
        self.schemaless = self.limitless = 0
        self.context = math.inf
        self.wire, self.lanes = Wire(), Lanes(terms.at_once)
        self.requests = Pace(terms.requests_per_minute) if terms.requests_per_minute else None
        self.tokens = Pace(terms.tokens_per_minute) if terms.tokens_per_minute else None
        key = os.environ.get(key_env, "").strip()
        known = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=terms.at_once),
            timeout=aiohttp.ClientTimeout(total=terms.answer_s, sock_connect=terms.connect_s),
            headers={"Content-Type": "application/json"} | known,
            trust_env=urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"),
        )

    @classmethod
    async def open(
        cls, url: str, model: str | None = None, key_env: str = "OPENAI_API_KEY", terms: Terms | None = None
    ) -> ChatTeacher:
        """A teacher that is ready to be asked. url: `http://host:port/v1`, or with a model
        `http://host:port/v1#model`; without one the server must serve but one. key_env: the environment
        variable that holds the key, where the server wants one.

        Raises InputError where there is no server, or no such model, or where the key is wrong.
        """
        address, _, named = url.partition("#")
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise InputError(f"{url} is no address of a server; write it as http://host:port/v1#model")
        base = address.rstrip("/") + ("" if parts.path.strip("/") else "/v1")
        teacher = cls(base, key_env, terms or Terms())
        try:
            teacher._choose(model or named, await teacher._models())
        except BaseException:
            await teacher.close()
            raise
        return teacher

    async def close(self) -> None:
        await self.lanes.close()
        await self.http.close()

    # What it serves ----------------------------------------------------------------------------------------

    async def _models(self) -> list[dict[str, Any]]:
        """The models that the server lists, waited for while it is loading; empty where it lists none."""
        until = time.monotonic() + self.terms.wait_s
        told, short = False, aiohttp.ClientTimeout(total=self.terms.connect_s)
        while True:
            try:
                async with self.http.get(f"{self.url}/models", timeout=short) as answer:
                    body = await answer.read()
                self._refuse(answer.status, body)
                if answer.status == 200:
                    return [{"id": str(card["id"]), **card} for card in json.loads(body)["data"]]
                if answer.status in (404, 405):
                    return []
                problem = f"answers {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = f"cannot be reached ({error or type(error).__name__})"
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"what answers at {self.url} is no chat server ({error!r})") from error
            if time.monotonic() >= until:
                raise InputError(f"the server at {self.url} {problem}; start it, or correct the address")
            if not told:
                _LOG.warning("waiting for the server at %s, which %s", self.url, problem)
                told = True
            await asyncio.sleep(min(1.0, self.terms.wait_s))

    def _choose(self, wanted: str, cards: list[dict[str, Any]]) -> None:
        self.served = [card["id"] for card in cards]
        if not wanted and len(cards) != 1:
            raise InputError(
                f"the server at {self.url} serves {self._list()}; name one of them as {self.url}#model"
            )
        card = next((c for c in cards if not wanted or wanted in (c["id"], c.get("root"))), None)
        owner = (card or (cards[0] if cards else {})).get("owned_by")
        self.ours = owner in CONTINUE
        if card is None and self.ours:  # others take more names than they list: the first call will tell
            raise self._unknown(wanted)
        self.name = card["id"] if card else wanted
        self.context = (card or {}).get("max_model_len") or math.inf
        self.continues = self.ours if self.terms.continues is None else self.terms.continues

    def _list(self) -> str:
        return ", ".join(self.served) or "models that it does not list"

    def _unknown(self, model: str) -> InputError:
        return InputError(f"the server at {self.url} has no model {model}; it serves {self._list()}")

    def _refuse(self, status: int, body: bytes) -> None:
        """Raise InputError for what no call will survive."""
        if status in (401, 403):
            state = "which is not the right one" if os.environ.get(self.key_env) else "which is not set"
            raise InputError(
                f"the server at {self.url} wants the key in the environment variable {self.key_env}, "
                f"{state}: {_sentence(body)}"
            )
        if status == 402 or (status == 429 and b"insufficient_quota" in body):
            raise InputError(f"the account at {self.url} is spent: {_sentence(body)}")

    # One call ----------------------------------------------------------------------------------------------

    async def answer(self, call: Call, fault: Fault) -> Reply:
        begun = begun_answer(call.messages)
        if begun and not self.continues:
            raise InputError(
                f"the server at {self.url} cannot continue an answer that was begun, as the step {call.step} "
                "wants; serve the model with vLLM or SGLang"
            )
        try:
            messages = await self.wire.messages(call.messages)
        except InputError as error:
            raise Unanswered("medium", f"example {call.example.id}: {error}") from error
        without = self._without(call)
        for attempt in range(1, self.terms.attempts + 1):
            body = self._body(call, messages, bool(begun), without)
            try:
                reply = await self.lanes.run(partial(self._try, call, body, begun, without))
            except _Failed as failed:
                last = failed
                fault(failed.kind, failed.told)
                without |= {failed.without}
            else:
                self._count(call, without)
                return reply
            if attempt < self.terms.attempts and not last.without:
                await asyncio.sleep(self._pause_s(call, attempt, last))
        raise Unanswered(last.kind, f"after {self.terms.attempts} tries: {last.told}")

    def _without(self, call: Call) -> set[str]:
        """The fields that are not sent: the call has none, or this server is known not to take it."""
        held = call.schema is not None and self.takes_schema
        fits = call.sampling.max_tokens < self.context
        return {name for name, sent in ((SCHEMA, held), (LIMIT, fits)) if not sent}

    def _count(self, call: Call, without: set[str]) -> None:
        self.schemaless += call.schema is not None and SCHEMA in without
        if LIMIT in without and not self.limitless:
            _LOG.warning(
                "%s asks for %d tokens, which do not fit behind its prompt in %s; it gets as many as fit",
                call.step, call.sampling.max_tokens, self.name,
            )  # fmt: skip
        self.limitless += LIMIT in without

    def _body(self, call: Call, messages: str, begun: bool, without: set[str]) -> bytes:
        drawn = call.sampling
        asked: dict[str, Any] = {"model": self.name, "temperature": drawn.temperature, "seed": drawn.seed}
        if LIMIT not in without:
            asked[LIMIT] = drawn.max_tokens
        if drawn.top_p != 1 or self.ours:  # unless told otherwise, they draw as the checkpoint's files say
            asked["top_p"] = drawn.top_p
        if drawn.top_k or self.ours:
            asked["top_k"] = drawn.top_k or -1
        if self.ours:
            asked["repetition_penalty"] = 1.0
        if begun:
            asked |= {"continue_final_message": True, "add_generation_prompt": False}
        if SCHEMA not in without:
            schema = {"name": "reply", "schema": call.schema}
            asked[SCHEMA] = {"type": "json_schema", "json_schema": schema}
        if self.terms.named:
            asked["user"] = f"{call.step}:{call.example.id}"
        return f'{json.dumps(asked)[:-1]}, "messages": {messages}}}'.encode()

    async def _try(self, call: Call, body: bytes, begun: str, without: set[str]) -> Reply:
        """Raises _Failed for what another try may mend, Unanswered for what none will."""
        if self.requests:
            await self.requests.take(1)
        estimate = call.sampling.max_tokens + len(body) // 100  # most of a long body is pictures
        if self.tokens:
            await self.tokens.take(estimate)
        try:
            data = body if len(body) < LARGE else io.BytesIO(body)
            async with self.http.post(f"{self.url}/chat/completions", data=data) as answer:
                told = await answer.read()
        except TimeoutError as error:
            raise _Failed("timeout", f"no answer in {self.terms.answer_s:g} s") from error
        except aiohttp.ClientPayloadError as error:
            raise _Failed("broken body", f"the answer broke off ({error})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _Failed("connection", str(error) or type(error).__name__) from error
        if answer.status != 200:
            self._failed(answer, told, without)
        reply = _reply(told, begun, call.role == "reason")
        if self.tokens and (used := reply.prompt_tokens + reply.tokens):
            self.tokens.settle(used - estimate)
        return reply

    def _failed(self, answer: aiohttp.ClientResponse, told: bytes, without: set[str]) -> NoReturn:
        status, sentence = answer.status, _sentence(told)
        self._refuse(status, told)
        if status in PASSING or status >= 500:
            pause_s = _asked_pause_s(answer.headers.get("Retry-After", ""))
            if pause_s > self.terms.answer_s:
                raise Unanswered(str(status), f"the server asks to wait for {pause_s:g} s: {sentence}")
            raise _Failed(str(status), sentence, pause_s)
        if status == 404:
            raise self._unknown(self.name)
        if status == 400 and SCHEMA not in without and b"response_format" in told:
            if self.takes_schema:
                _LOG.warning("the server at %s takes no schema, so none is sent: %s", self.url, sentence)
            self.takes_schema = False
            raise _Failed("400", sentence, without=SCHEMA)
        if status == 400 and LIMIT not in without and NO_ROOM.search(told):
            raise _Failed("no room", sentence, without=LIMIT)
        raise Unanswered("filtered" if b"content_filter" in told else str(status), sentence)

    def _pause_s(self, call: Call, attempt: int, failed: _Failed) -> float:
        """Doubled every time, less up to a half that differs between calls, but as long as was asked for."""
        drawn = random.Random(f"{call.example.id}/{call.step}/{call.sampling.seed}/{attempt}").random()
        longest_s = min(LONGEST_S, self.terms.pause_s * 2 ** (attempt - 1))
        return max(failed.pause_s, longest_s * (1 - drawn / 2))


def _reply(told: bytes, begun: str, thinks: bool) -> Reply:
    """Raises _Failed where the body is no answer, Unanswered where a filter has cut it."""
    try:
        body = json.loads(told)
        choice, usage = body["choices"][0], body.get("usage") or {}
        message = choice["message"]
        text = message.get("content") or message.get("refusal") or ""
        thought = message.get("reasoning_content") or message.get("reasoning")
        if not isinstance(text, str):
            raise TypeError(f"the content is {text!r:.60}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _Failed("broken body", f"the answer cannot be read ({error!r}): {told[:200]!r}") from error
    if choice.get("finish_reason") == "content_filter":
        raise Unanswered("filtered", "the server's content filter has cut the answer")
    text = text.removeprefix(begun)  # some servers say it again
    if thinks and thought:  # a server that reads thoughts out of the text has them beside it
        text = f"{'' if begun else '<think>'}{thought}{f'</think>{text}' if text else ''}"
    return Reply(
        text,
        "length" if choice.get("finish_reason") == "length" else "stop",
        usage.get("prompt_tokens") or 0,
        usage.get("completion_tokens") or 0,
    )


def _sentence(body: bytes) -> str:
    """What an error's body says, in one line."""
    try:
        told = json.loads(body)
        error = told.get("error", told)
        text = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = body.decode(errors="replace")
    return " ".join(str(text).split())[:300] or "nothing is said"


def _asked_pause_s(header: str) -> float:
    """Retry-After in seconds, which may be a number or a date; 0 where it is neither."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
