"""Scripted engines give their prepared texts."""

from __future__ import annotations

import asyncio

import pytest

from seethink import Task, verify
from seethink.attempt import attempt
from seethink.engines.base import Request, RequestFailed
from seethink.engines.scripted import ScriptedAsyncEngine, ScriptedEngine
from seethink.formats import THINK_ANSWER
from seethink.types import Example, Sampling

EXAMPLES = [Example(str(i), f"How many? {i}", answer=str(i)) for i in range(3)]


def test_an_engine_answers_by_a_function() -> None:
    engine = ScriptedEngine(lambda messages: f"<think>So.</think><answer>{len(messages)}</answer>")
    task = Task("one", EXAMPLES, THINK_ANSWER, verify.same_number)
    rollouts = attempt(engine, task, EXAMPLES, Sampling(n=2))
    assert [[r.score.value for r in of_one] for of_one in rollouts] == [[0, 0], [1, 1], [0, 0]]
    assert engine.conversations == [THINK_ANSWER.prompt(example) for example in EXAMPLES for _ in range(2)]


def test_texts_are_given_in_order_until_they_run_out() -> None:
    engine = ScriptedEngine(["a", "b c"])
    (first,), (second,) = engine.generate([[], []], Sampling())
    assert (first.text, second.text, second.n_tokens) == ("a", "b c", 2)
    with pytest.raises(ValueError, match="2 texts"):
        engine.generate([[]], Sampling())


def test_an_async_engine_answers_by_a_function_or_by_a_list() -> None:
    def script(request: Request) -> str:
        if request.step == "no":
            raise RequestFailed("500", "broken")
        return request.step.upper()

    async def text(engine: ScriptedAsyncEngine, step: str) -> str:
        return (await engine.complete(Request(step, EXAMPLES[0], "vision", []), lambda *_: None)).text

    engine = ScriptedAsyncEngine(script, name="loud")
    assert asyncio.run(text(engine, "yes")) == "YES"
    with pytest.raises(RequestFailed, match="broken"):
        asyncio.run(text(engine, "no"))
    assert [request.step for request in engine.requests] == ["yes", "no"]
    listed = ScriptedAsyncEngine(["one"])
    assert asyncio.run(text(listed, "x")) == "one"
    with pytest.raises(ValueError, match="1 texts"):
        asyncio.run(text(listed, "x"))
