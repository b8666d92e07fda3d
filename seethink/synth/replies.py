"""Lenient parsers of teachers' replies: refusals, thoughts, and JSON in fences or prose.

They return None for what cannot be read; the caller decides what that means.
"""

from __future__ import annotations

import json
import re
from typing import Any

from seethink.formats import THINK_ANSWER

START, END = THINK_ANSWER.tags[:2]
"""Tags of a thought."""
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_REFUSAL = re.compile(
    r"\W*(?:i['’]?m (?:very |really )?sorry|i am sorry|sorry\b|i (?:cannot|can['’]?t|can not|won['’]?t)\b"
    r"|i am (?:unable|not able)|as an ai\b|unfortunately, i\b|抱歉|对不起|我无法|我不能)",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether a reply begins with a phrase of refusal."""
    return _REFUSAL.match(text) is not None


def read_thought(text: str) -> tuple[str, str] | None:
    """(thought, text after it) of a reply that continues a thought or consists of one and an answer. None if
    the thought does not end or starts again, or if either part is empty."""
    thought, end, final = text.partition(END)
    complete = end and thought.strip() and final.strip() and START not in text and END not in final
    return (thought.rstrip(), final.strip()) if complete else None


def read_json_object(text: str) -> dict[str, Any] | None:
    """The JSON object of a reply: the whole text, the last fenced one, or the last one in prose. None if
    there is none."""
    decoder = json.JSONDecoder(strict=False)
    for candidate in (text, *reversed(_FENCE.findall(text))):
        try:
            value = decoder.decode(candidate.strip())
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
    last = None
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            last = value
        at = text.find("{", end)
    return last
