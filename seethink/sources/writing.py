"""Export of examples for this and other trainers: a folder with one data file and its media."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty; give a new folder, or empty it")
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        store = MediaStore(part, copy)
        rows = (writer.row(_answered(one) if writer.answered else one, store) for one in examples)
        writer.save(rows, part)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _answered(example: Example) -> Example:
    if example.answer is None:
        raise InputError(f"{example.label} has no answer; give it one or leave it out")
    return example
