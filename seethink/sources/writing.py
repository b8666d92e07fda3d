"""Examples written for other trainers, and in our own dialect: a folder with one data file and its media."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from seethink.sources.layouts import LAYOUTS
from seethink.sources.shelf import Shelf
from seethink.types import Example, InputError


def write(examples: Sequence[Example], folder: Path, dialect: str = "ours", copy: bool = True) -> None:
    """The examples as `folder`, which must not hold anything yet; there as a whole or not at all.

    copy: media are copied into the folder (into the file, where it is parquet), else rows refer to them.
    Clips go by path alone where the dialect has no place for the choice of frames. Raises InputError.
    """
    if dialect not in LAYOUTS:
        raise InputError(f"unknown dialect {dialect!r}; the dialects are {', '.join(LAYOUTS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; name a folder that is not, or empty it")
    if unanswered := next((example.id for example in examples if example.answer is None), None):
        raise InputError(f"example {unanswered} has no answer; give it one or leave it out")
    layout = LAYOUTS[dialect]
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        shelf = Shelf(part, copy)
        layout.save((layout.row(example, shelf) for example in examples), part)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
