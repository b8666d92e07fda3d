"""Pictures, loaded only when somebody looks at them, and never more than the limits allow."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import PIL.Image

from seethink.types import InputError

MAX_PIXELS = 150_000_000
"""Decode limit: a picture that claims more pixels than this is refused before it is decoded."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: a file, bytes, or something we draw. `load()` decodes, `size()` reads the header alone."""

    key: str
    where: str
    _open: Callable[[], PIL.Image.Image] = field(repr=False)
    kind: Literal["image"] = "image"

    @classmethod
    def file(cls, path: str | Path) -> Image:
        """Identity is path, size and time of change, so that nothing is read until it is needed."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"there is no picture at {path}")
        stat = path.stat()
        return cls(
            f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}", str(path), lambda: PIL.Image.open(path)
        )

    @classmethod
    def data(cls, data: bytes, where: str) -> Image:
        return cls(hashlib.sha256(data).hexdigest(), where, lambda: PIL.Image.open(io.BytesIO(data)))

    @classmethod
    def drawn(cls, key: str, draw: Callable[[], PIL.Image.Image]) -> Image:
        """`draw` must be a pure function that `key` identifies."""
        return cls(key, key, draw)

    def load(self) -> PIL.Image.Image:
        """The decoded picture, RGB. Raises InputError naming the file when it is broken or beyond
        `MAX_PIXELS`."""
        picture = self._opened()
        try:
            return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"{self.where} is broken: {error}") from error

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the original, from the header."""
        with self._opened() as picture:
            return picture.size

    def _opened(self) -> PIL.Image.Image:
        try:
            picture = self._open()
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            raise InputError(f"{self.where} cannot be read as a picture: {error}") from error
        if picture.width * picture.height > MAX_PIXELS:
            raise InputError(
                f"{self.where} has {picture.width} x {picture.height} pixels, more than {MAX_PIXELS:,}"
            )
        return picture

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def keep(image: Image, folder: Path) -> str:
    """Save a picture once as PNG under `folder`; returns its path relative to the folder's parent."""
    path = folder / f"{hashlib.sha256(image.key.encode()).hexdigest()[:16]}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        image.load().save(part, format="PNG")
        os.replace(part, path)
    return f"{folder.name}/{path.name}"
