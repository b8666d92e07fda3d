"""Images embedded in a page as data URIs."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from seethink.media import Image

LOSSLESS_PX = 256
"""Images whose long side is at most this are embedded losslessly; larger ones are shrunk and compressed."""
SHRUNK_PX = 448
SHOWN_PX = 224
"""Smaller images are magnified by an integer factor up to this side, without interpolation."""
LEAST_PX = 64
"""Images are never shrunk below this side, whatever they take."""
BYTES_PER_PX = 0.12
"""About what a photograph takes as WebP of quality 80: where to begin with a limit in bytes."""


@dataclass(frozen=True)
class EmbeddedImage:
    """source: a data URI. width, height: size on the page in CSS pixels. original: (width, height) of the
    file in pixels."""

    source: str
    width: int
    height: int
    magnified: bool
    original: tuple[int, int]


def embed_image(path: Path) -> EmbeddedImage:
    """Raises InputError naming the file where it is missing or broken."""
    image = Image.file(path).load()
    original = image.size
    if not (small := max(original) <= LOSSLESS_PX):
        image.thumbnail((SHRUNK_PX, SHRUNK_PX))
    data = base64.b64encode(_webp(image, lossless=small)).decode("ascii")
    factor = max(1, SHOWN_PX // max(image.size))
    width, height = image.width * factor, image.height * factor
    return EmbeddedImage("data:image/webp;base64," + data, width, height, factor > 1, original)


def picture_within(path: Path, max_bytes: int) -> bytes:
    """The image as WebP of at most `max_bytes`, shrunk as far as that takes, but not below `LEAST_PX`. Raises
    InputError naming the file where it is missing or broken."""
    image = Image.file(path).load()
    if max(image.size) <= LOSSLESS_PX and len(data := _webp(image, lossless=True)) <= max_bytes:
        return data
    side = max(LEAST_PX, min(SHRUNK_PX, math.isqrt(int(max_bytes / BYTES_PER_PX))))
    while True:
        image.thumbnail((side, side))
        data = _webp(image, lossless=False)
        if len(data) <= max_bytes or side <= LEAST_PX:
            return data
        side = max(LEAST_PX, int(side * min(0.9, (max_bytes / len(data)) ** 0.5)))


def _webp(image: PIL.Image.Image, lossless: bool) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", lossless=lossless, quality=80)
    return data.getvalue()
