"""What is made of the faults of a chat server, and how many calls are on their way at one time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from seethink.engines import chat
from seethink.engines.chat import ChatTeacher, Terms
from seethink.engines.pace import Pace
from seethink.engines.teacher import Call, Reply, Unanswered
from seethink.types import Example, InputError, Sampling
from tests.engines.asking import QUICK, answer, asking, in_turn, run
from tests.servers import CLOSE, HANG, ChatServer, Told, Trouble, completion, counts, elsewhere

# Faults -----------------------------------------------------------------------------------------------------

OVERLOADED = {"error": {"message": "Overloaded,\n  come back"}}
PASSING = {
    **{f"{status}": Told(status, OVERLOADED) for status in (408, 409, 425, 429, 500, 502, 503, 529)},
    "connection": CLOSE,
    "timeout": HANG,
}
BROKEN = {
    "cut": Told(body=completion("text"), cut=True),
    "no JSON": Told(body=b"<html>busy</html>"),
    "no UTF-8": Told(body=b'"\xff"'),
    "no choices": Told(body={"choices": []}),
    "no object": Told(body=[]),
    "no message": Told(body={"choices": [{}]}),
    "content of another kind": Told(body={"choices": [{"message": {"content": 3}}]}),
}


@pytest.mark.parametrize("name", [*PASSING, *BROKEN])
def test_a_try_that_fails_is_told_and_made_again(name) -> None:
    kind, trouble = ("broken body", BROKEN[name]) if name in BROKEN else (name, PASSING[name])
    terms = replace(QUICK, answer_s=0.2 if name == "timeout" else 2.0)
    with ChatServer(in_turn(trouble, trouble, "text")) as server:
        assert answer(server, asking("?"), terms) == (Reply("text", "stop", 1, 1), [kind] * 2)
    with ChatServer(in_turn(trouble)) as server:
        with pytest.raises(Unanswered, match="after 3 tries: ") as told:
            answer(server, asking("?"), terms)
        assert told.value.kind == kind and server.asked == 3


def test_what_an_error_says_is_one_line() -> None:
    with ChatServer(in_turn(Told(503, OVERLOADED))) as server, pytest.raises(Unanswered) as told:
        answer(server, asking("?"))
    assert str(told.value) == "after 3 tries: Overloaded, come back"


@pytest.mark.parametrize("header", ["0.4", "a date"])
def test_a_server_that_asks_to_wait_is_waited_for(header) -> None:
    later = formatdate(time.time() + 2, usegmt=True) if header == "a date" else header  # whole seconds
    with ChatServer(in_turn(Told(429, OVERLOADED, {"Retry-After": later}), "text")) as server:
        began = time.monotonic()
        assert answer(server, asking("?"))[1] == ["429"]
        assert 0.4 <= time.monotonic() - began < 3


def test_a_server_that_asks_for_longer_than_anybody_waits_is_not_waited_for() -> None:
    with ChatServer(in_turn(Told(429, OVERLOADED, {"Retry-After": "3600"}))) as server:
        with pytest.raises(Unanswered, match="wait for 3600 s"):
            answer(server, asking("?"))
        assert server.asked == 1


def test_pauses_double_up_to_a_limit_and_differ_between_calls_but_not_between_runs() -> None:
    async def pauses(teacher: ChatTeacher) -> list[list[float]]:
        calls = [asking("?", example=Example(str(i), "?")) for i in range(2)]
        return [[teacher._pause_s(c, n, chat._Failed("500", "")) for n in range(1, 9)] for c in calls]

    with ChatServer() as server:
        one, two = run(server, pauses, replace(QUICK, pause_s=1.0))
        assert [one, two] == run(server, pauses, replace(QUICK, pause_s=1.0))
    assert one != two
    for pause_s, most_s in zip(one, (1, 2, 4, 8, 16, 32, chat.LONGEST_S, chat.LONGEST_S), strict=True):
        assert most_s / 2 <= pause_s <= most_s


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_question_that_is_refused_fails_alone_and_is_not_asked_again(status) -> None:
    with ChatServer(in_turn(Told(status, {"error": {"message": "a picture of 9 pixels"}}))) as server:
        with pytest.raises(Unanswered, match="a picture of 9 pixels") as told:
            answer(server, asking("?"))
        assert told.value.kind == str(status) and server.asked == 1


@pytest.mark.parametrize(
    "told",
    [completion("half", "content_filter"), Told(400, {"error": {"code": "content_filter", "message": "no"}})],
    ids=["in the answer", "at once"],
)
def test_what_a_filter_has_stopped_is_not_asked_again(told) -> None:
    with ChatServer(in_turn(told)) as server:
        with pytest.raises(Unanswered) as error:
            answer(server, asking("?"))
        assert error.value.kind == "filtered" and server.asked == 1


def test_what_no_call_survives_is_one_sentence(monkeypatch) -> None:
    call = asking("?")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with ChatServer(key="right") as server:
        with pytest.raises(InputError, match="SOME_KEY, which is not set: no such key"):
            answer(server, call, key_env="SOME_KEY")
        monkeypatch.setenv("SOME_KEY", "wrong")
        with pytest.raises(InputError, match="SOME_KEY, which is not the right one"):
            answer(server, call, key_env="SOME_KEY")
        monkeypatch.setenv("SOME_KEY", "right\n")
        assert answer(server, call, key_env="SOME_KEY")[0].text == "?"
    with ChatServer(in_turn(Told(403, {}))) as server, pytest.raises(InputError, match="OPENAI_API_KEY"):
        answer(server, call)
    spent = Told(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    for told in (spent, Told(402, spent.body)):
        with ChatServer(in_turn(told)) as server, pytest.raises(InputError, match="is spent: You exceeded"):
            answer(server, call)


def test_a_model_is_chosen_by_name_or_because_there_is_no_other() -> None:
    async def name(teacher: ChatTeacher) -> str:
        return teacher.name

    with ChatServer(models=(("one", "vllm"),)) as server:
        assert run(server, name) == "one"
        assert run(server, name, url=f"{server.url}/#one") == run(server, name, url=server.url[:-3]) == "one"
        with pytest.raises(InputError, match="has no model two; it serves one"):
            run(server, name, model="two")
    with ChatServer(models=(("one", "me"), ("org/two", "me"))) as server:
        assert (
            run(server, name, url=f"{server.url}#org/two") == run(server, name, model="org/two") == "org/two"
        )
        with pytest.raises(InputError, match=r"serves one, org/two; name one of them as http\S+/v1#model"):
            run(server, name)
        with pytest.raises(InputError, match="has no model three; it serves one, org/two"):
            answer(server, asking("?"), model="three")


def test_a_server_that_is_not_there_is_told_after_a_wait(caplog) -> None:
    async def name(teacher: ChatTeacher) -> str:
        return teacher.name

    nowhere = ChatServer()
    with pytest.raises(InputError, match=r"server at http://127.0.0.1:9/v1 cannot be reached"):
        run(nowhere, name, url="http://127.0.0.1:9/v1")
    for url in ("127.0.0.1:8000", "ftp://host/v1", "http://", "http://host:x/v1", ""):
        with pytest.raises(InputError, match="is no address of a server; write it as"):
            run(nowhere, name, url=url)

    async def late() -> str:
        with ChatServer() as first:
            port = first.port
        opening = asyncio.ensure_future(
            ChatTeacher.open(f"http://127.0.0.1:{port}/v1", terms=replace(QUICK, wait_s=9))
        )
        await asyncio.sleep(0.2)
        with ChatServer(port=port):
            teacher = await opening
            await teacher.close()
        return teacher.name

    assert asyncio.run(late()) == "fake"
    assert caplog.text.count("waiting for the server at") == 1


def test_a_page_that_is_no_chat_server_is_told_so(monkeypatch) -> None:
    async def name(teacher: ChatTeacher) -> str:
        return teacher.name

    for body in (b"<html>", b"[]", b'{"data": [{}]}'):
        with ChatServer() as server:
            monkeypatch.setattr(ChatServer, "told", lambda *_, body=body: Told(body=body))
            with pytest.raises(InputError, match="is no chat server"):
                run(server, name)
    monkeypatch.setattr(ChatServer, "told", lambda *_: Told(404, {}))
    with ChatServer() as server:  # one that lists nothing can still be asked by name
        assert run(server, name, model="any") == "any"
        with pytest.raises(InputError, match="models that it does not list"):
            run(server, name)


# Many at one time -------------------------------------------------------------------------------------------


def many(n: int, **more: Any) -> list[Call]:
    return [asking(f"question {i}", example=Example(str(i), "?"), **more) for i in range(n)]


def test_no_more_than_allowed_are_on_their_way_at_one_time() -> None:
    async def use(teacher: ChatTeacher) -> None:
        await asyncio.gather(*(teacher.answer(call, lambda *told: None) for call in many(40)))

    with ChatServer(delay_s=0.02) as server:
        run(server, use, replace(QUICK, at_once=5))
        assert server.most_at_once == 5 and server.asked == 40


def test_under_every_trouble_each_call_is_answered_once() -> None:
    trouble = Trouble(busy=0.2, broken=0.1, hang=0.05, cut=0.05, retry_after_s=0.01)
    failed: list[str] = []

    async def use(teacher: ChatTeacher) -> list[Reply]:
        calls = many(200)
        return await asyncio.gather(*(teacher.answer(c, lambda kind, _: failed.append(kind)) for c in calls))

    with ChatServer(trouble=trouble) as server:
        replies = run(server, use, Terms(attempts=12, pause_s=0.01, answer_s=1.0))
        asked, twice, known = server.asked, server.answered_twice, len(server.counts)
    assert [reply.text for reply in replies] == [f"question {i}" for i in range(200)]
    assert (known, asked) == (200, 200 + len(failed))
    assert {"429", "500", "timeout", "broken body"} == set(failed)
    assert twice == 0


@pytest.mark.parametrize("limit", ["requests", "tokens"])
def test_a_limit_by_the_minute_spreads_the_calls(limit) -> None:
    """Of 60 in 100 ms each; tokens are estimated as 50 a call, and 5 when they have been counted."""
    terms = {
        "requests": replace(QUICK, requests_per_minute=600),
        "tokens": replace(QUICK, tokens_per_minute=600 * 5, at_once=1),
    }[limit]

    async def use(teacher: ChatTeacher) -> None:
        calls = many(6, sampling=Sampling(max_tokens=48))
        await asyncio.gather(*(teacher.answer(call, lambda *told: None) for call in calls))

    with ChatServer(lambda body: completion("a b c d", prompt_tokens=1)) as server:
        began = time.monotonic()
        run(server, use, terms)
        assert 0.45 < time.monotonic() - began < 1.5


def test_a_pace_forgives_nothing_and_owes_nothing() -> None:
    async def use() -> float:
        pace, began = Pace(6000), time.monotonic()
        for _ in range(11):
            await pace.take(2)
        pace.settle(-20)
        await pace.take(1)
        return time.monotonic() - began

    assert 0.2 <= asyncio.run(use()) < 0.4


def test_a_proxy_is_asked_for_other_machines_alone(monkeypatch) -> None:
    async def trusts(url: str) -> bool:
        teacher = ChatTeacher(url, "NO_KEY", QUICK)
        await teacher.close()
        return teacher.http.trust_env

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with ChatServer() as server:
        assert answer(server, asking("?"))[0].text == "?"
    assert not asyncio.run(trusts("http://localhost:8000/v1")) and asyncio.run(
        trusts("https://api.example.org/v1")
    )


def test_the_server_of_these_tests_keeps_up_and_counts_in_another_process() -> None:
    """What is measured against it is not its own slowness."""

    async def use(url: str) -> tuple[float, dict[str, list[int]]]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
            body = {"model": "fake", "messages": [{"role": "user", "content": "?"}]}

            async def some() -> None:
                for _ in range(20):
                    async with http.post(f"{url}/chat/completions", json=body) as told:
                        assert (await told.json())["choices"][0]["message"]["content"] == "?"

            began = time.monotonic()
            await asyncio.gather(*(some() for _ in range(64)))
            took_s = time.monotonic() - began
        return took_s, await counts(url)

    with elsewhere("--trouble", "seed=3") as url:
        took_s, found = asyncio.run(use(url))
    assert [*found.values()] == [[64 * 20, 64 * 20]]
    assert took_s < 10
