"""Requests drawn from the server's own OpenAPI page: none is a 500, and every refusal has OpenAI's shape."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from seethink.engines.scripted import ScriptedEngine
from tests.serve.served import post, service_of, serving

EXAMPLES = 60


def test_no_request_of_the_schema_is_a_500() -> None:
    statuses: set[int] = set()
    service = service_of(ScriptedEngine(lambda messages: "</think><answer>4</answer>"))
    with serving(service, documented=True) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) == 5
        for operation in operations:
            _fuzz(operation, server, statuses)
    assert 200 in statuses and 400 in statuses and not statuses & {500, 502}, statuses


def _fuzz(operation: Any, server: Any, statuses: set[int]) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES if operation.method == "post" else 3,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        if isinstance(case.body, dict):
            _answer(case.body | {"model": "sprout"})
            case.body["model"] = "sprout"
        response = case.call(base_url=server.url)
        statuses.add(response.status_code)
        assert response.status_code != 500, (case.body, response.text)
        if response.status_code >= 400:
            error = response.json()["error"]
            assert set(error) == {"message", "type", "param", "code"} and "Traceback" not in error["message"]

    def _answer(body: dict[str, Any]) -> None:
        """Mutations of a request that is answered reach further than those of one that is not."""
        known = {"messages": [{"role": "user", "content": "How many?"}], "input": "How many?"}
        request = {name: value for name, value in body.items() if name not in known}
        request |= {"messages": known["messages"]} if "messages" in body else {"input": known["input"]}
        status, answer = post(server, operation.path, request)
        statuses.add(status)
        assert status != 500, (request, answer)

    ask()
