"""Faults of a chat server, and concurrency of requests."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from seethink.engines.base import Request, RequestFailed
from seethink.engines.chat import ChatEngine
from seethink.engines.http import RequestPolicy
from seethink.types import Completion, Example, InputError, Sampling
from tests.engines.chat_requests import QUICK, complete, in_order, request, with_engine
from tests.servers import CLOSE, HANG, ChatServer, FaultRates, HttpReply, completion, counts, server_process

# Faults -----------------------------------------------------------------------------------------------------

OVERLOADED = {"error": {"message": "Overloaded,\n  come back"}}
TRANSIENT = {
    **{f"{status}": HttpReply(status, OVERLOADED) for status in (408, 409, 425, 429, 500, 502, 503, 529)},
    "connection": CLOSE,
    "timeout": HANG,
}
BROKEN = {
    "cut": HttpReply(body=completion("text"), cut=True),
    "no JSON": HttpReply(body=b"<html>busy</html>"),
    "no UTF-8": HttpReply(body=b'"\xff"'),
}
WITHOUT_COMPLETION = {
    "no choices": {"choices": []},
    "no object": [],
    "no message": {"choices": [{}]},
    "content of another kind": {"choices": [{"message": {"content": 3}}]},
    "parts of another kind": {"choices": [{"message": {"content": [3]}}]},
    "an error": {"error": {"message": "no such adapter", "code": "bad_adapter"}},
    "an error of a status that is not repeated": {"error": {"message": "no such adapter", "code": 400}},
}


@pytest.mark.parametrize("name", [*TRANSIENT, *BROKEN])
def test_a_failed_attempt_is_reported_and_repeated(name) -> None:
    kind, fault = ("broken body", BROKEN[name]) if name in BROKEN else (name, TRANSIENT[name])
    policy = replace(QUICK, request_timeout_s=1.0 if name == "timeout" else 30.0)
    with ChatServer(in_order(fault, fault, "text")) as server:
        assert complete(server, request("?"), policy) == (
            Completion("text", "stop", 1, prompt_tokens=1),
            [kind] * 2,
        )
    with ChatServer(in_order(fault)) as server:
        with pytest.raises(RequestFailed, match="after 3 attempts: ") as error:
            complete(server, request("?"), policy)
        assert error.value.kind == kind and server.n_requests == 3


@pytest.mark.parametrize("name", WITHOUT_COMPLETION)
def test_json_without_a_completion_is_repeated_once_and_quoted(name) -> None:
    fault = HttpReply(body=WITHOUT_COMPLETION[name])
    with ChatServer(in_order(fault, "text")) as server:
        assert complete(server, request("?"))[0].text == "text"
    policy = replace(QUICK, max_attempts=8)
    with ChatServer(in_order(fault)) as server:
        with pytest.raises(RequestFailed, match=r"after 2 attempts: .* holds no completion: ") as error:
            complete(server, request("?"), policy)
        assert error.value.kind == "no completion" and server.n_requests == 2
    quoted = str(error.value).partition("completion: ")[2]
    assert json.loads(quoted) == WITHOUT_COMPLETION[name]


def test_an_error_that_passes_is_repeated_whatever_status_it_comes_with() -> None:
    fault = HttpReply(body={"error": {"message": "slow down", "code": 429}})
    with ChatServer(in_order(fault, fault, "text")) as server:
        assert complete(server, request("?"))[1] == ["429", "429"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "It is 3."}], "It is 3."),
        ([{"type": "text", "text": "It is "}, {"type": "text", "text": "3."}], "It is 3."),
        ([{"type": "output_text", "text": "3"}], "3"),
        (["3"], "3"),
        ([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "3"}], "3"),
        ([], ""),
    ],
)
def test_a_reply_in_parts_is_its_text(content, text) -> None:
    reply = completion("")
    reply["choices"][0]["message"]["content"] = content
    with ChatServer(in_order(HttpReply(body=reply))) as server:
        assert complete(server, request("?"))[0].text == text


def test_an_error_message_is_one_line() -> None:
    with ChatServer(in_order(HttpReply(503, OVERLOADED))) as server, pytest.raises(RequestFailed) as error:
        complete(server, request("?"))
    assert str(error.value) == "after 3 attempts: Overloaded, come back"


@pytest.mark.parametrize("header", ["0.4", "a date"])
def test_a_server_that_asks_to_wait_is_waited_for(header) -> None:
    later = formatdate(time.time() + 2, usegmt=True) if header == "a date" else header  # whole seconds
    with ChatServer(in_order(HttpReply(429, OVERLOADED, {"Retry-After": later}), "text")) as server:
        began = time.monotonic()
        assert complete(server, request("?"))[1] == ["429"]
        assert 0.4 <= time.monotonic() - began < 3


def test_a_server_that_asks_for_longer_than_the_timeout_is_not_waited_for() -> None:
    with ChatServer(in_order(HttpReply(429, OVERLOADED, {"Retry-After": "3600"}))) as server:
        with pytest.raises(RequestFailed, match="wait for 3600 s"):
            complete(server, request("?"))
        assert server.n_requests == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_rejected_request_fails_alone_and_is_not_retried(status) -> None:
    with ChatServer(in_order(HttpReply(status, {"error": {"message": "a picture of 9 pixels"}}))) as server:
        with pytest.raises(RequestFailed, match="a picture of 9 pixels") as error:
            complete(server, request("?"))
        assert error.value.kind == str(status) and server.n_requests == 1


@pytest.mark.parametrize(
    "reply",
    [
        completion("half", "content_filter"),
        HttpReply(400, {"error": {"code": "content_filter", "message": "no"}}),
        HttpReply(403, {"error": {"code": 403, "message": "no", "metadata": {"flagged_input": "?"}}}),
    ],
    ids=["in the answer", "at once", "by a moderator"],
)
def test_filtered_completions_are_not_retried(reply) -> None:
    with ChatServer(in_order(reply)) as server:
        with pytest.raises(RequestFailed) as error:
            complete(server, request("?"))
        assert error.value.kind == "filtered" and server.n_requests == 1


def test_what_fails_every_request_is_one_sentence(monkeypatch) -> None:
    call = request("?")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with ChatServer(key="right") as server:
        with pytest.raises(InputError, match="SOME_KEY, which is not set: no such key"):
            complete(server, call, key_env="SOME_KEY")
        monkeypatch.setenv("SOME_KEY", "wrong")
        with pytest.raises(InputError, match="SOME_KEY, which is not the right one"):
            complete(server, call, key_env="SOME_KEY")
        monkeypatch.setenv("SOME_KEY", "right\n")
        assert complete(server, call, key_env="SOME_KEY")[0].text == "?"
    with (
        ChatServer(in_order(HttpReply(403, {}))) as server,
        pytest.raises(InputError, match="OPENAI_API_KEY"),
    ):
        complete(server, call)
    spent = HttpReply(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    for reply in (spent, HttpReply(402, spent.body)):
        with ChatServer(in_order(reply)) as server, pytest.raises(InputError, match="is spent: You exceeded"):
            complete(server, call)


def test_a_model_is_chosen_by_name_or_because_there_is_no_other() -> None:
    async def name(engine: ChatEngine) -> str:
        return engine.name

    with ChatServer(models=(("one", "vllm"),)) as server:
        assert with_engine(server, name) == "one"
        assert (
            with_engine(server, name, url=f"{server.url}/#one")
            == with_engine(server, name, url=server.url[:-3])
            == "one"
        )
        with pytest.raises(InputError, match="has no model two; it serves one"):
            with_engine(server, name, model="two")
    with ChatServer(models=(("one", "me"), ("org/two", "me"))) as server:
        assert (
            with_engine(server, name, url=f"{server.url}#org/two")
            == with_engine(server, name, model="org/two")
            == "org/two"
        )
        with pytest.raises(InputError, match=r"serves one, org/two; name one of them as http\S+/v1#model"):
            with_engine(server, name)
        with pytest.raises(InputError, match="has no model three; it serves one, org/two"):
            complete(server, request("?"), model="three")


def test_a_missing_server_is_reported_after_a_wait(caplog) -> None:
    async def name(engine: ChatEngine) -> str:
        return engine.name

    nowhere = ChatServer()
    with pytest.raises(InputError, match=r"server at http://127.0.0.1:9/v1 cannot be reached"):
        with_engine(nowhere, name, url="http://127.0.0.1:9/v1")
    for url in ("127.0.0.1:8000", "ftp://host/v1", "http://", "http://host:x/v1", ""):
        with pytest.raises(InputError, match="is not the address of a server; write"):
            with_engine(nowhere, name, url=url)

    async def late() -> str:
        with ChatServer() as first:
            port = first.port
        opening = asyncio.ensure_future(
            ChatEngine.open(f"http://127.0.0.1:{port}/v1", policy=replace(QUICK, startup_timeout_s=9))
        )
        await asyncio.sleep(0.2)
        with ChatServer(port=port):
            engine = await opening
            await engine.close()
        return engine.name

    assert asyncio.run(late()) == "fake"
    assert caplog.text.count("waiting for the server at") == 1


def test_a_page_that_is_not_a_chat_server_is_reported(monkeypatch) -> None:
    async def name(engine: ChatEngine) -> str:
        return engine.name

    for body in (b"<html>", b"[]", b'{"data": [{}]}'):
        with ChatServer() as server:
            monkeypatch.setattr(ChatServer, "respond", lambda *_, body=body: HttpReply(body=body))
            with pytest.raises(InputError, match="is not a chat server"):
                with_engine(server, name)
    monkeypatch.setattr(ChatServer, "respond", lambda *_: HttpReply(404, {}))
    with ChatServer() as server:  # a server without a list accepts any name
        assert with_engine(server, name, model="any") == "any"
        with pytest.raises(InputError, match="models that it does not list"):
            with_engine(server, name)


# Concurrency -----------------------------------------------------------------------------------------------


def many(n: int, **fields: Any) -> list[Request]:
    return [request(f"question {i}", example=Example(str(i), "?"), **fields) for i in range(n)]


def test_no_more_than_max_concurrency_requests_are_in_flight() -> None:
    async def use(engine: ChatEngine) -> None:
        await asyncio.gather(*(engine.complete(call, lambda *_: None) for call in many(40)))

    with ChatServer(delay_s=0.02) as server:
        with_engine(server, use, replace(QUICK, max_concurrency=5))
        assert server.max_in_flight == 5 and server.n_requests == 40


def test_under_every_fault_each_request_is_answered_once() -> None:
    faults = FaultRates(busy=0.2, broken=0.1, hang=0.05, cut=0.05, retry_after_s=0.01)
    failed: list[str] = []

    async def use(engine: ChatEngine) -> list[Completion]:
        calls = many(200)
        return await asyncio.gather(*(engine.complete(c, lambda kind, _: failed.append(kind)) for c in calls))

    with ChatServer(faults=faults) as server:
        replies = with_engine(
            server, use, RequestPolicy(max_attempts=12, retry_delay_s=0.01, request_timeout_s=1.0)
        )
        n_requests, twice, known = server.n_requests, server.answered_twice, len(server.counts)
    assert [reply.text for reply in replies] == [f"question {i}" for i in range(200)]
    assert (known, n_requests) == (200, 200 + len(failed))
    assert {"429", "500", "timeout", "broken body"} == set(failed)
    assert twice == 0


@pytest.mark.parametrize("limit", ["requests", "tokens"])
def test_a_limit_by_the_minute_spreads_the_calls(limit) -> None:
    """Of 60 in 100 ms each; tokens are estimated as 50 a call, and 5 when they have been counted."""
    policy = {
        "requests": replace(QUICK, requests_per_minute=600),
        "tokens": replace(QUICK, tokens_per_minute=600 * 5, max_concurrency=1),
    }[limit]

    async def use(engine: ChatEngine) -> None:
        calls = many(6, sampling=Sampling(max_tokens=48))
        await asyncio.gather(*(engine.complete(call, lambda *_: None) for call in calls))

    with ChatServer(lambda body: completion("a b c d", prompt_tokens=1)) as server:
        began = time.monotonic()
        with_engine(server, use, policy)
        assert 0.45 < time.monotonic() - began < 1.5


def test_the_server_of_these_tests_keeps_up_and_counts_in_another_process() -> None:
    """What is measured against it is not its own slowness."""

    async def use(url: str) -> tuple[float, dict[str, list[int]]]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
            body = {"model": "fake", "messages": [{"role": "user", "content": "?"}]}

            async def some() -> None:
                for _ in range(20):
                    async with http.post(f"{url}/chat/completions", json=body) as response:
                        assert (await response.json())["choices"][0]["message"]["content"] == "?"

            began = time.monotonic()
            await asyncio.gather(*(some() for _ in range(64)))
            took_s = time.monotonic() - began
        return took_s, await counts(url)

    with server_process("--faults", "seed=3") as url:
        took_s, found = asyncio.run(use(url))
    assert [*found.values()] == [[64 * 20, 64 * 20]]
    assert took_s < 10
