"""A user's preference pairs: `prompt`, `chosen`, `rejected`, as TRL and most data sets name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seethink.sources import records
from seethink.types import MEDIA_MARK, Example, Format, InputError, Pair

PREFERENCES = records.Dialect(
    "preferences", ("prompt", "chosen", "rejected"), lambda row: records.Told(row.values.get("prompt"), None)
)


def read_pairs(path: Path, form: Format, images: Path | None = None) -> tuple[Pair, ...]:
    """Every row of a file as a pair of whole assistant turns, asked in `form`.

    Pictures as in `records.read`; all are opened before this returns. The first fault raises InputError
    naming file, row and mend.
    """
    path = Path(path)
    folder = Path(images) if images else path if path.is_dir() else path.parent
    pairs = tuple(_pair(row, form, folder) for row in records.rows_of(path))
    if not pairs:
        raise InputError(f"{path} holds no rows")
    return pairs


def _pair(row: records.Row, form: Format, folder: Path) -> Pair:
    records.check_columns(row, PREFERENCES)
    question = row.values.get("prompt")
    if not isinstance(question, str) or not question.strip():
        row.refuse("there is no prompt; it must be a text that is not empty")
    pictures = records.pictures_of(row, folder)
    if (marks := MEDIA_MARK.findall(question)) and len(marks) != len(pictures):
        row.refuse(
            f"the prompt marks {len(marks)} picture(s), but the row has {len(pictures)}; mark all or none"
        )
    for picture in pictures:
        records.look_at(picture, row)
    given = row.values.get("id")
    example = Example(f"{row.file.stem}-{row.number}" if given is None else str(given), question, pictures)
    better, worse = (_text(row, column) for column in ("chosen", "rejected"))
    if better == worse:
        row.refuse("chosen and rejected are the same text; nothing can be preferred")
    return Pair(example, form, better, worse)


def _text(row: records.Row, column: str) -> str:
    """A text, or one assistant message that holds it."""
    value: Any = row.values.get(column)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0].get("content")
    if not isinstance(value, str) or not value.strip():
        row.refuse(f"{column} must be a text, or one assistant message with a text, not {value!r:.40}")
    return value
