"""Frames of a clip as images, for teachers that accept images only."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import PIL.Image

from seethink.media import DrawnVideo, Frames, Image, Video
from seethink.types import Example, Media


def clips_as_images(example: Example, count: int) -> list[str | Media]:
    """The parts of the question, with each clip replaced by `count` evenly spaced frames. A drawn clip with
    fewer frames gives each of them once; a video file with fewer frames repeats some."""
    parts: list[str | Media] = []
    for part in example.parts():
        if isinstance(part, Video | DrawnVideo):
            parts += [_image(part, i, count) for i in range(_image_count(part, count))]
        else:
            parts.append(part)
    return parts


def _image_count(clip: Video | DrawnVideo, count: int) -> int:
    return count if isinstance(clip, Video) else min(count, len(_frames(clip, count).pictures))


def _image(clip: Video | DrawnVideo, number: int, count: int) -> Image:
    def draw() -> PIL.Image.Image:
        frames = _frames(clip, count).pictures
        return frames[number * len(frames) // _image_count(clip, count)]

    return Image.drawn(f"{clip.key}#{number}/{count}", draw)


@lru_cache(maxsize=4)
def _frames(clip: Video | DrawnVideo, count: int) -> Frames:
    """The frames of a clip, decoded once for all its images."""
    if isinstance(clip, DrawnVideo):
        return clip.load()
    return replace(clip, num_frames=count, frame_interval=None).load()
