"""Size, faults and content of a picture or clip, from its header or, on request, decoded."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import PIL.Image
import PIL.ImageChops

from seethink.check.faults import Size
from seethink.media import MAX_PIXELS, Frames, Image, PictureError, Video
from seethink.media.frame_reader import SLOW
from seethink.types import InputError, Media

MIN_SIDE = 28
"""Minimum side in pixels; common processors enlarge or reject smaller pictures."""
MAX_RATIO = 200
"""Maximum ratio of the longer side to the shorter; common processors reject more."""

STILL_LEVELS = 8
"""Maximum difference, of 255, between pixels of frames that count as equal; compression changes them."""


@dataclass(frozen=True)
class MediaInfo:
    """What is known about a medium. size: None if it could not be read. bytes: of its file. pixels: digest
    of its content, if decoded. faults: (kind, message)."""

    key: str
    where: str
    size: Size | None = None
    bytes: int = 0
    pixels: str = ""
    faults: tuple[tuple[str, str], ...] = ()
    is_clip: bool = False


def inspect_medium(medium: Media, decode: bool) -> MediaInfo:
    """Read the header of a medium, and decode it if `decode`."""
    if isinstance(medium, Video):
        return replace(_inspect_clip(medium, decode), is_clip=True)
    assert isinstance(medium, Image)
    return _inspect_picture(medium, decode)


def _inspect_picture(picture: Image, decode: bool) -> MediaInfo:
    key, where = picture.key, picture.where
    try:
        size = picture.size()
        loaded = picture.load() if decode else None
    except PictureError as error:
        return MediaInfo(key, where, faults=((error.kind, str(error)),))
    pixels = "" if loaded is None else _digest([loaded])
    faults = _size_faults(where, size)
    if loaded is not None and "white" in loaded.info:
        message = f"{where} has 16 bits a sample; 0 is shown black, {loaded.info['white']:,} white"
        faults.append(("16-bit picture", message))
    file = Path(where)
    n_bytes = file.stat().st_size if file.is_file() else len(picture.stored_bytes() or b"")
    return MediaInfo(key, where, size, n_bytes, pixels, tuple(faults))


def _inspect_clip(clip: Video, decode: bool) -> MediaInfo:
    where = str(clip.path)
    try:
        size = clip.size()
        if size[0] * size[1] > MAX_PIXELS:
            message = f"{where} has frames of {size[0]} x {size[1]} pixels, more than {MAX_PIXELS:,}"
            return MediaInfo(clip.key, where, faults=(("huge picture", message),))
        clip.duration_s()
        slow = SLOW.total()
        frames = clip.load() if decode else None
    except InputError as error:
        return MediaInfo(clip.key, where, faults=(("broken clip", str(error)),))
    faults, pixels = _size_faults(where, size), ""
    if frames is not None:
        pixels = _digest(frames.pictures)
        faults += _still_faults(where, frames)
    if SLOW.total() > slow:
        faults.append(("slow clip", f"{where} is decoded from its start up to the last frame wanted"))
    return MediaInfo(clip.key, where, size, Path(where).stat().st_size, pixels, tuple(faults))


def _still_faults(where: str, frames: Frames) -> list[tuple[str, str]]:
    """Several frames that show the same, up to what compression changes."""
    first, *others = frames.pictures
    differences = (max(PIL.ImageChops.difference(first, other).tobytes()) for other in others)
    if not others or any(most > STILL_LEVELS for most in differences):
        return []
    return [("still clip", f"the {len(frames.pictures)} frames chosen of {where} are all equal")]


def _size_faults(where: str, size: Size) -> list[tuple[str, str]]:
    message = f"{where} has {size[0]} x {size[1]} pixels"
    if max(size) > MAX_RATIO * min(size):  # a narrow one that is padded is no longer tiny
        return [("narrow picture", message)]
    return [("tiny picture", message)] if min(size) < MIN_SIDE else []


def content_digest(medium: Media) -> str:
    """A digest of the pixels of a picture or of the chosen frames of a clip, decoded. Raises InputError as
    `load` does."""
    loaded = medium.load()
    return _digest(loaded.pictures if isinstance(loaded, Frames) else [loaded])


def _digest(pictures: Iterable[PIL.Image.Image]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for picture in pictures:
        digest.update(f"{picture.size}".encode())
        digest.update(picture.tobytes())
    return digest.hexdigest()


# Duplicates -----------------------------------------------------------------------------------------------


def duplicates(media: Iterable[MediaInfo]) -> list[list[MediaInfo]]:
    """Groups of media with equal content: equal bytes, or, where decoded, equal pixels.

    A file is hashed only if its size and length equal those of another.
    """
    by_size: dict[tuple[Size, int], list[MediaInfo]] = defaultdict(list)
    by_pixels: dict[str, list[MediaInfo]] = defaultdict(list)
    for one in media:
        if one.size:
            by_size[one.size, one.bytes].append(one)
            if one.pixels:
                by_pixels[one.pixels].append(one)
    by_content: dict[str, list[MediaInfo]] = defaultdict(list)
    for group in by_size.values():
        for one in group if len(group) > 1 else ():
            by_content[_content_hash(one)].append(one)
    groups = [group for group in (*by_pixels.values(), *by_content.values()) if len(group) > 1]
    return list({tuple(one.key for one in group): group for group in groups}.values())


def _content_hash(medium: MediaInfo) -> str:
    """SHA-256 of the bytes, which is the key of a picture embedded in the data."""
    file = Path(medium.where)
    if not file.is_file():
        return medium.key
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
