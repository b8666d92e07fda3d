"""Rows of OpenAI's files whose messages stand inside another object: requests of a batch, and pairs.

Source: OpenAI, "Batch API" ({custom_id, method, url, body}), "Responses" (input, instructions) and "Direct
preference optimization" ({input, preferred_output, non_preferred_output}).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seethink.sources.cells import as_mapping
from seethink.types import InputError

_ENVELOPE = ("custom_id", "method", "url", "body")
_PAIR = {"input": "prompt", "preferred_output": "chosen", "non_preferred_output": "rejected"}


def request(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """(the row of a batch's request with its `messages`, names of what is not used); None for any other row.

    Raises InputError for a request without messages, and for the result of one, which has no question."""
    body = as_mapping(values.get("body"))
    if body is None:
        if "custom_id" in values and as_mapping(values.get("response")) is not None:
            raise InputError("it is a batch's result, without the question; give the file of its requests")
        return None
    messages = body.get("messages") if body.get("messages") is not None else _messages_of(body.get("input"))
    if messages is None:
        raise InputError("the body of the request has neither messages nor input; give it one of them")
    if body.get("instructions"):
        messages = [{"role": "system", "content": body["instructions"]}, *messages]
    row = {name: value for name, value in values.items() if name not in _ENVELOPE}
    if values.get("custom_id") is not None:
        row.setdefault("id", values["custom_id"])
    used = ("messages", "input", "instructions", "tools")
    unused = [name for name in ("method", "url") if values.get(name)]
    unused += [f"body.{name}" for name in body if name not in used and body[name] is not None]
    return {**row, "messages": messages} | _tools(body), tuple(unused)


def preference_pair(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """(the row of a pair in the columns `prompt`, `chosen`, `rejected`, names of what is not used); None for
    any other row."""
    asked = as_mapping(values.get("input"))
    if asked is None or "messages" not in asked or "preferred_output" not in values:
        return None
    row = {_PAIR.get(name, name): value for name, value in values.items()}
    unused = tuple(f"input.{name}" for name in asked if name not in ("messages", "tools"))
    return {**row, "prompt": asked["messages"]} | _tools(asked), unused


def _messages_of(asked: Any) -> Any:
    """The messages of the Responses API: a text is the user's."""
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else asked


def _tools(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Tools stay a column, which is refused where it is filled."""
    return {"tools": asked["tools"]} if asked.get("tools") else {}
