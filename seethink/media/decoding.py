"""From a picture file to upright RGB pixels on white: the formats that are read, and everything that is
refused before a pixel is decoded.

Orientation follows EXIF (or XMP) as `PIL.ImageOps.exif_transpose` does. Transparent pixels show white paper.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import PIL.Image
from PIL.Image import Transpose

from seethink.media import signatures, sixteen_bit, whole
from seethink.types import InputError

MAX_PIXELS = 150_000_000
"""Decode limit: a picture whose header gives more pixels is rejected before it is decoded."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "MPO")
"""Pillow's names of the formats that are read. Its other decoders are never called."""

_LOG = logging.getLogger(__name__)
# Pillow's own limit is below ours, and its word on damaged metadata names no file; `orientation` does
warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
_ORIENTATION = 0x0112
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes the picture upright."""
_SIDEWAYS = (5, 6, 7, 8)
_NOT_A_PAGE = 0b101
"""Bits of TIFF's NewSubfileType: a reduced version of another page, a mask."""


class PictureError(InputError):
    """A picture that cannot be used. kind: its name in `check.faults.FAULTS`."""

    def __init__(self, message: str, kind: str = "broken picture") -> None:
        super().__init__(message)
        self.kind = kind


_CUT = re.compile("truncated|unexpected end|incomplete", re.IGNORECASE)


def fault(error: Exception) -> str:
    """What a decoder's error says of a file, in the words of this package."""
    return "is cut short" if _CUT.search(str(error)) else "is broken"


# The header -----------------------------------------------------------------------------------------------


def opened(source: Path | bytes, where: str, animated: bool = False) -> PIL.Image.Image:
    """The picture with its header read. Raises PictureError, which names `where`, for what is not read: other
    formats, too many pixels, samples without a known scale, several pages or (unless `animated`) frames."""
    file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        picture = PIL.Image.open(file, formats=_formats())
    except PIL.UnidentifiedImageError as error:
        why = signatures.why_not(_head(source))
        if why == signatures.UNKNOWN and (cut := whole.cut_short(source)):
            raise PictureError(f"{where} is cut short: {cut}") from error
        kind = "broken picture" if why == signatures.UNKNOWN else "unreadable picture"
        raise PictureError(f"{where} cannot be read as a picture: {why}", kind) from error
    except PIL.Image.DecompressionBombError as error:
        number = re.search(r"\d+", str(error))  # Pillow, whose limit is above ours, names the product alone
        size = f"{int(number[0]):,} pixels, more" if number else "more pixels"
        raise PictureError(f"{where} has {size} than {MAX_PIXELS:,}", "huge picture") from error
    except Exception as error:  # Pillow's decoders raise errors of many kinds at broken files
        there = isinstance(source, bytes) or source.is_file()
        why = whole.cut_short(source) if there else None
        said = f"is cut short: {why}" if why else f"cannot be read as a picture: {error}"
        raise PictureError(f"{where} {said}") from error
    try:
        refuse(picture, where, animated)
    except BaseException:
        picture.close()
        raise
    return picture


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow has."""
    PIL.Image.init()
    return tuple(name for name in FORMATS if name in PIL.Image.OPEN)


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[: signatures.HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(signatures.HEAD_BYTES)


def refuse(picture: PIL.Image.Image, where: str, animated: bool = False) -> None:
    """Raise PictureError for what the header shows to be unusable. animated: several frames are meant."""
    if picture.width * picture.height > MAX_PIXELS:
        size = f"{picture.width} x {picture.height} pixels, more than {MAX_PIXELS:,}"
        raise PictureError(f"{where} has {size}", "huge picture")
    if picture.width * picture.height == 0:
        raise PictureError(f"{where} has no pixels: {picture.width} x {picture.height}")
    if picture.mode == "F" or (picture.mode == "I" and not sixteen_bit.is_integer_of_16_bits(picture)):
        samples = "floating-point" if picture.mode == "F" else "32-bit"
        raise PictureError(
            f"{where} has {samples} samples, for which no scale is known; convert it to 8 or 16 bits",
            "unreadable picture",
        )
    try:
        frames = frame_count(picture)
    except Exception as error:
        raise PictureError(f"{where} is broken: {error}") from error
    if frames > 1 and picture.format == "TIFF":
        raise PictureError(
            f"{where} has {frames} pages; save the page that is meant as a file of its own",
            "several frames",
        )
    if frames > 1 and not animated:
        raise PictureError(
            f"{where} is an animation, not a picture; give it as a clip, or save the frame that is meant",
            "several frames",
        )


def frame_count(picture: PIL.Image.Image) -> int:
    """1 for a picture; for an animation at least 2, for a TIFF the number of its pages, reduced versions and
    masks not counted. The further pictures in a phone's JPEG (MPO) are depth maps and thumbnails."""
    if picture.format == "MPO" or not getattr(picture, "is_animated", False):
        return 1
    if picture.format != "TIFF":
        return 2  # counting them all would read the whole file
    tiff: Any = picture
    pages = 0
    for i in range(tiff.n_frames):
        tiff.seek(i)
        pages += not tiff.tag_v2.get(254, 0) & _NOT_A_PAGE
    tiff.seek(0)
    return pages


def announced_animation(path: Path) -> str | None:
    """The format of a file whose first bytes announce several frames, such as "GIF"; None for others."""
    head = _head(path)
    announced = {
        "GIF": head.startswith(b"GIF8"),
        "WEBP": head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 2),
        "PNG": head.startswith(b"\x89PNG") and b"acTL" in head,
        "AVIF": head[4:12] == b"ftypavis",
    }
    return next((name for name, found in announced.items() if found), None)


