"""The verifier of times of day, and the one reader of their spellings."""

from __future__ import annotations

import re

from seethink.markup import seen_as_ascii
from seethink.types import Example, Response, Score
from seethink.verify.number_words import in_digits
from seethink.verify.spelling import unwrapped
from seethink.verify.text import clear_verdict, unreadable, verdict

_N = r"(?:[0-9]{1,2}|[a-z]+(?:-[a-z]+)?)"
_PARTS_OF_HOUR = {"quarter": "15", "half": "30"}
_HALF_OF_DAY = r"(?:\s*(?P<half>[ap])\.?\s?m\b\.?)?"
_SPELLINGS = tuple(
    re.compile(pattern + _HALF_OF_DAY)
    for pattern in (
        r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?:\s*(?:hours|hrs|uhr|h))?",
        r"(?P<hour>[0-9]{1,2})\.(?P<minute>[0-9]{2})(?=\s*[ap]\.?\s?m)",
        r"(?P<hour>[0-9]{1,2})\s?h\s?(?P<minute>[0-9]{2})",
        r"(?P<hour>[0-9]{1,2})\s*[点时](?:\s*(?P<minute>[0-9]{1,2})\s*分|整?)",
        rf"(?P<hour>{_N})\s*o'?\s?clock",
        rf"(?P<hour>{_N})(?=\s*[ap]\.?\s?m)",
        rf"(?:a\s+)?(?P<past>{_N})(?:\s+minutes?)?\s+(?:past|after)\s+(?P<hour>{_N})(?:\s+o'?\s?clock)?",
        rf"(?:a\s+)?(?P<to>{_N})(?:\s+minutes?)?\s+(?:to|before)\s+(?P<hour>{_N})(?:\s+o'?\s?clock)?",
        r"(?P<noon>noon|midday)|(?P<midnight>midnight)",
    )
)
_MOST_CHARACTERS = 40


def read_time(text: str) -> int | None:
    """The text as one time of day, in seconds after midnight, or None.

    `07:30`, `7:30:00`, `3:45 PM`, `3.45 p.m.`, `15h45`, `3点45分`, `ten past three`, `quarter to four`, `3
    o'clock`, `noon`. None for hours and minutes that no clock shows.
    """
    plain = seen_as_ascii(unwrapped(text)).lower().strip(" .")
    plain = re.sub(r"^(?:it\s+is\s+|it's\s+|at\s+)", "", plain)
    if len(plain) > _MOST_CHARACTERS:
        return None
    found = next((match for spelling in _SPELLINGS if (match := spelling.fullmatch(plain))), None)
    if found is None:
        return None
    parts = {name: said for name, said in found.groupdict().items() if said}
    if "noon" in parts or "midnight" in parts:
        return 12 * 3600 if "noon" in parts else 0
    hour, minute = _number(parts["hour"]), _number(parts.get("minute") or parts.get("past") or "0")
    before, second = _number(parts.get("to", "0")), int(parts.get("second", "0"))
    if hour is None or minute is None or before is None:
        return None
    if before:
        hour, minute = (hour - 1 or 12), 60 - before
    half = parts.get("half")
    if not (0 <= minute < 60 and second < 60 and 0 <= hour <= (12 if half else 23)):
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return 3600 * hour + 60 * minute + second


def _number(said: str) -> int | None:
    digits = _PARTS_OF_HOUR.get(said) or (said if said.isdigit() else in_digits(said))
    return int(digits) if digits and digits.isdigit() else None


def same_time(example: Example, response: Response) -> Score:
    """1 if the answer is the gold's time of day, else 0.

    Formula: equality of hours, minutes and seconds. `3:45` is in the morning, so neither `3:45 pm` nor
    `15:45` is the same. Range: {0, 1}; None if the gold is no time. Source: ISO 8601; no published reward
    compares times.
    """
    gold = read_time(str(example.answer))
    if clear := clear_verdict(example, response, "is not one time of day" if gold is None else None):
        return clear
    answer = read_time(str(response.answer))
    if answer is None:
        return unreadable(response, "which is not one time of day")
    return verdict(gold == answer, example, response)
