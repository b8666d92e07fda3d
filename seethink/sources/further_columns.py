"""Columns of a row that its dialect does not have: what is kept in meta, and what is refused, since it may be
a slip of the pen or say what a method would need."""

from __future__ import annotations

import datetime
import decimal
import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.media.paths import is_file
from seethink.sources import image_folder
from seethink.sources.cells import listed
from seethink.sources.dialects import DIALECTS, MEDIA, UNUSABLE, Dialect
from seethink.sources.row_reader import Row

SLIP = 0.81
"""Similarity to a column's name from which on another name is a slip of the pen."""
_STEPS = ("cot", "explanation", "rationale", "reasoning", "think", "thinking", "thought", "thoughts")
_OPTIONS = ("candidates", "options")
_TAKEN = frozenset(name for dialect in DIALECTS for name in {*dialect.own} - {*dialect.kept})
"""Columns that some dialect reads: in a row of another one, nobody knows which of them is meant."""
_OFTEN_BESIDE = ("task", "image_path", "text")
"""Those that data sets also give beside columns of any dialect; `text` is Alpaca's whole prompt."""
_OF_MEDIA = re.compile(
    r"(?:.*[_\-. ])?(?:image|img|photo|picture|pic|video|clip)s?(?:[_\-. ].*)?", re.IGNORECASE
)
"""Name of a column that may be meant for a medium."""
_NOTHING = ("", "[]", "{}", "null")


def further_columns(row: Row, dialect: Dialect, root: Path) -> list[str]:
    """The columns with a value that the dialect does not have and that are kept in meta: those that no
    dialect reads, that are no slip of the pen, and that hold no medium. Raises RowError for the others.

    root: the folder that paths of media start from."""
    found: list[str] = []
    asks = any(not is_blank(row.values.get(name)) for name in dialect.own)
    for name, value in row.values.items():
        if is_blank(value) or name in dialect.columns or name in dialect.unused:
            continue
        if name in UNUSABLE and not (asks and name in _OFTEN_BESIDE):
            row.refuse(f"the column {name!r} is {UNUSABLE[name]}; leave the row out", kind="layout")
        if dialect.is_open:
            continue
        hint = _meant(row, name, dialect, root)
        if hint is not None:
            row.refuse(
                f"unknown column {name!r}; {hint} Rename it, or move it into 'meta'", kind="unknown column"
            )
        found.append(name)
    return found


def refuse_without_answer(row: Row, further: list[str], dialect: Dialect) -> None:
    """Raise RowError for the first further column of a row without an answer: it may be the answer."""
    if further:
        columns = ", ".join(dialect.columns)
        row.refuse(
            f"unknown column {further[0]!r}; the columns are {columns}. Rename it, or move it into 'meta'",
            kind="unknown column",
        )


def is_blank(value: Any) -> bool:
    """Whether a cell holds nothing, as tables and JSON write it: null, NaN, an empty text, list or object,
    also written as text."""
    if isinstance(value, str):
        return value.strip() in _NOTHING
    return value is None or value in ([], {}) or (isinstance(value, float) and math.isnan(value))


def kept(value: Any) -> Any:
    """The value as JSON can hold it: dates and decimals of tables as text."""
    if isinstance(value, Mapping):
        return {str(name): kept(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [kept(one) for one in value]
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta | decimal.Decimal):
        return str(value)
    return value


def _meant(row: Row, name: str, dialect: Dialect, root: Path) -> str | None:
    """The hint for a column that may be meant for one of the dialect's; None for any other."""
    filled = {one for one in dialect.columns if not is_blank(row.values.get(one))}
    near = difflib.get_close_matches(name, dialect.columns, n=1)
    close = difflib.get_close_matches(name, dialect.columns, n=1, cutoff=SLIP)
    if close and (close[0] not in filled or not _extends(name, close[0])):
        return f"did you mean {close[0]!r}?"
    if name in _TAKEN and name not in _OFTEN_BESIDE:
        return f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(dialect.columns)}."
    for ours, names in (("steps", _STEPS), ("choices", _OPTIONS)):
        if name.casefold() in names and ours not in filled and not filled & {*_STEPS}:
            return f"did you mean {ours!r}?"
    value, has_others = row.values[name], bool(filled & {*MEDIA, "image_path"})
    named = _OF_MEDIA.fullmatch(name) and isinstance(value, str) and not value.isdigit() and not has_others
    if named or _holds_medium(value, root, has_others):
        return "it holds a picture or a clip: did you mean 'image' or 'video'?"
    return None


def _extends(name: str, known: str) -> bool:
    """Whether a name is made of a known one: `question_id`, `answers`."""
    return known in (*re.split(r"[_\-. ]", name), name.removesuffix("s"))


def _holds_medium(value: Any, root: Path, has_others: bool) -> bool:
    """Whether a value is encoded, or the name of a medium: beside media of the row, of one that is there,
    since data sets name the sources of their pictures."""
    value = listed(value)
    if isinstance(value, list):
        return any(_holds_medium(one, root, has_others) for one in value)
    if isinstance(value, bytes):
        return True
    if isinstance(value, Mapping):
        return value.get("bytes") is not None or any(
            _holds_medium(value.get(key), root, has_others) for key in ("path", "url", "image", "video")
        )
    if not isinstance(value, str):
        return False
    if value.lstrip().startswith(("data:image/", "data:video/")):
        return True
    return image_folder.names_medium(value) and (not has_others or is_file(root / value))
