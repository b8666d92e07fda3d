"""Reading what teachers reply, leniently: JSON inside fences or prose, and refusals. Whoever calls decides
what an unreadable reply means."""

from __future__ import annotations

import json
import re
from typing import Any

from seethink.formats import THINK_ANSWER

START, END = THINK_ANSWER.tags[:2]
"""Of a thought."""
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_REFUSAL = re.compile(
    r"\W*(?:i['’]?m (?:very |really )?sorry|i am sorry|sorry\b|i (?:cannot|can['’]?t|can not|won['’]?t)\b"
    r"|i am (?:unable|not able)|as an ai\b|unfortunately, i\b|抱歉|对不起|我无法|我不能)",
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether a reply begins as those do that decline to answer."""
    return _REFUSAL.match(text) is not None


def read_thought(text: str) -> tuple[str, str] | None:
    """(the thought, what is said after it) of a reply that continues a thought or is one as a whole; None
    where the thought does not end, begins anew, or where either is empty."""
    thought, end, final = text.partition(END)
    whole = end and thought.strip() and final.strip() and START not in text and END not in final
    return (thought.rstrip(), final.strip()) if whole else None


def read_object(text: str) -> dict[str, Any] | None:
    """The last JSON object of a reply that is one, fences one, or has one in prose; None where there is
    none."""
    decoder = json.JSONDecoder(strict=False)
    for told in (text, *reversed(_FENCE.findall(text))):
        try:
            found = decoder.decode(told.strip())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    last = None
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            last = found
        at = text.find("{", end)
    return last
