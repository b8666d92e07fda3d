"""A picture or clip as users give it: a path, base64, a data URI or bytes; an animation given as a picture is
a clip."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from seethink.media import decoding, signatures
from seethink.media.animation import ANIMATIONS_OF_PILLOW, Animation
from seethink.media.clip import Video
from seethink.media.decoding import PictureError
from seethink.media.image import Image
from seethink.media.paths import MissingMedium, is_file, shown

PATH_CHARACTERS = 4_096
"""A longer text is no path on any system."""
URL_CHARACTERS = 2_000
"""A longer URL is shortened in messages."""

_URL = re.compile(r"\s*([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_DATA_URI = re.compile(r"\s*data:([^,]*),", re.IGNORECASE)
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]{4}){8,}")
_HEAD_CHARACTERS = 512


def picture(value: Any, root: Path, where: str) -> Image:
    """A picture from a path relative to `root`, base64 with or without a data URI's head, encoded bytes, or
    the `{bytes, path}` of `datasets`.

    where: names a picture without a file in messages. Raises InputError for anything else; MissingMedium for
    a path without a file.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return Image.data(value, where)
    text = _text(value, "picture")
    data = _data_in(text, root, where)
    return Image.file(root / text) if data is None else Image.data(data, where)


def clip(value: Any, root: Path, options: Mapping[str, Any]) -> Video:
    """A clip from a path relative to `root`. options: keyword arguments of `Video`. Raises InputError."""
    text = _text(value, "clip")
    if not is_file(root / text):
        raise MissingMedium("clip", root / text)
    return _clip(root / text, options)


def clip_of(image: Image, options: Mapping[str, Any]) -> Video | None:
    """The clip that an animated picture file is (GIF, WebP, APNG, AVIF); None for a picture."""
    path = image.source
    return _clip(path, options) if isinstance(path, Path) and decoding.is_animation(path) else None


def _clip(path: Path, options: Mapping[str, Any]) -> Video:
    by_pillow = decoding.announced_animation(path) in ANIMATIONS_OF_PILLOW
    return (Animation if by_pillow else Video)(path, **options)


def _text(value: Any, kind: str) -> str:
    """A text that is no URL: data are local, so that no run depends on a server."""
    value = str(value) if isinstance(value, Path) else value
    if not isinstance(value, str) or not value:
        raise PictureError(
            f"a {kind} must be the path of a file, not {value!r:.40}; leave the column out if there is none",
            f"missing {kind}",
        )
    if match := _URL.match(value):
        scheme, url = match[1].lower(), value.strip()
        url = url if len(url) <= URL_CHARACTERS else shown(url)
        how = f"curl -fLO '{url}'" if scheme in ("http", "https", "ftp") else f"the client of {scheme}"
        download = f"download it, as with {how}, and give the path of the file"
        mend = "write the path alone" if scheme == "file" else download
        raise PictureError(f"the {kind} {url} is a URL; {mend}", f"missing {kind}")
    return value


# Base64 ---------------------------------------------------------------------------------------------------


def _data_in(text: str, root: Path, where: str) -> bytes | None:
    """The bytes of a picture written as base64 or as a data URI; None for a path.

    Line breaks, the URL-safe alphabet and missing padding are accepted. Raises PictureError for a data URI,
    or a text too long for a path, that is not base64.
    """
    if head := _DATA_URI.match(text):
        payload = text[head.end() :]
        if "base64" not in head[1].lower():
            return unquote_to_bytes(payload)
        return _decoded(unquote_to_bytes(payload).decode("latin-1") if "%" in payload else payload, where)
    if len(text) <= PATH_CHARACTERS and is_file(root / text):
        return None
    start = _BASE64.match("".join(text[: 2 * _HEAD_CHARACTERS].split()))
    if start and signatures.is_picture(_bytes(start[0])):
        return _decoded(text, where)
    if len(text) > PATH_CHARACTERS:
        message = f"{where} is neither the path of a file nor a picture in base64: {shown(text)}"
        raise PictureError(message)
    return None


def _decoded(text: str, where: str) -> bytes:
    try:
        return _bytes("".join(text.split()))
    except ValueError as error:
        message = f"{where} is not base64 ({error}): {shown(text)}; encode the picture again"
        raise PictureError(message) from error


def _bytes(text: str) -> bytes:
    """Base64 in either alphabet, padded or not."""
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
