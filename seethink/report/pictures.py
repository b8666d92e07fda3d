"""Pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from seethink.media import Image

KEPT_PX = 256
"""Up to this long side a picture is kept exactly, pixel by pixel; beyond it, it is shrunk and compressed."""
SHRUNK_PX = 448
SHOWN_PX = 224
"""Smaller pictures are magnified by whole factors up to this side, their pixels left square."""


@dataclass(frozen=True)
class Picture:
    """`source` is a data URI; `width` and `height` are the size to show, in CSS pixels."""

    source: str
    width: int
    height: int
    magnified: bool


def embed(path: Path) -> Picture:
    """Raises InputError naming the file when it is missing or broken."""
    picture = Image.file(path).load()
    small = max(picture.size) <= KEPT_PX
    if not small:
        picture.thumbnail((SHRUNK_PX, SHRUNK_PX))
    data = io.BytesIO()
    picture.save(data, "WEBP", lossless=small, quality=80)
    times = max(1, SHOWN_PX // max(picture.size))
    source = "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode("ascii")
    return Picture(source, picture.width * times, picture.height * times, magnified=times > 1)
