"""Columns under the names that some trainers and data sets give them, renamed to those of a dialect.

Sources: OpenRLHF-M (`message`, `label`), OpenRLHF (`input`, `context_messages` as messages), MM-EUREKA
(`image_urls`, `answer` beside `conversations`), the Cauldron and FineVision (`texts`), Video-R1
(`path` with `data_type`), AI2D and many others (`options`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from seethink.sources.cells import as_mapping, listed
from seethink.sources.parsed_row import messages_in
from seethink.sources.row_reader import Row

_SAME = {
    "message": "messages",
    "context_messages": "messages",
    "input": "messages",
    "texts": "conversations",
    "image_urls": "images",
    "image_url": "image",
    "video_urls": "videos",
    "options": "choices",
}
"""Another name -> ours; the first four only where they hold messages."""
_OF_MESSAGES = ("message", "context_messages", "input", "texts")
_ANSWERED_BY = {
    "messages": ("solution",),
    "conversations": (),
    "prompt": ("solution", "answer", "completion"),
    "query": ("response",),
    "instruction": ("output",),
    "problem": ("answer", "solution"),
    "question": ("answer", "ground_truth", "final_answer"),
}
"""Column of a question -> those of its answer, in the dialect that has it."""
_ANSWERS = ("answer", "solution", "completion", "response", "output", "ground_truth", "final_answer", "label")
_ELSEWHERE = ("chosen", "rejected", "rejected_response", "rejected_messages", "reward_model")
"""Columns of dialects whose answers are not one column."""
_OPTION = re.compile(r"\(?([A-Z])[).:]\s*(\S.*)", re.DOTALL)


def renamed(row: Row) -> Row:
    """The row with its columns under the names of a dialect; unchanged, if it has them already."""
    if row.broken:
        return row
    values = dict(row.values)
    for name, ours in _SAME.items():
        value = values.get(name)
        if _is_empty(value) or not _is_empty(values.get(ours)):
            continue
        if name not in _OF_MESSAGES or (isinstance(messages_in(value), list) and messages_in(value)):
            values = _with_name(values, name, ours)
    if values.get("data_type") in ("image", "video") and isinstance(values.get("path"), str):
        values = _with_name(values, "path", values["data_type"])
    if not _is_empty(choices := values.get("choices")):
        listing = _listed_options(as_mapping(choices) or choices)
        values["choices"] = _unlettered(listing) if "choices" not in row.values else listing
    values = _with_answer(values)
    return row if values == row.values else replace(row, values=values, given=row.given or row.values)


def _with_answer(values: dict[str, Any]) -> dict[str, Any]:
    """The only answer of a row in the column that the dialect of its question has for it. A `label` is one if
    it is a text: truth values are verdicts on a response, and numbers are classes."""
    questions = [name for name in _ANSWERED_BY if not _is_empty(values.get(name))]
    given = [name for name in _ANSWERS if not _is_empty(values.get(name))]
    elsewhere = any(not _is_empty(values.get(name)) for name in _ELSEWHERE)
    if len(questions) != 1 or len(given) != 1 or elsewhere:
        return values
    (question,), (answer,) = questions, given
    if answer in _ANSWERED_BY[question] or (answer == "label" and not _is_text(values[answer])):
        return values
    if question == "conversations":
        return _with_name(_with_name(values, question, "messages"), answer, "solution")
    return _with_name(values, answer, _ANSWERED_BY[question][0])


def _is_text(value: Any) -> bool:
    (value,) = value if isinstance(value, list) and len(value) == 1 else (value,)
    return isinstance(value, str) and value.strip().casefold() not in ("true", "false")


def _with_name(values: Mapping[str, Any], name: str, ours: str) -> dict[str, Any]:
    """The same values in the same order; an empty column of our name gives way."""
    return {ours if key == name else key: value for key, value in values.items() if key != ours}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list) and not value)


def _listed_options(options: Any) -> Any:
    """The options of {"text": [...], "label": [...]}, or of an object by letter, as a list; any other value
    unchanged."""
    if not isinstance(options, Mapping):
        return options
    texts = options.get("text")
    if isinstance(texts, list):
        return texts
    return [*options.values()] if len(options) > 1 and _in_order(list(options)) else options


def _unlettered(options: Any) -> Any:
    """Options without the letters that stand before them, if all have theirs."""
    options = listed(options)
    if not isinstance(options, list) or not all(isinstance(one, str) for one in options):
        return options
    found = [match for one in options if (match := _OPTION.fullmatch(one.strip()))]
    lettered = len(found) > 1 and len(found) == len(options) and _in_order([match[1] for match in found])
    return [match[2] for match in found] if lettered else options


def _in_order(letters: list[str]) -> bool:
    return letters == [*ascii_uppercase[: len(letters)]]
