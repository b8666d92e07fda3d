"""The verifier of dates, and the one reader of their spellings."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

from seethink.markup import seen_as_ascii
from seethink.types import Example, Response, Score
from seethink.verify.spelling import unwrapped
from seethink.verify.text import clear_verdict, unreadable, verdict

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jänner janvier enero",
            "february feb februar février febrero",
            "march mar märz mars marzo",
            "april apr avril abril",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet julio",
            "august aug août agosto",
            "september sep sept septembre septiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez décembre diciembre",
        ),
        start=1,
    )
    for name in names.split()
}
"""In English, German, French and Spanish."""
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MONTH = rf"(?P<name>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th|\.|er|º)?"
_YEAR = r"(?P<year>[0-9]{4})"
_MARK = r"(?:\s*[-/]\s*|\s+(?:of\s+|de\s+)?)"
_SPELLINGS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_YEAR}(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?:(?P=mark)(?P<day>[0-9]{{1,2}}))?",
        rf"{_YEAR}\s*年\s*(?P<month>[0-9]{{1,2}})\s*月(?:\s*(?P<day>[0-9]{{1,2}})\s*[日号])?",
        r"(?P<month>[0-9]{1,2})\s*月\s*(?P<day>[0-9]{1,2})\s*[日号]",
        rf"(?P<day>[0-9]{{1,2}})\.\s?(?P<month>[0-9]{{1,2}})\.\s?{_YEAR}",
        rf"(?P<first>[0-9]{{1,2}})(?P<mark>[-/])(?P<second>[0-9]{{1,2}})(?P=mark){_YEAR}",
        rf"(?P<month>[0-9]{{1,2}})[-/.]{_YEAR}",
        rf"(?:the\s+)?{_DAY}{_MARK}{_MONTH}(?:(?:\s*,\s*|{_MARK}){_YEAR})?",
        rf"{_MONTH}(?:{_MARK}|\s+the\s+){_DAY}(?:(?:\s*,\s*|{_MARK}){_YEAR})?",
        rf"{_YEAR}(?:\s*,\s*|{_MARK}){_MONTH}(?:{_MARK}{_DAY})?",
        rf"{_MONTH}(?:\s*,\s*|{_MARK}){_YEAR}",
    )
)
_LEAD = re.compile(rf"(?:on\s+|am\s+)?(?:(?:the\s+)?(?P<weekday>{'|'.join(_WEEKDAYS)})\s*,?\s*)?")
_MOST_CHARACTERS = 48


class CalendarDate(NamedTuple):
    """A date without what is not said: a year and a month, or a month and a day, or all three."""

    year: int | None
    month: int
    day: int | None


def read_date(text: str) -> CalendarDate | None:
    """The text as one date of the calendar, or None.

    `2025-03-01`, `2025/3/1`, `March 1, 2025`, `1st of March 2025`, `01.03.2025` (with dots the day comes
    first), `25/12/2025`, `2025年3月1日`, `March 2025`, `1 March`, with the right weekday or none; names of
    months in four languages. None where day and month may be either (`03/04/2025`), without four digits of
    the year, and for days that do not exist.
    """
    if len(text) > 4 * _MOST_CHARACTERS:
        return None
    plain = seen_as_ascii(unwrapped(text)).lower()
    lead = _LEAD.match(plain)
    core = plain[lead.end() :] if lead else plain
    if len(core) > _MOST_CHARACTERS or not (found := _first(core)):
        return None
    parts = found.groupdict()
    day, month, year = parts.get("day"), parts.get("month"), parts.get("year")
    if parts.get("first"):
        day, month = _ordered(parts["first"], parts["second"])
    month = _MONTHS[parts["name"]] if parts.get("name") else month
    if not month:
        return None
    read = CalendarDate(int(year) if year else None, int(month), int(day) if day else None)
    return read if _exists(read, lead and lead["weekday"]) else None


def _first(text: str) -> re.Match[str] | None:
    return next((match for pattern in _SPELLINGS if (match := pattern.fullmatch(text))), None)


def _ordered(first: str, second: str) -> tuple[str | None, str | None]:
    """(day, month) of two numbers, if only one order is a date, or both are the same."""
    if int(first) > 12 or first == second:
        return first, second
    return (second, first) if int(second) > 12 else (None, None)


def _exists(read: CalendarDate, weekday: str | None) -> bool:
    try:
        day = date(read.year or 2000, read.month, read.day or 1)  # 2000 has a 29th of February
    except ValueError:
        return False
    return not weekday or (None not in read and _WEEKDAYS[day.weekday()] == weekday)


def same_date(example: Example, response: Response) -> Score:
    """1 if the answer is the gold's date, else 0.

    Formula: equality of year, month and day as far as the gold says them; an answer that says more or less
    is another date. `03/04/2025` is unread, as it may be two dates, unless gold and answer are the same text.
    Range: {0, 1}; None if the gold is no date, or may be two. Source: ISO 8601 and the orders of the
    countries; no published reward compares dates.
    """
    gold = read_date(str(example.answer))
    if clear := clear_verdict(example, response, None if gold else "is not one date"):
        return clear
    answer = read_date(str(response.answer))
    if answer is None:
        return unreadable(response, "which is not one date")
    return verdict(answer == gold, example, response)
