"""What stands for a medium elsewhere: its content hash and its preview picture."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw

from seethink.media.clip import Frames, Video
from seethink.media.image import Image
from seethink.types import Media


@lru_cache(maxsize=4_096)
def fingerprint(medium: Media) -> str:
    """The content hash of a medium, independent of where its file is and when it was written.

    SHA-256 of the file, with a clip's frame selection and a picture's limit of pixels; for a drawn medium its
    key, which determines it.
    """
    if isinstance(medium, Video):
        with medium.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        frames = f"{medium.num_frames}:{medium.frame_interval}:{medium.max_px}"
        return f"{content}:{frames}:{medium.span_s}"
    if isinstance(medium, Image) and (data := medium.stored_bytes()) is not None:
        content = hashlib.sha256(data).hexdigest()
        return content if medium.max_px is None else f"{content}<{medium.max_px}"
    return medium.key


def save_preview(medium: Media, folder: Path, loaded: Any = None) -> str:
    """Save a picture, or a contact sheet of a clip's frames, as a PNG file in `folder`, unless it is there.

    loaded: the decoded medium, if available. Returns the path relative to the parent of `folder`.
    """
    path = folder / f"{hashlib.sha256(medium.key.encode()).hexdigest()[:16]}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        _preview(medium.load() if loaded is None else loaded).save(part, format="PNG")
        os.replace(part, path)
    return f"{folder.name}/{path.name}"


@lru_cache(maxsize=65_536)
def pixels_digest(medium: Media) -> str:
    """The SHA-256 of size and pixels of a medium's preview, which its saved preview has too: how a picture in
    another tool's file is known again, whatever its file format."""
    picture = _preview(medium.load()).convert("RGB")
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()


def _preview(loaded: Any) -> PIL.Image.Image:
    return _contact_sheet(loaded) if isinstance(loaded, Frames) else loaded


def _contact_sheet(frames: Frames) -> PIL.Image.Image:
    """All frames in one picture, in rows of four, each labelled with its time."""
    small = [frame.copy() for frame in frames.pictures]
    for frame, time_s in zip(small, frames.times_s, strict=True):
        frame.thumbnail((240, 240))
        PIL.ImageDraw.Draw(frame).text(
            (3, 2), f"{time_s:.1f} s", "white", stroke_width=1, stroke_fill="black"
        )
    width, height = small[0].size
    columns = min(4, len(small))
    sheet = PIL.Image.new("RGB", (columns * width, -(-len(small) // columns) * height))
    for i, frame in enumerate(small):
        sheet.paste(frame, (i % columns * width, i // columns * height))
    return sheet
