"""Images embedded in a page as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from seethink.media import Image

LOSSLESS_PX = 256
"""Images whose long side is at most this are embedded losslessly; larger ones are shrunk and compressed."""
SHRUNK_PX = 448
SHOWN_PX = 224
"""Smaller images are magnified by an integer factor up to this side, without interpolation."""


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
    small = max(image.size) <= LOSSLESS_PX
    if not small:
        image.thumbnail((SHRUNK_PX, SHRUNK_PX))
    data = io.BytesIO()
    image.save(data, "WEBP", lossless=small, quality=80)
    factor = max(1, SHOWN_PX // max(image.size))
    source = "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode("ascii")
    width, height = image.width * factor, image.height * factor
    return EmbeddedImage(source, width, height, magnified=factor > 1, original=original)
