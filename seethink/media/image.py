"""Pictures, decoded on access and within a pixel limit."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import PIL.Image

from seethink.media import decoding, whole
from seethink.media.decoding import MAX_PIXELS, PictureError
from seethink.media.paths import MissingMedium, file_key, is_file
from seethink.media.resize import size_within
from seethink.types import InputError

__all__ = ["MAX_PIXELS", "Image", "PictureError"]

LOSSLESS_PX = 1_500_000
"""A picture that was compressed with losses and is larger than this is encoded again with few losses (JPEG of
quality 95): as PNG, a phone's photograph exceeds what servers take."""
_LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Image:
    """A picture from a file, from bytes or from a drawing function: upright, in RGB, transparent parts white.

    `load` decodes; `size` reads the header only. Two pictures are equal if their keys are. where: the file,
    or a description of the source, for messages. max_px: larger pictures are downscaled to it.
    """

    key: str
    where: str
    source: Path | bytes | Callable[[], PIL.Image.Image] = field(repr=False)
    max_px: int | None = None
    kind: Literal["image"] = "image"

    @classmethod
    def file(cls, path: str | Path) -> Image:
        """A picture file. The key is made of path, file size and modification time; the file is not read yet.

        Raises InputError if there is no such file.
        """
        path = Path(path)
        if not is_file(path):
            raise MissingMedium("picture", path)
        return cls(file_key(path), str(path), path)

    @classmethod
    def data(cls, data: bytes, where: str) -> Image:
        """An encoded picture in memory; the key is the SHA-256 of `data`."""
        return cls(hashlib.sha256(data).hexdigest(), where, data)

    @classmethod
    def drawn(cls, key: str, draw: Callable[[], PIL.Image.Image]) -> Image:
        """A picture that `draw`, a pure function determined by `key`, creates on each access."""
        return cls(key, key, draw)

    def fit(self, max_px: int) -> Image:
        """The same picture, downscaled to at most `max_px` pixels."""
        return replace(self, key=f"{self.key}<{max_px}", max_px=min(max_px, self.max_px or max_px))

    def load(self) -> PIL.Image.Image:
        """The decoded picture in RGB. `info["white"]` is the sample that is shown white, for a picture of 16
        bits. Raises PictureError, which names the file, if it is broken, exceeds `MAX_PIXELS` or is no
        picture that can be shown."""
        with self._opened() as picture:
            if not callable(self.source) and (why := whole.cut_short(self.source)):
                raise PictureError(f"{self.where} is cut short: {why}")
            try:
                rgb = decoding.upright_rgb(picture, self.stored_bytes)
            except InputError as error:
                raise PictureError(f"{self.where} {error}", "unreadable picture") from error
            except Exception as error:  # Pillow's decoders raise errors of many kinds at broken files
                if callable(self.source):
                    raise
                raise PictureError(f"{self.where} {decoding.fault(error)}: {error}") from error
        if "white" in rgb.info:
            _say_scale(rgb.info["white"], self.where)
        size = self._within(rgb.size)
        return rgb if size == rgb.size else rgb.resize(size)

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels as `load` returns it, read from the header, once."""
        return self._within(self._upright_size)

    @cached_property
    def _upright_size(self) -> tuple[int, int]:
        with self._opened() as picture:
            return decoding.upright_size(picture)

    def encoded(self, formats: Collection[str] | None = None) -> tuple[bytes, str]:
        """Bytes that any decoder shows as `load` does, and their format, such as "PNG".

        The bytes of the file where they are that already and of one of `formats` (None: of any); else PNG,
        or JPEG for a large photograph (`LOSSLESS_PX`).
        """
        file_format, as_stored = self._storage()
        given = "JPEG" if file_format == "MPO" else file_format  # its first picture is a JPEG
        if as_stored and (formats is None or given in formats):
            return self.stored_bytes() or b"", given
        picture, buffer = self.load(), io.BytesIO()
        if file_format in _LOSSY and picture.width * picture.height > LOSSLESS_PX:
            picture.save(buffer, "JPEG", quality=95, subsampling=0)
            return buffer.getvalue(), "JPEG"
        picture.save(buffer, "PNG")
        return buffer.getvalue(), "PNG"

    def as_stored(self) -> bool:
        """Whether any decoder shows the file as `load` does; False for a drawn picture."""
        return self._storage()[1]

    def _storage(self) -> tuple[str, bool]:
        """(format, `as_stored`); the format of a drawn picture is empty."""
        if callable(self.source):
            return "", False
        with self._opened() as picture:
            whole = self._within(picture.size) == picture.size
            return picture.format or "", whole and decoding.as_stored(picture)

    def stored_bytes(self) -> bytes | None:
        """The file as it is; None for a drawn picture."""
        if callable(self.source):
            return None
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def _within(self, size: tuple[int, int]) -> tuple[int, int]:
        return size if self.max_px is None else size_within(*size, self.max_px)

    def _opened(self) -> PIL.Image.Image:
        if not callable(self.source):
            return decoding.opened(self.source, self.where)
        picture = self.source()
        decoding.refuse(picture, self.where)
        return picture

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


_SAID: set[int] = set()
_named = ContextVar("_named", default=False)


@contextmanager
def scales_named() -> Iterator[None]:
    """Inside, the scale of 16-bit pictures is not logged: the caller names every one."""
    token = _named.set(True)
    try:
        yield
    finally:
        _named.reset(token)


def _say_scale(white: int, where: str) -> None:
    """Log each scale once in a process, at its first picture."""
    if white not in _SAID and not _named.get():
        _SAID.add(white)
        _LOG.warning(
            "%s has 16 bits a sample: 0 is shown black, %s white; `seethink check --decode` names every such "
            "picture",
            where,
            f"{white:,}",
        )
