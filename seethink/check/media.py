"""What is known of a picture or clip by its header, or decoded if so asked: size, faults, identity."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from seethink.check.faults import Size
from seethink.media import MAX_PIXELS, Frames, Image, Video
from seethink.types import InputError, Media

MIN_SIDE = 28
"""Pixels; what the processors of the field enlarge or refuse below."""
MAX_RATIO = 200
"""Of the longer side to the shorter; the processors of the field refuse more."""


@dataclass(frozen=True)
class Seen:
    """A medium by its header, or decoded. size: None where it could not be read. bytes: of its file. pixels:
    digest of what it shows, where it was decoded. faults: (kind, sentence)."""

    key: str
    where: str
    size: Size | None = None
    bytes: int = 0
    pixels: str = ""
    faults: tuple[tuple[str, str], ...] = ()


def look(medium: Media, decode: bool) -> Seen:
    if isinstance(medium, Video):
        return _clip(medium, decode)
    assert isinstance(medium, Image)
    return _picture(medium, decode)


def _picture(picture: Image, decode: bool) -> Seen:
    try:
        size = picture.size()
        pixels = _digest([picture.load()]) if decode else ""
    except InputError as error:
        broken = isinstance(error.__cause__, OSError | SyntaxError | ValueError)
        return Seen(
            picture.key, picture.where, faults=(("broken picture" if broken else "huge picture", str(error)),)
        )
    file = Path(picture.where)
    n_bytes = file.stat().st_size if file.is_file() else len(picture.encoded()[0])
    return Seen(picture.key, picture.where, size, n_bytes, pixels, tuple(_size_faults(picture.where, size)))


def _clip(clip: Video, decode: bool) -> Seen:
    where = str(clip.path)
    try:
        clip.seconds()
        size = clip.size()
        if size[0] * size[1] > MAX_PIXELS:
            told = f"{where} has frames of {size[0]} x {size[1]} pixels, more than {MAX_PIXELS:,}"
            return Seen(clip.key, where, faults=(("huge picture", told),))
        frames = clip.load() if decode else None
    except InputError as error:
        return Seen(clip.key, where, faults=(("broken clip", str(error)),))
    pixels = _digest(frames.pictures) if isinstance(frames, Frames) else ""
    n_bytes = Path(where).stat().st_size
    return Seen(clip.key, where, size, n_bytes, pixels, tuple(_size_faults(where, size)))


def _size_faults(where: str, size: Size) -> list[tuple[str, str]]:
    told = f"{where} has {size[0]} x {size[1]} pixels"
    faults = [("tiny picture", told)] if min(size) < MIN_SIDE else []
    return [*faults, ("narrow picture", told)] if max(size) > MAX_RATIO * min(size) else faults


def _digest(pictures: Iterable[PIL.Image.Image]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for picture in pictures:
        digest.update(f"{picture.size}".encode())
        digest.update(picture.tobytes())
    return digest.hexdigest()


# The same picture -----------------------------------------------------------------------------------------


def alike(seen: Iterable[Seen]) -> list[list[Seen]]:
    """Media that show the same, in groups: the same bytes, or, where they were decoded, the same pixels.

    Files are read only where size and length agree with another's.
    """
    sizes: dict[tuple[Size, int], list[Seen]] = defaultdict(list)
    shows: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        if one.size:
            sizes[one.size, one.bytes].append(one)
            if one.pixels:
                shows[one.pixels].append(one)
    same: dict[str, list[Seen]] = defaultdict(list)
    for group in sizes.values():
        for one in group if len(group) > 1 else ():
            same[_content(one)].append(one)
    groups = [group for group in (*shows.values(), *same.values()) if len(group) > 1]
    return list({tuple(one.key for one in group): group for group in groups}.values())


def _content(seen: Seen) -> str:
    """sha256 of the bytes, which is the key of a picture that stands inside the data."""
    file = Path(seen.where)
    if not file.is_file():
        return seen.key
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
