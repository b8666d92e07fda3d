"""Clips: which frames of a video file are used, and their decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

import PIL.Image

from seethink.media.resize import size_within
from seethink.types import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Frames:
    """Decoded frames of a clip of `length_s` seconds: RGB pictures of equal size, with their times in
    seconds."""

    pictures: tuple[PIL.Image.Image, ...]
    times_s: tuple[float, ...]
    length_s: float


@dataclass(frozen=True, eq=False)
class DrawnVideo:
    """A procedurally generated clip; all its frames are used. `draw` is a pure function determined by
    `key`."""

    key: str
    draw: Callable[[], Frames] = field(repr=False)
    kind: Literal["video"] = "video"

    def load(self) -> Frames:
        return self.draw()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DrawnVideo) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Video:
    """A video file, from which some frames are decoded.

    num_frames: how many evenly spaced frames. frame_interval: seconds between frames; overrides `num_frames`.
    max_px: larger frames are downscaled while decoding. span_s: (start, end) of the part to use, in seconds.
    Frames are decoded one by one by seeking, so memory does not grow with the length of the clip.
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
        if self.num_frames < 1 or (interval is not None and interval <= 0) or self.max_px < 1:
            raise InputError(
                f"invalid frame selection of {self.path}: num_frames={self.num_frames}, "
                f"frame_interval={interval}, max_px={self.max_px}; all must be positive"
            )
        if self.span_s and not 0 <= self.span_s[0] < self.span_s[1]:
            raise InputError(
                f"invalid part of {self.path}, from second {self.span_s[0]} to {self.span_s[1]}; "
                "the end must come after the start"
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
        stat = Path(self.path).stat()
        frames = f"{self.num_frames}:{self.frame_interval}:{self.max_px}"
        span = f":{self.span_s}" if self.span_s else ""
        return f"{Path(self.path).resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{frames}{span}"

    def load(self) -> Frames:
        """The selected frames. Raises InputError, which names the file and the second where decoding
        failed."""
        return self._opened(self._decode)

    def duration_s(self) -> float:
        """The duration in seconds, read from the header. Raises InputError, which names the file."""
        return self._opened(_length_s)

    def size(self) -> tuple[int, int]:
        """(width, height) of the frames in pixels, from the header. Raises InputError, which names the
        file."""
        return self._opened(lambda clip, stream: (stream.width, stream.height))

    def _opened(self, use: Callable[[Any, Any], T]) -> T:
        import av
        from av.error import FFmpegError

        try:
            with av.open(str(self.path)) as clip:
                if not clip.streams.video:
                    raise InputError(f"{self.path} holds no video stream")
                stream = clip.streams.video[0]
                stream.thread_type = "AUTO"
                return use(clip, stream)
        except FFmpegError as error:
            raise InputError(f"{self.path} cannot be read as a clip: {error}") from error

    def _decode(self, clip: Any, stream: Any) -> Frames:
        length_s = _length_s(clip, stream)
        start_s, end_s = self.span_s or (0.0, length_s)
        if start_s >= length_s:
            raise InputError(
                f"{self.path} ends at {length_s:.1f} s, before the part from {start_s:.1f}; lower start_s"
            )
        span_s = min(end_s, length_s) - start_s
        n = self.num_frames if self.frame_interval is None else max(1, int(span_s / self.frame_interval))
        wanted = [start_s + (i + 0.5) * span_s / n for i in range(n)]
        pictures, times = [], []
        for time_s in wanted:
            frame = self._frame_at(clip, stream, time_s)
            size = size_within(frame.width, frame.height, self.max_px)
            pictures.append(frame.to_image(width=size[0], height=size[1]))
            times.append(round(float(frame.time), 3))
        return Frames(tuple(pictures), tuple(times), length_s)

    def _frame_at(self, clip: Any, stream: Any, time_s: float) -> Any:
        """The last frame with a time of at most `time_s`."""
        from av.error import FFmpegError

        found = None
        try:
            clip.seek(int(time_s / stream.time_base), stream=stream)
            for frame in clip.decode(stream):
                if found is not None and frame.time > time_s:
                    break
                found = frame
        except FFmpegError as error:
            raise InputError(f"{self.path} cannot be decoded near second {time_s:.1f}: {error}") from error
        if found is None:
            raise InputError(f"{self.path} has no frame near second {time_s:.1f}; the file is truncated")
        return found


def _length_s(clip: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if clip.duration:
        return clip.duration / 1_000_000
    raise InputError(f"{clip.name} has no duration in its header; remux it")


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
