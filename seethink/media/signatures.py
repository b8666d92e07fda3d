"""What a file that is no readable picture is, by its first bytes, and how it becomes one."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

HEAD_BYTES = 4_096
UNKNOWN = "its bytes are those of no picture format that is read; save it as PNG or JPEG"
_EMPTY = "it is empty; download or copy it again"
_LFS = "it is a Git LFS pointer; run `git lfs pull` beside it"
_WEB_PAGE = "it is a web page, such as of an error; download the file itself"
_ZEROS = "its first bytes are all zero, as an unfinished download leaves them; download it again"
_VIDEO = "it is a video; give it as a clip"
_MEDIUM = "it is a picture or a clip; give the file of the rows that name it"

_KINDS: tuple[tuple[str, str], ...] = (
    (r"\Z", _EMPTY),
    (r"version https://git-lfs", _LFS),
    (
        r"\s*(<!--[^\0]*?-->\s*)*<(!doctype html|html|head|body|title|script)\b",
        _WEB_PAGE,
    ),
    (
        r"[^\0]*<(svg:)?svg[\s>]",
        "it is an SVG drawing; draw it in pixels, as with `rsvg-convert file.svg -o file.png`",
    ),
    (
        r"....ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)",
        "it is a HEIC picture; convert it, as with `heif-convert file.heic file.jpg`",
    ),
    (
        r"....ftypavi[fs]",
        "it is an AVIF picture, which this Pillow cannot decode; install pillow>=11.3, or convert it to PNG",
    ),
    (r"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01\xba|FLV\x01", _VIDEO),
    (
        r"%PDF",
        "it is a PDF document; draw its page in pixels, as with `pdftoppm -png -r 150 file.pdf page`",
    ),
    (
        r"%!PS|\xc5\xd0\xd3\xc6",
        "it is a PostScript drawing; draw it in pixels, as with "
        "`gs -dEPSCrop -sDEVICE=png16m -o file.png file.eps`",
    ),
    (r"8BPS", "it is a Photoshop document; export it as PNG"),
    (r"\xff\x0a|\0\0\0\x0cJXL ", "it is a JPEG XL picture; convert it, as with `djxl file.jxl file.png`"),
    (r"\0\0[\x01\x02]\0", "it is an icon; save it as PNG"),
    (
        r'\s*(<\?xml[^>]*>\s*<(error|html)\b|\{\s*"|not found|(access )?denied|forbidden|error\b)',
        "it is a text, such as of a failed download; download the file again",
    ),
    (r"\0{256}", _ZEROS),
    (r"\x1f\x8b|PK\x03\x04", "it is an archive; unpack it"),
)
"""Pattern of the first bytes -> what the file is and how to mend it; the first match holds."""
_PATTERNS = tuple(
    (re.compile(pattern.encode("ascii"), re.DOTALL | re.IGNORECASE), why) for pattern, why in _KINDS
)
_PICTURE = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM....\0\0|II[*+]\0|MM\0[*+]|P[1-6]\s"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|....ftyp(avi[fs]|hei[cx]|mif1|msf1)|\s*(<\?xml[^>]*>\s*)?<svg[\s>]",
    re.DOTALL,
)


def why_not(head: bytes) -> str:
    """Why a file with these first bytes is no picture, and how to mend it; `UNKNOWN` for bytes of no known
    kind."""
    head = head.removeprefix(codecs.BOM_UTF8)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", errors="replace").encode()
    return next((why for pattern, why in _PATTERNS if pattern.match(head)), UNKNOWN)


def why_no_clip(path: Path) -> str | None:
    """The same for a file that cannot be read as a clip; None for a video and for bytes of no known kind."""
    why = why_not(_head(path))
    return None if why in (UNKNOWN, _VIDEO) else why


def why_no_rows(path: Path) -> str | None:
    """The same for a file of data; None for one that may have rows."""
    head = _head(path)
    why = why_not(head)
    if why in (_EMPTY, _LFS, _WEB_PAGE, _ZEROS):
        return why
    return _MEDIUM if b"\0" in head and (is_picture(head) or why == _VIDEO) else None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def is_picture(head: bytes) -> bool:
    """Whether these bytes begin a picture, readable or not."""
    return _PICTURE.match(head) is not None
