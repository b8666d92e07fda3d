"""What the oracle reads from messages: texts between marks, and earlier turns."""

from __future__ import annotations

import json
import re
from typing import Any

from seethink.engines.base import Request
from seethink.types import Messages, assistant_prefill

_MARKED = re.compile(r"(?:^|\n)(?P<name>[^\n]*?):?[ \t]*\n<<<\n(?P<text>.*?)\n>>>", re.DOTALL)
_CONTEXT = re.compile(
    r"\W*(?:the )?(?:reference|standard|gold|question|description|caption|image content|its answer)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def quoted_texts(request: Request) -> list[str]:
    """The texts that a request is about: each follows a line with its name, between `<<<` and `>>>`. The
    reference, the question and descriptions are not among them. Raises ValueError where there is none."""
    texts = [text for name, text in _blocks(request.messages) if not _CONTEXT.match(name)]
    if not texts:
        raise ValueError(f"the request of step {request.step} has no text between <<< and >>>")
    return texts


def numbered_texts(request: Request) -> dict[str, str]:
    """Marked texts with a number in their name, by number. Raises ValueError where there is none."""
    texts = {number[0]: text for name, text in _blocks(request.messages) if (number := _NUMBER.search(name))}
    if not texts:
        raise ValueError(f"the request of step {request.step} has no numbered text between <<< and >>>")
    return texts


def _blocks(messages: Messages) -> list[tuple[str, str]]:
    """(name, text) of all marked texts."""
    parts = [part for message in messages for part in message["content"]]
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    return [(block["name"], block["text"]) for block in _MARKED.finditer(text)]


def previous_steps(messages: Messages) -> list[dict[str, Any]]:
    """The assistant's turns that are JSON objects with a content."""
    turns = [message["content"][0]["text"] for message in messages if message["role"] == "assistant"]
    return [step for step in map(_json_object, turns) if "content" in step]


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}


def is_chinese(messages: Messages) -> bool:
    """Whether the begun answer, or else the last message, is in Chinese."""
    last = "".join(part.get("text", "") for part in messages[-1]["content"])
    return len(_CHINESE.findall(assistant_prefill(messages) or last)) >= 4
