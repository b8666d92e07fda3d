"""Pictures, decoded on access and within a pixel limit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import PIL.Image

from seethink.media.resize import size_within
from seethink.types import InputError

MAX_PIXELS = 150_000_000
"""Decode limit: a picture whose header gives more pixels is rejected before it is decoded."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture from a file, from bytes or from a drawing function.

    `load` decodes; `size` reads the header only. Two pictures are equal if their keys are. where: the file,
    or a description of the source, for messages.
    """

    key: str
    where: str
    _open: Callable[[], PIL.Image.Image] = field(repr=False)
    kind: Literal["image"] = "image"

    @classmethod
    def file(cls, path: str | Path) -> Image:
        """A picture file. The key is made of path, file size and modification time; the file is not read yet.

        Raises InputError if there is no such file.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"there is no picture at {path}")
        stat = path.stat()
        return cls(
            f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}", str(path), lambda: PIL.Image.open(path)
        )

    @classmethod
    def data(cls, data: bytes, where: str) -> Image:
        """An encoded picture in memory; the key is the SHA-256 of `data`."""
        return cls(hashlib.sha256(data).hexdigest(), where, lambda: PIL.Image.open(io.BytesIO(data)))

    @classmethod
    def drawn(cls, key: str, draw: Callable[[], PIL.Image.Image]) -> Image:
        """A picture that `draw`, a pure function determined by `key`, creates on each access."""
        return cls(key, key, draw)

    def fit(self, max_px: int) -> Image:
        """The same picture, downscaled to at most `max_px` pixels."""
        return replace(self, key=f"{self.key}<{max_px}", _open=lambda: _downscaled(self._opened(), max_px))

    def load(self) -> PIL.Image.Image:
        """The decoded picture in RGB. Raises InputError, which names the file, if it is broken or exceeds
        `MAX_PIXELS`."""
        picture = self._opened()
        try:
            return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            picture.close()
            raise InputError(f"{self.where} is broken: {error}") from error

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the original, read from the header."""
        with self._opened() as picture:
            return picture.size

    def encoded(self) -> tuple[bytes, str]:
        """The encoded bytes of the file and their format, such as "PNG"; encoded as PNG if there is no
        file."""
        with self._opened() as picture:
            file = getattr(picture, "fp", None)
            if file is not None and picture.format:
                file.seek(0)
                return file.read(), picture.format
        buffer = io.BytesIO()
        self.load().save(buffer, "PNG")
        return buffer.getvalue(), "PNG"

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


def _downscaled(picture: PIL.Image.Image, max_px: int) -> PIL.Image.Image:
    size = size_within(picture.width, picture.height, max_px)
    return picture if size == picture.size else picture.convert("RGB").resize(size)
