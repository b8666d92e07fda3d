"""Paths and texts of the user's, safe to test and short enough for a message."""

from __future__ import annotations

import re
from pathlib import Path

from seethink.types import InputError


class MissingMedium(InputError):
    """There is no file at the path of a picture or clip, of kind `word`."""

    def __init__(self, word: str, path: Path) -> None:
        self.path, self.is_folder = shown(path), is_folder(path)
        where = f"{self.path}, which is a folder" if self.is_folder else self.path
        super().__init__(f"there is no {word} at {where}")


SHOWN_CHARACTERS = 300
"""A longer text is shortened in messages: a picture in base64 stands where a path was expected."""


def shown(value: object) -> str:
    """`value` for a message: whole up to `SHOWN_CHARACTERS`, else its beginning, end and length."""
    text = str(value)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:120]}...{text[-40:]} ({len(text):,} characters)"


_PLACE = re.compile(r"^(?=/|[A-Za-z]:[/\\]|\\\\).*[/\\]([^/\\]*?:\d+):-?\d+", re.DOTALL)


def file_key(path: Path) -> str:
    """The identity of a file as it is now: path, size in bytes and modification time."""
    stat = path.stat()
    return f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"


def without_place(key: str) -> str:
    """The key of a medium without folder and time of its file, so that a copy has the same; other keys, such
    as those of drawn media, are left as they are."""
    return _PLACE.sub(r"\1", key, count=1)


def is_folder(path: Path) -> bool:
    """Whether there is a folder; False also for what cannot be a path."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: str | Path) -> bool:
    """Whether there is a file; False also for what cannot be a path, such as a text of 5,000 characters."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
