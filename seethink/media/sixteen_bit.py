"""Pictures of 16 bits a sample as 8-bit ones.

Black is 0. White is 65,535 where the file declares its range; else the smallest 2^n - 1, at least 255, that
no sample exceeds, so that a 12-bit scan stored in 16 bits keeps its shades.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import PIL.Image

from seethink.types import InputError

if TYPE_CHECKING:
    import numpy as np

FULL = 65_535
_FFMPEG_CODECS = {"PNG": "png", "TIFF": "tiff", "PPM": "ppm"}
_NO_SCALE = "convert it to 8 bits"


def raw_layout(picture: PIL.Image.Image) -> tuple[Any, ...]:
    """Pillow's layout of the stored samples, such as ("RGB;16B",) or ("RGB", 4095); empty for a picture that
    is loaded already."""
    tiles: Any = getattr(picture, "tile", [])
    layout = tiles[0][3] if tiles else ()
    return layout if isinstance(layout, tuple) else (layout,)


def is_deep(raw: tuple[Any, ...]) -> bool:
    """Whether a layout has 16-bit samples of which Pillow keeps the upper 8 bits."""
    return bool(raw) and (";16" in str(raw[0]) or raw[:2] == ("RGB", FULL))


def is_integer_of_16_bits(picture: PIL.Image.Image) -> bool:
    """Whether a picture of Pillow's 32-bit mode "I" was stored in 16 bits: PGM, or signed TIFF."""
    bits = picture.tag_v2.get(258, (32,)) if picture.format == "TIFF" else (32,)  # type: ignore[attr-defined]
    return picture.format == "PPM" or bits[0] == 16


def grey(picture: PIL.Image.Image, raw: tuple[Any, ...]) -> tuple[PIL.Image.Image, int] | None:
    """(grey picture as RGB, sample shown as white) of one channel of 16 bits; None for other pictures.

    A transparent sample (PNG's tRNS) is shown white. raw: its layout before it was loaded.
    """
    if picture.mode != "I" and not picture.mode.startswith("I;16"):
        return None
    import numpy as np

    values = np.asarray(picture)
    if values.min() < 0:
        raise InputError(f"has negative samples, down to {values.min()}; {_NO_SCALE}")
    stretched = len(raw) > 1 and picture.format == "PPM" and raw[1] != FULL  # by Pillow, from its maximum
    white = FULL if stretched else _white(values)
    shades = _shades(white)[values]
    if picture.format == "TIFF" and picture.tag_v2.get(262) == 0:  # type: ignore[attr-defined]
        shades = 255 - shades  # "white is zero"
    if isinstance(clear := picture.info.get("transparency"), int):
        shades = np.where(values == clear, np.uint8(255), shades)
    return PIL.Image.fromarray(shades).convert("RGB"), white


def colour(
    picture: PIL.Image.Image, raw: tuple[Any, ...], data: Callable[[], bytes | None]
) -> tuple[PIL.Image.Image, int] | None:
    """(RGB picture as stored, sample shown as white) of a colour picture of 16 bits whose upper 8 bits are
    not enough: it is dark, or has a transparent colour. None for others. data: reads the file."""
    if not is_deep(raw) or picture.mode not in ("RGB", "RGBA"):
        return None
    bands: Any = picture.getextrema()
    if max(high for _, high in bands[:3]) > 127 and "transparency" not in picture.info:
        return None
    import numpy as np

    file = data()
    if file is None or picture.format not in _FFMPEG_CODECS or "RGBa" in str(raw[0]):
        raise InputError(f"has dark 16-bit colours, of which only 8 bits can be read; {_NO_SCALE}")
    samples = _samples(file, _FFMPEG_CODECS[picture.format])
    inks, alpha = samples[..., :3], samples[..., 3:].astype(np.float32) / FULL
    white = _white(inks)
    shown = _shades(white)[inks] * alpha + 255 * (1 - alpha)
    return PIL.Image.fromarray(np.rint(shown).astype(np.uint8)), white


def _white(values: np.ndarray) -> int:
    return 2 ** max(8, int(values.max()).bit_length()) - 1


def _shades(white: int) -> np.ndarray:
    """(65536,) the 8-bit shade of every sample."""
    import numpy as np

    return np.rint(np.minimum(np.arange(FULL + 1), white) * (255 / white)).astype(np.uint8)


def _samples(data: bytes, codec: str) -> np.ndarray:
    """(H, W, 4) all 16 bits of red, green, blue and alpha, decoded by FFmpeg."""
    import av
    from av.error import FFmpegError

    try:
        decoder = av.CodecContext.create(codec, "r")
        frames: list[Any] = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]  # type: ignore[attr-defined]
    except FFmpegError as error:
        raise InputError(f"has 16-bit colours that cannot be decoded ({error}); {_NO_SCALE}") from error
    return frames[0].to_ndarray(format="rgba64le")
