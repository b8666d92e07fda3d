from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.engines.teacher import Call, Reply, Unanswered
from seethink.synth.asking import as_text, quoted, said, seed_of, together, until_read
from seethink.synth.draft import Dropped
from seethink.types import Example, InputError, Message, Sampling


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
        asyncio.run(together([task(1, Unanswered("500", "no")), task(5), task(3, InputError("no key"))]))
    assert sorted(ended) == [1, 3, 5]
    with pytest.raises(Unanswered):
        asyncio.run(together([task(1), task(2, Unanswered("500", "no"))]))
    assert asyncio.run(together([task(3), task(1)])) == [3, 1]


def test_seeds_are_the_same_for_ever_and_fit_every_server() -> None:
    assert seed_of("one", "steps", 1) == 23444582
    assert all(0 <= seed_of("e", i) < 2**28 for i in range(50))
    assert len({seed_of("e", i) for i in range(50)}) == 50


@given(st.text())
def test_no_text_closes_the_marks_around_it(text: str) -> None:
    name, _, told = quoted("PATH 1", text).partition(":\n<<<\n")
    assert name == "PATH 1" and told.endswith("\n>>>") and ">>>" not in told.removesuffix("\n>>>")


def test_values_are_told_as_texts_and_what_is_no_answer_is_empty() -> None:
    values = ("a ", 3, 2.5, [1], True, None, [], {}, "")
    assert [as_text(value) for value in values] == ["a", "3", "2.5", "[1]", "", "", "", "", ""]


def retried(messages: list[Message], *replies: Reply) -> tuple[str | Dropped, list[Call]]:
    calls: list[Call] = []

    async def ask(call: Call) -> Reply:
        calls.append(call)
        return replies[len(calls) - 1]

    def read(text: str) -> str | Dropped:
        return text if text == "good" else Dropped("not JSON", f"read {text}")

    call = Call("x", Example("one", "?"), "see", messages, Sampling(seed=7))
    return asyncio.run(until_read(ask, call, read, 2, "Mind the form.")), calls


def test_a_reminder_stands_in_the_users_turn_and_not_in_a_begun_answer() -> None:
    messages = [said("user", "How many?"), said("assistant", "<think>")]
    found, calls = retried(messages, Reply("bad"), Reply("cut", "length"), Reply("good"))
    assert found == "good" and len({call.sampling.seed for call in calls}) == 3
    for call in calls[1:]:
        assert [part["text"] for part in call.messages[0]["content"]] == ["How many?", "\n\nMind the form."]
        assert call.messages[1] == messages[1]
    assert len(messages[0]["content"]) == 1, "the caller's messages are as they were"


def test_the_last_fault_is_told_and_a_refusal_ends_it() -> None:
    messages = [said("user", "How many?")]
    found, calls = retried(messages, Reply("a"), Reply("b"), Reply("c"))
    assert found == Dropped("not JSON", "read c") and len(calls) == 3
    found, calls = retried(messages, Reply("a"), Reply("I'm sorry, no."), Reply("good"))
    assert isinstance(found, Dropped) and found.reason == "refused" and len(calls) == 2
