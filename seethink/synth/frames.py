"""Frames of a clip as pictures, for teachers that see pictures alone."""

from __future__ import annotations

from functools import lru_cache

import PIL.Image

from seethink.media import DrawnVideo, Frames, Image, Video
from seethink.types import Example, Media


def as_pictures(example: Example, count: int) -> list[str | Media]:
    """The parts of the example's question, each clip replaced by `count` of its frames, evenly spaced. Of a
    clip that we draw none comes twice; one in a file with fewer frames than that shows some twice."""
    parts: list[str | Media] = []
    for part in example.parts():
        if isinstance(part, Video | DrawnVideo):
            parts += [_picture(part, i, count) for i in range(_number(part, count))]
        else:
            parts.append(part)
    return parts


def _number(clip: Video | DrawnVideo, count: int) -> int:
    return count if isinstance(clip, Video) else min(count, len(_frames(clip, count).pictures))


def _picture(clip: Video | DrawnVideo, number: int, count: int) -> Image:
    def draw() -> PIL.Image.Image:
        frames = _frames(clip, count).pictures
        return frames[number * len(frames) // _number(clip, count)]

    return Image.drawn(f"{clip.key}#{number}/{count}", draw)


@lru_cache(maxsize=4)
def _frames(clip: Video | DrawnVideo, count: int) -> Frames:
    """Decoded once for all its frames."""
    if isinstance(clip, DrawnVideo):
        return clip.load()
    return Video(clip.path, count, None, clip.max_px, span_s=clip.span_s).load()
