"""Reading back what a run wrote, a row at a time, and the one rule that calls an attempt right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seethink.types import InputError

Row = dict[str, Any]
Verdict = bool | None
"""Right, wrong, or None: could not be judged."""

RIGHT_FROM = 0.5
"""A graded score counts as right from here on, as overlap of boxes commonly does."""


def read_rows(path: Path, needed: tuple[str, ...]) -> Iterator[Row]:
    """The objects of a JSONL file. Raises InputError naming the line that is not JSON or lacks a field."""
    if not path.is_file():
        raise InputError(f"there is no {path}; run its stage again")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(
                    f"{path}, line {number} is not JSON ({error}); run its stage again"
                ) from error
            missing = [name for name in needed if not isinstance(row, dict) or name not in row]
            if missing:
                raise InputError(f"{path}, line {number} lacks {', '.join(missing)}; run its stage again")
            yield row


def read_attempts(path: Path) -> Iterator[Row]:
    return read_rows(path, ("task", "id", "question", "media", "gold", "text", "value", "why", "parts"))


def verdict(row: Mapping[str, Any], headline: str) -> Verdict:
    """Whether the attempt is right by its `headline` part; a score without that part is taken as a whole."""
    value = row["parts"].get(headline, row)["value"]
    return None if value is None else value >= RIGHT_FROM
