"""Engines and teachers that say what they are told to."""

from __future__ import annotations

import asyncio

import pytest

from seethink import Task, verify
from seethink.attempt import attempt
from seethink.engines.scripted import ScriptedEngine, ScriptedTeacher
from seethink.engines.teacher import Call, Unanswered
from seethink.formats import THINK_ANSWER
from seethink.types import Example, Sampling

EXAMPLES = [Example(str(i), f"How many? {i}", answer=str(i)) for i in range(3)]


def test_an_engine_answers_by_a_function() -> None:
    engine = ScriptedEngine(lambda asked: f"<think>So.</think><answer>{len(asked)}</answer>")
    task = Task("one", EXAMPLES, THINK_ANSWER, verify.same_number)
    rollouts = attempt(engine, task, EXAMPLES, Sampling(n=2))
    assert [[r.score.value for r in of_one] for of_one in rollouts] == [[0, 0], [1, 1], [0, 0]]
    assert engine.asked == [THINK_ANSWER.prompt(example) for example in EXAMPLES for _ in range(2)]


def test_texts_are_said_in_order_until_they_run_out() -> None:
    engine = ScriptedEngine(["a", "b c"])
    (first,), (second,) = engine.generate([[], []], Sampling())
    assert (first.text, second.text, second.n_tokens) == ("a", "b c", 2)
    with pytest.raises(ValueError, match="2 texts"):
        engine.generate([[]], Sampling())


def test_a_teacher_answers_by_a_function_or_by_a_list() -> None:
    def script(call: Call) -> str:
        if call.step == "no":
            raise Unanswered("500", "broken")
        return call.step.upper()

    async def ask(teacher: ScriptedTeacher, step: str) -> str:
        return (await teacher.answer(Call(step, EXAMPLES[0], "see", []), lambda *_: None)).text

    teacher = ScriptedTeacher(script, name="loud")
    assert asyncio.run(ask(teacher, "yes")) == "YES"
    with pytest.raises(Unanswered, match="broken"):
        asyncio.run(ask(teacher, "no"))
    assert [call.step for call in teacher.asked] == ["yes", "no"]
    listed = ScriptedTeacher(["one"])
    assert asyncio.run(ask(listed, "x")) == "one"
    with pytest.raises(ValueError, match="1 texts"):
        asyncio.run(ask(listed, "x"))
