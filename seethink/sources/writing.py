"""Export of examples for this and other trainers: a folder with one data file and its media."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seethink.lock import writable
from seethink.sources.json_rows import value_fault
from seethink.sources.media_store import MediaStore
from seethink.sources.row_writers import ROW_WRITERS, RowWriter
from seethink.types import Example, InputError


def by_name(dialect: str) -> RowWriter:
    """The writer of an export dialect. Raises InputError for an unknown name."""
    if dialect not in ROW_WRITERS:
        raise InputError(f"unknown dialect {dialect!r}; the dialects are {', '.join(ROW_WRITERS)}")
    return ROW_WRITERS[dialect]


def write(examples: Iterable[Example], folder: Path, dialect: str = "ours", copy: bool = True) -> None:
    """Write examples to `folder`, which must be new or empty. The folder appears complete or not at all.

    copy: copy the media into the folder (for parquet into the file), else rows reference them. Dialects
    without columns for frame selection store only the path of a clip. Raises InputError.
    """
    writer = by_name(dialect)
    with writable(folder, "choose another folder"):
        _write(examples, folder, writer, copy)


def _write(examples: Iterable[Example], folder: Path, writer: RowWriter, copy: bool) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty; give a new folder, or empty it")
    part = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        store = MediaStore(part, copy)
        rows = (_row(one, writer, store) for one in examples)
        writer.save(rows, part)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _row(example: Example, writer: RowWriter, store: MediaStore) -> dict[str, Any]:
    if writer.answered and example.answer is None:
        if "pref" in example.meta:
            pairs = ", ".join(name for name, one in ROW_WRITERS.items() if one.pairs)
            raise InputError(
                f"{example.label} is a pair of responses; the dialects that hold one are {pairs}"
            )
        raise InputError(f"{example.label} has no answer; give it one or leave it out")
    row = writer.row(example, store)
    if fault := value_fault(row):
        raise InputError(f"{example.label} cannot be written: {fault[1]}")
    return row
