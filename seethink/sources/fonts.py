"""The fonts that matplotlib carries, so that what we print looks the same on every machine."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import PIL.ImageFont


@cache
def font(name: str, size_px: int) -> PIL.ImageFont.FreeTypeFont:
    import matplotlib

    return PIL.ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size_px)
