"""What the oracle reads from the messages of a call, as any model would: texts between marks, turns so
far."""

from __future__ import annotations

import json
import re
from typing import Any

from seethink.engines.teacher import Call
from seethink.types import Messages, begun_answer

_MARKED = re.compile(r"(?:^|\n)(?P<name>[^\n]*?):?[ \t]*\n<<<\n(?P<text>.*?)\n>>>", re.DOTALL)
_ASIDE = re.compile(
    r"\W*(?:the )?(?:reference|standard|gold|question|description|caption|image content|its answer)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def given(call: Call) -> list[str]:
    """The texts that a call is about, each in its prompt below a line with its name and between `<<<` and
    `>>>`; not the reference, the question or a description. Raises ValueError where there is none."""
    texts = [text for name, text in _blocks(call.messages) if not _ASIDE.match(name)]
    if not texts:
        raise ValueError(f"the call {call.step} has no text between <<< and >>> that it is about")
    return texts


def numbered(call: Call) -> dict[str, str]:
    """Those of them that have a number in their name, by number."""
    found = {number[0]: text for name, text in _blocks(call.messages) if (number := _NUMBER.search(name))}
    if not found:
        raise ValueError(f"the call {call.step} has no numbered texts between <<< and >>>")
    return found


def _blocks(messages: Messages) -> list[tuple[str, str]]:
    told = "".join(part["text"] for m in messages for part in m["content"] if part["type"] == "text")
    return [(found["name"], found["text"]) for found in _MARKED.finditer(told)]


def turns(messages: Messages) -> list[dict[str, Any]]:
    """The steps so far: the assistant's turns that are JSON with a content."""
    said = [m["content"][0]["text"] for m in messages if m["role"] == "assistant"]
    return [step for step in map(_object, said) if "content" in step]


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, strict=False)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def chinese(messages: Messages) -> bool:
    """Whether the begun answer, or else the last message, is in Chinese."""
    told = begun_answer(messages) or "".join(part.get("text", "") for part in messages[-1]["content"])
    return len(_CHINESE.findall(told)) >= 4
