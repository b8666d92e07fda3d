"""Answers in JSON, which are validated and sampled again, and the solvers behind the endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from pydantic import BaseModel

from seethink.engines.scripted import ScriptedEngine
from seethink.models.encoder import texts_of
from seethink.serve.json_answers import JsonCheck
from seethink.serve.requests import JsonSchemaFormat
from tests.serve.served import Served, asked, body, plain, post, service_of, serving, sprout, user
from tests.serve.test_chat import EXAMPLES

CHAT = "/v1/chat/completions"
OBJECT = {"type": "json_object"}
COUNT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "count", "schema": schema}}


def _in_turn(*answers: str) -> Callable[[Any], str]:
    """A script that gives these answers in turn, the last for ever."""
    number = count()
    return lambda messages: f"</think><answer>{answers[min(next(number), len(answers) - 1)]}</answer>"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_no_json_is_sampled_again(stream: bool) -> None:
    engine = ScriptedEngine(_in_turn("five", '{"n":"five"}', '{"n":5}'))
    with serving(service_of(engine)) as server:
        answer = server.client().chat.completions.create(
            model="sprout", messages=user("How many?"), response_format=_schema(COUNT), stream=stream
        )
        if stream:
            text = "".join(c.delta.content or "" for chunk in answer for c in chunk.choices)
        else:
            text = answer.choices[0].message.content
            assert answer.usage.completion_tokens == len(engine.conversations)
    assert (text, len(engine.conversations)) == ('{"n":5}', 3)


@pytest.mark.parametrize(("temperature", "tries"), [(1, 3), (0, 1)])
def test_an_answer_that_never_is_what_was_requested_is_an_error(temperature: float, tries: int) -> None:
    engine = ScriptedEngine(_in_turn("[1]"))
    with serving(service_of(engine)) as server:
        status, answer = post(server, CHAT, body(response_format=OBJECT, temperature=temperature))
    assert (status, answer["error"]["code"]) == (422, "response_format_not_met")
    assert "it is not a JSON object" in answer["error"]["message"] and len(engine.conversations) == tries


def test_the_sdk_parses_what_was_validated() -> None:
    class Count(BaseModel):
        n: int

    with serving(service_of(ScriptedEngine(_in_turn('{"n": 7}')))) as server:
        answer = server.client().chat.completions.parse(
            model="sprout", messages=user("How many?"), response_format=Count
        )
        response = server.client().responses.parse(model="sprout", input="How many?", text_format=Count)
    assert answer.choices[0].message.parsed == response.output_parsed == Count(n=7)


@pytest.mark.parametrize(
    ("schema", "usable"),
    [
        (COUNT, True),
        ({"$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"}, True),
        ({"type": "nothing"}, False),
        ({"$ref": "#/$defs/absent"}, False),
        ({"$ref": "file:///etc/passwd"}, False),
        ({"properties": {"a": {"patternProperties": {}}}}, False),
        ({"description": "a" * 70_000}, False),
        ({"$ref": "#"}, False),
    ],
)
def test_schemas_are_checked_before_anything_is_sampled(schema: dict[str, Any], usable: bool) -> None:
    engine = ScriptedEngine(_in_turn('{"n": 1}'))
    with serving(service_of(engine)) as server:
        status, answer = post(server, CHAT, body(response_format=_schema(schema)))
    assert (status == 400) is not usable, answer
    assert bool(engine.conversations) is usable


def test_a_schema_that_refers_to_itself_without_end_is_judged_in_time() -> None:
    levels = 60
    twice = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    schema = {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**twice, f"d{levels}": {}}}
    wanted = JsonSchemaFormat.model_validate(_schema(schema))
    begun = time.monotonic()
    fault = JsonCheck(wanted).fault('{"a": 1}')
    assert fault and "references" in fault and time.monotonic() - begun < 10


def _wait_until_idle(server: Served) -> None:
    """A place is freed right after the last byte was sent."""
    deadline = time.monotonic() + 10
    while server.service.running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not server.service.running


# Solvers --------------------------------------------------------------------------------------------------


def test_each_solver_answers_on_the_local_model() -> None:
    """With the smallest options; majority of equal answers is the answer."""
    options: dict[str, dict[str, Any]] = {
        "direct": {},
        "best_of_n": {"n": 2},
        "stages": {"width": 2},
        "step_beam": {},
        "two_agents": {},
        "describe_first": {},
    }
    with serving(service_of(sprout())) as server:
        for solver, own in options.items():
            for stream in (False, True):
                request = body(
                    asked(EXAMPLES[0]),
                    max_tokens=24,
                    temperature=1,
                    seed=3,
                    solver=solver,
                    solver_options=own,
                )
                status, answer = post(server, CHAT, request | {"stream": stream})
                assert status == 200, (solver, answer)
                if stream:
                    assert answer.rstrip().endswith("data: [DONE]") and "error" not in answer, solver
                else:
                    (choice,) = answer["choices"]
                    assert choice["message"]["content"] or choice["message"]["reasoning"], solver
                    assert answer["usage"]["completion_tokens"] > 0
        _wait_until_idle(server)


def test_a_majority_through_the_sdk_counts_all_samples_and_refuses_their_cost() -> None:
    engine = ScriptedEngine(_in_turn("3", "4", "3", "3"))
    with serving(service_of(engine, solver="best_of_n:n=4")) as server:
        client = server.client()
        answer = client.chat.completions.create(model="sprout", messages=user("How many?", plain()))
        assert answer.choices[0].message.content == "3"
        assert answer.usage.completion_tokens == len(engine.conversations) == 4
        other = client.chat.completions.create(
            model="sprout",
            messages=user("How many?"),
            extra_body={"solver": "best_of_n", "solver_options": {"n": 2}},
        )
        assert other.choices[0].message.content == "3" and len(engine.conversations) == 6
        status, refused = post(server, CHAT, body(temperature=1, solver_options={"n": 3_000}))
        assert (status, refused["error"]["code"]) == (400, "too_many_tokens")
        for field, value in {"logprobs": True, "stop": "a"}.items():
            assert post(server, CHAT, body(**{field: value}))[0] == 400


def test_a_solver_that_nobody_waits_for_ends() -> None:
    import asyncio

    import aiohttp

    asked_ = []

    def slow(messages: Any) -> str:
        asked_.append(texts_of(messages))
        time.sleep(0.2)
        return "</think><answer>1</answer>"

    with serving(service_of(ScriptedEngine(slow), solver="step_beam")) as server:

        async def hang_up() -> None:
            async with aiohttp.ClientSession() as session:
                asking = asyncio.ensure_future(session.post(f"{server.url}{CHAT}", json=body(temperature=1)))
                while not asked_:
                    await asyncio.sleep(0.01)
                asking.cancel()

        asyncio.run(hang_up())
        _wait_until_idle(server)
