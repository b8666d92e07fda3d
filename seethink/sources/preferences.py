"""A user's preference pairs: columns `prompt`, `chosen`, `rejected`, as in TRL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.sources import records
from seethink.sources.dialects import PREFERENCES
from seethink.sources.row_reader import Row
from seethink.types import Example, Format, PreferencePair


def read_pairs(
    path: Path, form: Format, media_root: Path | None = None, video_options: Mapping[str, Any] | None = None
) -> tuple[PreferencePair, ...]:
    """All rows of a file as pairs of whole assistant turns, prompted in `form`.

    Ids, media and parameters as in `records.read`. The first fault raises InputError with file, row and fix.
    """
    rows, settings = records.open_rows(path, media_root, video_options)
    examples = records.validated(rows, (prompt_example(row, settings) for row in rows))
    return tuple(to_pair(row, example, form) for row, example in zip(rows, examples, strict=True))


def prompt_example(row: Row, settings: records.MediaSettings) -> Example:
    """The prompt that both responses answer, as an Example. Raises RowError."""
    records.check_columns(row, PREFERENCES)
    return records.question_example(row, PREFERENCES.parse(row), PREFERENCES, settings)


def to_pair(row: Row, example: Example, form: Format) -> PreferencePair:
    """The row's two responses to `example`. Raises RowError if one is missing or both are equal."""
    better, worse = (_text(row, column) for column in ("chosen", "rejected"))
    if better == worse:
        row.refuse("chosen and rejected are the same text; give two different responses", kind="equal pair")
    return PreferencePair(example, form, better, worse)


def _text(row: Row, column: str) -> str:
    """A text, or the text of a list of one assistant message."""
    value: Any = row.values.get(column)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0].get("content")
    if not isinstance(value, str) or not value.strip():
        row.refuse(f"{column} must be a text, or one assistant message with a text, not {value!r:.40}")
    return value
