"""A user's preference pairs: `prompt`, `chosen`, `rejected`, as TRL and most data sets name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.sources import records
from seethink.sources.dialects import PREFERENCES
from seethink.sources.rows import Row
from seethink.types import Example, Format, Pair


def read_pairs(
    path: Path, form: Format, images: Path | None = None, clips: Mapping[str, Any] | None = None
) -> tuple[Pair, ...]:
    """Every row of a file as a pair of whole assistant turns, asked in `form`.

    Ids and media as in `records.read`. The first fault raises InputError naming file, row and mend.
    """
    rows, place = records.located(path, images, clips)
    examples = records.checked(rows, (asked(row, place) for row in rows))
    return tuple(to_pair(row, example, form) for row, example in zip(rows, examples, strict=True))


def asked(row: Row, place: records.Place) -> Example:
    records.check_columns(row, PREFERENCES)
    return records.ask(row, PREFERENCES.tell(row), PREFERENCES, place)


def to_pair(row: Row, example: Example, form: Format) -> Pair:
    better, worse = (_text(row, column) for column in ("chosen", "rejected"))
    if better == worse:
        row.refuse("chosen and rejected are the same text; nothing can be preferred", kind="equal pair")
    return Pair(example, form, better, worse)


def _text(row: Row, column: str) -> str:
    """A text, or one assistant message that holds it."""
    value: Any = row.values.get(column)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0].get("content")
    if not isinstance(value, str) or not value.strip():
        row.refuse(f"{column} must be a text, or one assistant message with a text, not {value!r:.40}")
    return value
