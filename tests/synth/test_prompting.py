from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.engines.base import Request, RequestFailed
from seethink.formats.messages import chat_message
from seethink.identity import seed_of
from seethink.synth.draft import Dropped
from seethink.synth.prompting import as_text, ask_until_valid, delimited, gather_all
from seethink.types import Completion, Example, InputError, Message, Sampling


def test_an_error_waits_for_the_others_and_one_that_stops_the_run_comes_first() -> None:
    ended = []

    async def task(number: int, error: Exception | None = None) -> int:
        for _ in range(number):
            await asyncio.sleep(0)
        ended.append(number)
        if error:
            raise error
        return number

    with pytest.raises(InputError):
        asyncio.run(gather_all([task(1, RequestFailed("500", "no")), task(5), task(3, InputError("no key"))]))
    assert sorted(ended) == [1, 3, 5]
    with pytest.raises(RequestFailed):
        asyncio.run(gather_all([task(1), task(2, RequestFailed("500", "no"))]))
    assert asyncio.run(gather_all([task(3), task(1)])) == [3, 1]


def test_seeds_are_stable_and_fit_every_server() -> None:
    assert seed_of("one", "steps", 1) == 23444582
    assert all(0 <= seed_of("e", i) < 2**28 for i in range(50))
    assert len({seed_of("e", i) for i in range(50)}) == 50


@given(st.text())
def test_no_text_contains_its_own_delimiter(text: str) -> None:
    name, _, rest = delimited("PATH 1", text).partition(":\n<<<\n")
    assert name == "PATH 1" and rest.endswith("\n>>>") and ">>>" not in rest.removesuffix("\n>>>")


def test_json_values_become_texts_and_those_without_an_answer_are_empty() -> None:
    values = ("a ", 3, 2.5, [1], True, None, [], {}, "")
    assert [as_text(value) for value in values] == ["a", "3", "2.5", "[1]", "", "", "", "", ""]


def retried(messages: list[Message], *replies: Completion) -> tuple[str | Dropped, list[Request]]:
    calls: list[Request] = []

    async def ask(call: Request) -> Completion:
        calls.append(call)
        return replies[len(calls) - 1]

    def parse(text: str) -> str | Dropped:
        return text if text == "good" else Dropped("not JSON", f"read {text}")

    call = Request("x", Example("one", "?"), "vision", messages, Sampling(seed=7))
    return asyncio.run(ask_until_valid(ask, call, parse, 2, "Mind the form.")), calls


def test_a_reminder_is_in_the_users_turn_and_not_in_a_prefilled_reply() -> None:
    messages = [chat_message("user", "How many?"), chat_message("assistant", "<think>")]
    found, calls = retried(messages, Completion("bad"), Completion("cut", "length"), Completion("good"))
    assert found == "good" and len({call.sampling.seed for call in calls}) == 3
    for call in calls[1:]:
        assert [part["text"] for part in call.messages[0]["content"]] == ["How many?", "\n\nMind the form."]
        assert call.messages[1] == messages[1]
    assert len(messages[0]["content"]) == 1, "the caller's messages are not modified"


def test_the_last_fault_is_returned_and_a_refusal_is_not_retried() -> None:
    messages = [chat_message("user", "How many?")]
    found, calls = retried(messages, Completion("a"), Completion("b"), Completion("c"))
    assert found == Dropped("not JSON", "read c") and len(calls) == 3
    found, calls = retried(messages, Completion("a"), Completion("I'm sorry, no."), Completion("good"))
    assert isinstance(found, Dropped) and found.reason == "refused" and len(calls) == 2
