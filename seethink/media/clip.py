"""Clips: which frames of a video file are used, and their decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import floor, inf
from pathlib import Path
from typing import Literal

import PIL.Image

from seethink.media.frame_picture import Display
from seethink.media.frame_reader import FrameReader
from seethink.media.paths import file_key
from seethink.media.resize import size_within
from seethink.types import InputError


@dataclass(frozen=True)
class Frames:
    """Decoded frames of a clip of `length_s` seconds: RGB pictures of equal size, with their times in
    seconds. part_s: the length of the part from which they are taken; None is the whole."""

    pictures: tuple[PIL.Image.Image, ...]
    times_s: tuple[float, ...]
    length_s: float
    part_s: float | None = None


@dataclass(frozen=True, eq=False)
class DrawnVideo:
    """A procedurally generated clip; all frames that `draw` returns are used. `draw` is a pure function
    determined by `key`."""

    key: str
    draw: Callable[[], Frames] = field(repr=False)
    kind: Literal["video"] = "video"

    def load(self) -> Frames:
        return self.draw()

    def with_frames(self, count: int) -> DrawnVideo:
        """The same clip in `count` frames, chosen as `Video` chooses them: those at the middles of equal
        parts, repeated where there are fewer."""

        def draw() -> Frames:
            frames = self.draw()
            chosen = [(2 * i + 1) * len(frames.pictures) // (2 * count) for i in range(count)]
            pictures, times_s = (tuple(own[i] for i in chosen) for own in (frames.pictures, frames.times_s))
            return replace(frames, pictures=pictures, times_s=times_s)

        return DrawnVideo(f"{self.key}#{count}", draw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DrawnVideo) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


_LEAST_S = Fraction(1, 1_000_000)
MAX_FRAMES = 10_000
"""More frames of one clip are refused before any is decoded: no model takes them."""


@dataclass(frozen=True)
class Video:
    """A video file, from which some frames are decoded.

    num_frames: how many evenly spaced frames. frame_interval: seconds between frames; overrides `num_frames`.
    max_px: larger frames are downscaled while decoding. span_s: (start, end) of the part to use, in seconds.
    Times count from the first frame shown. Of each equal part of the clip, the frame shown at its middle is
    taken, the one that decoding from start to end finds; where there are fewer, they are repeated. Frames are
    upright, have square pixels (width or height is enlarged if the file's are not) and are white where they
    are transparent. Memory does not grow with the length of the clip.
    """

    path: Path
    num_frames: int = 8
    frame_interval: float | None = None
    max_px: int = 401_408
    kind: Literal["video"] = "video"
    span_s: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise InputError(f"there is no clip at {self.path}")
        interval = self.frame_interval
        sizes = (self.num_frames, self.max_px, 1 if interval is None else interval)
        if not all(0 < size < inf for size in sizes) or min(sizes[:2]) < 1 or self.num_frames % 1:
            raise InputError(
                f"invalid frame selection of {self.path}: num_frames={self.num_frames}, "
                f"frame_interval={interval}, max_px={self.max_px}; all must be positive, num_frames whole"
            )
        if self.num_frames > MAX_FRAMES and interval is None:
            raise InputError(self._too_many(int(self.num_frames)))
        if self.span_s and not 0 <= self.span_s[0] < self.span_s[1] < inf:
            raise InputError(
                f"invalid part of {self.path}, from second {self.span_s[0]} to {self.span_s[1]}; "
                "the end must come after the start"
            )

    def _too_many(self, n: int) -> str:
        return (
            f"{n:,} frames of {self.path} are asked for, and a clip has at most {MAX_FRAMES:,}; "
            "lower num_frames (count), or raise frame_interval (every_s)"
        )

    @property
    def frame_selection(self) -> dict[str, str | float | None]:
        """Which frames are decoded and their maximum size, under the keys that rows and attempts use."""
        frames = {"count": self.num_frames, "every_s": self.frame_interval, "max_px": self.max_px}
        return (
            {"path": str(self.path)}
            | frames
            | ({"start_s": self.span_s[0], "end_s": self.span_s[1]} if self.span_s else {})
        )

    @property
    def key(self) -> str:
        """Path, file size, modification time and frame selection, as text."""
        frames = f"{self.num_frames}:{self.frame_interval}:{self.max_px}"
        span = f":{self.span_s}" if self.span_s else ""
        return f"{file_key(Path(self.path))}:{frames}{span}"

    def load(self) -> Frames:
        """The selected frames. Raises InputError, which names the file and the second where decoding
        failed."""
        with self._reader() as reader:
            display = Display.of(reader.first(), reader.stream.sample_aspect_ratio)
            size, length_s = size_within(*display.size, self.max_px), reader.length_s()
            found = reader.frames_at(self._wanted_s(length_s), lambda frame: display.picture(frame, size))
        times_s = tuple(round(float(time_s), 3) for time_s, _ in found)
        start_s, end_s = self._part_s(length_s)
        pictures = tuple(picture for _, picture in found)
        return Frames(pictures, times_s, float(length_s), float(end_s - start_s))

    def duration_s(self) -> float:
        """The duration in seconds that the header gives, or that of the packets if it gives none. Raises
        InputError, which names the file."""
        return float(self._header_s)

    def frame_count(self) -> int:
        """How many frames `load` returns, if the clip is as long as its header says."""
        return len(self._wanted_s(self._header_s)) if self.frame_interval else int(self.num_frames)

    def length_s(self) -> float:
        """Seconds of the part to use, if the clip is as long as its header says."""
        start_s, end_s = self._part_s(self._header_s)
        return float(end_s - start_s)

    def size(self) -> tuple[int, int]:
        """(width, height) of the frames in pixels as shown, upright and with square pixels.

        The first frame is decoded, once, unless the header gives more than `MAX_PIXELS`. Raises InputError,
        which names the file.
        """
        return self._shown_size

    def _reader(self) -> FrameReader:
        return FrameReader(self.path)

    @cached_property
    def _header_s(self) -> Fraction:
        with self._reader() as reader:
            header_s = reader.header_length_s()
            if header_s is None:
                reader.first()
                header_s = reader.length_s()
            return header_s

    @cached_property
    def _shown_size(self) -> tuple[int, int]:
        with self._reader() as reader:
            if reader.huge:
                return reader.stream.width, reader.stream.height
            return Display.of(reader.first(), reader.stream.sample_aspect_ratio).size

    def _wanted_s(self, length_s: Fraction) -> list[Fraction]:
        """The middles of equal parts of the clip."""
        start_s, end_s = self._part_s(length_s)
        span_s, n = end_s - start_s, int(self.num_frames)
        if self.frame_interval is not None:
            n = max(
                1, floor(span_s / max(_LEAST_S, Fraction(self.frame_interval).limit_denominator(1_000_000)))
            )
            if n > MAX_FRAMES:
                raise InputError(self._too_many(n))
        return [start_s + (2 * i + 1) * span_s / (2 * n) for i in range(n)]

    def _part_s(self, length_s: Fraction) -> tuple[Fraction, Fraction]:
        """(start, end) of the part of the clip from which frames are taken."""
        start_s, end_s = (Fraction(second) for second in self.span_s or (0, length_s))
        if start_s and start_s >= length_s:
            raise InputError(
                f"{self.path} ends at {float(length_s):.1f} s, before the part from {float(start_s):.1f}; "
                "lower start_s"
            )
        return start_s, min(end_s, length_s)


def write_clip(frames: Frames, path: Path) -> None:
    """Write frames as an H.264 MP4 file of constant frame rate.

    Equal frames give equal bytes on one machine; colours differ slightly from the originals, as in any video.
    """
    import av

    width, height = frames.pictures[0].size
    rate = Fraction(len(frames.pictures) / frames.length_s).limit_denominator(1_000)
    options = {"crf": "10", "threads": "1", "x264-params": "keyint=1"}
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as out:
        stream = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        for picture in frames.pictures:
            out.mux(stream.encode(av.VideoFrame.from_image(picture)))
        out.mux(stream.encode())
