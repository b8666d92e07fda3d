"""Examples written for other trainers, and in our own dialect: a folder with one data file and its media."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from seethink.sources.layouts import LAYOUTS, Layout
from seethink.sources.shelf import Shelf
from seethink.types import Example, InputError


def by_name(dialect: str) -> Layout:
    if dialect not in LAYOUTS:
        raise InputError(f"unknown dialect {dialect!r}; the dialects are {', '.join(LAYOUTS)}")
    return LAYOUTS[dialect]


def write(examples: Iterable[Example], folder: Path, dialect: str = "ours", copy: bool = True) -> None:
    """The examples as `folder`, which must not hold anything yet; there as a whole or not at all.

    copy: media are copied into the folder (into the file, where it is parquet), else rows refer to them.
    Clips go by path alone where the dialect has no place for the choice of frames. Raises InputError.
    """
    layout = by_name(dialect)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; name a folder that is not, or empty it")
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        shelf = Shelf(part, copy)
        layout.save((layout.row(_answered(example), shelf) for example in examples), part)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _answered(example: Example) -> Example:
    if example.answer is None:
        raise InputError(f"example {example.id} has no answer; give it one or leave it out")
    return example