def is_animation(path: Path) -> bool:
    """Whether a picture file has several frames. Only its first bytes are read, unless they announce frames.
    Raises PictureError if it cannot be read then."""
    if announced_animation(path) is None:
        return False
    with opened(path, str(path), animated=True) as picture:
        return frame_count(picture) > 1


def upright_size(picture: PIL.Image.Image) -> tuple[int, int]:
    """(width, height) as shown, from the header of an opened picture."""
    width, height = picture.size
    if picture.format == "TIFF":  # whose `size` may be upright already
        width, height = picture.tag_v2[256], picture.tag_v2[257]  # type: ignore[attr-defined]
    return (height, width) if orientation(picture) in _SIDEWAYS else (width, height)


def orientation(picture: PIL.Image.Image) -> int:
    """EXIF orientation of an opened picture, 1 to 8. A block that cannot be read is logged and counts as
    upright, as everywhere."""
    try:
        if picture.format == "PNG" and "exif" not in picture.info and _has_late_metadata(picture):
            picture.load()
        # the base class's own method: that of PNG decodes the whole picture
        value = PIL.Image.Image.getexif(picture).get(_ORIENTATION, 1)
        _say_if_damaged(picture)
    except Exception as error:
        _LOG.warning("%s: its EXIF block cannot be read (%s)", getattr(picture, "filename", ""), error)
        return 1
    return value if value in _TURNS else 1


_SAID: set[str] = set()
_VALUE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)
"""Bytes of one value of each TIFF type."""


def _say_if_damaged(picture: PIL.Image.Image) -> None:
    """Log, once for a file, an EXIF block whose first directory leads out of it."""
    block = picture.info.get("exif", b"").removeprefix(b"Exif\0\0")
    name = str(getattr(picture, "filename", ""))
    if picture.format != "TIFF" and name not in _SAID and block and _leads_out(block):
        _SAID.add(name)
        _LOG.warning(
            "%s: its EXIF block is damaged; it is turned by what can be read of it", name or "a picture"
        )


def _leads_out(block: bytes) -> bool:
    """Whether a TIFF block, its first directory or a value of it ends behind the block."""
    order = ">" if block.startswith(b"MM") else "<"
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start)
        for i in range(entries):
            _, kind, count, value = struct.unpack_from(f"{order}HHII", block, start + 2 + 12 * i)
            size = count * _VALUE_BYTES[kind] if kind < len(_VALUE_BYTES) else 0
            if size > 4 and value + size > len(block):
                return True
    except struct.error:
        return True
    return False


def _has_late_metadata(picture: PIL.Image.Image) -> bool:
    """Whether a PNG has text or EXIF behind its pixels, which Pillow reads only when it decodes them."""
    tiles, file = getattr(picture, "tile", []), getattr(picture, "fp", None)
    if not tiles or file is None:
        return False
    position = file.tell()
    file.seek(tiles[0][2] - 8)  # the length of the first IDAT
    found = False
    while not found and len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        found = kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
        file.seek(length + 4, io.SEEK_CUR)
    file.seek(position)
    return found


# The pixels -----------------------------------------------------------------------------------------------


def as_stored(picture: PIL.Image.Image) -> bool:
    """Whether any decoder shows the opened file as `upright_rgb` does: upright, opaque, 8-bit RGB or grey."""
    raw = sixteen_bit.raw_layout(picture)
    plain = picture.mode in ("RGB", "L", "P", "1") and not sixteen_bit.is_deep(raw)
    return plain and not picture.has_transparency_data and orientation(picture) == 1


def upright_rgb(picture: PIL.Image.Image, data: Callable[[], bytes | None]) -> PIL.Image.Image:
    """The pixels in RGB, upright, on white. `info["white"]` is the sample that is shown white, for a picture
    of 16 bits.

    data: reads the file behind an opened picture. Raises InputError for samples without a scale, and whatever
    Pillow raises at a broken file.
    """
    raw, turn = sixteen_bit.raw_layout(picture), _TURNS.get(orientation(picture))
    turned = picture.format == "TIFF"  # by Pillow, when it loads
    _correct_transparent_grey(picture, raw)
    picture.load()
    if found := sixteen_bit.grey(picture, raw):
        rgb, white = found
    elif found := sixteen_bit.colour(picture, raw, data):
        (rgb, white), turned = found, False
    else:
        rgb, white = on_white(picture), sixteen_bit.FULL if sixteen_bit.is_deep(raw) else None
    if turn is not None and not turned:
        rgb = rgb.transpose(turn)
    rgb.info = {} if white is None else {"white": white}
    return rgb


def on_white(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The loaded picture in RGB, transparent pixels composited on white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    if picture.mode == "La":
        picture = picture.convert("LA")
    inked = picture.convert("RGBA")
    paper = PIL.Image.new("RGB", picture.size, "white")
    paper.paste(inked.convert("RGB"), mask=inked.getchannel("A"))
    return paper


def _correct_transparent_grey(picture: PIL.Image.Image, raw: tuple[Any, ...]) -> None:
    """Pillow spreads the grey of 2 and 4 bits to 8, but leaves the transparent sample as it is stored."""
    factor = {"L;2": 85, "L;4": 17}.get(str(raw[0])) if raw else None
    if factor and isinstance(clear := picture.info.get("transparency"), int):
        picture.info["transparency"] = clear * factor
