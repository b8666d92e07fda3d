"""The lenient reader: a final answer in whatever form it stands."""

from __future__ import annotations

import json
import re

from seethink.formats.lines import boxed
from seethink.types import Response

_FINALS = ("answer", "output", "CONCLUSION")
_ANY_TAG = re.compile(r"</?(?:think|caption|thoughts|SUMMARY|CAPTION|REASONING|answer|output|CONCLUSION)>")
_THOUGHT = re.compile(r"(?<=<think>).*?(?=</think>)", re.DOTALL)
_THINKS = re.compile(r"</?think>")
_JSON = re.compile(
    r'"FINAL ANSWER"\s*,\s*"content"\s*:\s*("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")', re.IGNORECASE
)
_PHRASE = re.compile(
    r"\b(?:answer|sum|total|count|number|difference|result|option|choice)(?:\*\*)?\s*(?:is\s*:?|:|=)(?:\*\*)?"
    r"\s*(.+?)(?=[.;](?:\s|$)|\n|$)"
    r"|\bthere\s+(?:is|are)\s+(-?\d+)",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\(?([A-J])(?:[.:)](?=\s|$)|\s*\n|\s*$)")
_OPTIONS = re.compile(r"(?<!\w)\(?([A-J])[.:)](?=\s|$)|^\(?([A-J])\)?[ \t]*$", re.MULTILINE)
_LONE_WORDS = 4
STEPWISE_WORDS = 6
"""With fewer words before its answer, a text answers at once. "I think the answer is" has five."""


def read_any(text: str) -> Response:
    """The final answer in any form, by precedence: the last answer tag that is closed, else the last that is
    open; the final answer of JSON steps; the last box; the last explicit phrase; a lone leading letter of an
    option, where no second option is named like it; a lone short text.

    What a thought says in passing is no final answer: tags inside it are not read, and without an answer tag
    only what follows the last thought is. `thought` is everything said before the answer, tags removed; None
    if nothing readable was found.
    """
    if (tagged := _tagged(text)) is not None:
        return _read(text, *tagged)
    rest = text.rpartition("</think>")[2]
    start = len(text) - len(rest)
    spoken = rest.partition("<think>")[0]
    if (told := _marked(spoken)) is not None:
        return _read(text, start + told[0], told[1])
    if spoken.strip() and len(spoken.split()) <= _LONE_WORDS and "<" not in rest:
        return _read(text, start, spoken)
    return Response(text=text, fault="no final answer in any form")


def _tagged(text: str) -> tuple[int, str] | None:
    """Where the answer's tag stands, and what it holds."""
    closing = text.rfind("</think>")
    shown = _THOUGHT.sub(lambda thought: " " * len(thought[0]), text[: closing + 8]) + text[closing + 8 :]
    closed, opened = [], []
    for name in _FINALS:
        start, end = f"<{name}>", f"</{name}>"
        if (last := shown.rfind(end)) >= 0 and (at := shown.rfind(start, 0, last)) >= 0:
            closed.append((at, shown[at + len(start) : shown.find(end, at)]))
        if (at := shown.rfind(start)) >= 0:
            opened.append((at, shown[at + len(start) :]))
    if not opened:
        return None
    at, told = max(closed or opened)
    return at, _THINKS.split(told)[0]


def _marked(spoken: str) -> tuple[int, str] | None:
    """Where an answer without a tag stands, and what it says."""
    if found := list(_JSON.finditer(spoken)):
        return found[-1].start(), json.loads(found[-1][1], strict=False)
    if boxes := boxed(spoken):
        return boxes[-1][0], boxes[-1][2]
    if found := list(_PHRASE.finditer(spoken)):
        return found[-1].start(), found[-1][1] or found[-1][2]
    letter = _LETTER.match(spoken.lstrip())
    if letter and {a or b for a, b in _OPTIONS.findall(spoken)} == {letter[1]}:
        return len(spoken) - len(spoken.lstrip()), letter[1]
    return None


def _read(text: str, start: int, told: str) -> Response:
    thought = " ".join(_ANY_TAG.sub(" ", text[:start]).split())
    bare = told.strip().removeprefix("**").removesuffix("**")
    answer = re.sub(r"^\$|\$$", "", bare.strip()).strip().rstrip(".")
    return Response(
        text=text, thought=thought or None, answer=answer or None, fault=None if answer else "empty answer"
    )


def by_steps(text: str) -> bool:
    """Whether the text reasons before it answers, in whatever form (at least `STEPWISE_WORDS` words)."""
    return len((read_any(text).thought or "").split()) >= STEPWISE_WORDS
