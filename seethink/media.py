"""Pictures and clips, loaded only when somebody looks at them, and never more than the limits allow."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import PIL.Image
import PIL.ImageDraw

from seethink.types import InputError, Media

T = TypeVar("T")
MAX_PIXELS = 150_000_000
"""Decode limit: a picture that claims more pixels than this is refused before it is decoded."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: a file, bytes, or something we draw. `load()` decodes, `size()` reads the header alone."""

    key: str
    where: str
    _open: Callable[[], PIL.Image.Image] = field(repr=False)
    kind: Literal["image"] = "image"

    @classmethod
    def file(cls, path: str | Path) -> Image:
        """Identity is path, size and time of change, so that nothing is read until it is needed."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"there is no picture at {path}")
        stat = path.stat()
        return cls(
            f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}", str(path), lambda: PIL.Image.open(path)
        )

    @classmethod
    def data(cls, data: bytes, where: str) -> Image:
        return cls(hashlib.sha256(data).hexdigest(), where, lambda: PIL.Image.open(io.BytesIO(data)))

    @classmethod
    def drawn(cls, key: str, draw: Callable[[], PIL.Image.Image]) -> Image:
        """`draw` must be a pure function that `key` identifies."""
        return cls(key, key, draw)

    def fit(self, max_px: int) -> Image:
        """The same picture, shrunk to at most `max_px` pixels where it has more."""
        return replace(self, key=f"{self.key}<{max_px}", _open=lambda: _shrunk(self._opened(), max_px))

    def load(self) -> PIL.Image.Image:
        """The decoded picture, RGB. Raises InputError naming the file when it is broken or beyond
        `MAX_PIXELS`."""
        picture = self._opened()
        try:
            return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            picture.close()
            raise InputError(f"{self.where} is broken: {error}") from error

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the original, from the header."""
        with self._opened() as picture:
            return picture.size

    def encoded(self) -> tuple[bytes, str]:
        """The bytes of its file as they are, and their format, "PNG" or another; PNG where it has no file."""
        with self._opened() as picture:
            file = getattr(picture, "fp", None)
            if file is not None and picture.format:
                file.seek(0)
                return file.read(), picture.format
        buffer = io.BytesIO()
        self.load().save(buffer, "PNG")
        return buffer.getvalue(), "PNG"

    def _opened(self) -> PIL.Image.Image:
        try:
            picture = self._open()
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            raise InputError(f"{self.where} cannot be read as a picture: {error}") from error
        if picture.width * picture.height > MAX_PIXELS:
            raise InputError(
                f"{self.where} has {picture.width} x {picture.height} pixels, more than {MAX_PIXELS:,}"
            )
        return picture

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _shrunk(picture: PIL.Image.Image, max_px: int) -> PIL.Image.Image:
    size = _within(picture.width, picture.height, max_px)
    return picture if size == picture.size else picture.convert("RGB").resize(size)


def _within(width: int, height: int, max_px: int) -> tuple[int, int]:
    """The size shrunk to at most `max_px` pixels, its aspect ratio kept."""
    scale = min(1.0, (max_px / (width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


@dataclass(frozen=True)
class Frames:
    """Some frames of a clip of `length_s` seconds: RGB pictures of one size, and at which second each
    stands."""

    pictures: tuple[PIL.Image.Image, ...]
    times_s: tuple[float, ...]
    length_s: float


@dataclass(frozen=True, eq=False)
class DrawnVideo:
    """A clip that we draw, of which every frame is looked at. `draw` must be a pure function that `key`
    identifies."""

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
    """A clip in a file, of which `count` frames are looked at, evenly spaced; or one `every_s` seconds.

    max_px: frames of more pixels are shrunk as they are decoded. span_s: only this part of the clip, from and
    to a second, is looked at. Frames are sought one by one, so a long clip is never in memory as a whole.
    """

    path: Path
    count: int = 8
    every_s: float | None = None
    max_px: int = 401_408
    kind: Literal["video"] = "video"
    span_s: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise InputError(f"there is no clip at {self.path}")
        if self.count < 1 or (self.every_s is not None and self.every_s <= 0) or self.max_px < 1:
            raise InputError(f"impossible frames of {self.path}: {self.count}, {self.every_s}, {self.max_px}")
        if self.span_s and not 0 <= self.span_s[0] < self.span_s[1]:
            raise InputError(
                f"impossible part of {self.path}: from second {self.span_s[0]} to {self.span_s[1]}"
            )

    @property
    def choice(self) -> dict[str, str | float | None]:
        """Which frames are looked at, and how large they are at most; what is recorded of an attempt."""
        taken = {"path": str(self.path), "count": self.count, "every_s": self.every_s, "max_px": self.max_px}
        return taken | ({"start_s": self.span_s[0], "end_s": self.span_s[1]} if self.span_s else {})

    @property
    def key(self) -> str:
        stat = Path(self.path).stat()
        taken = f"{self.count}:{self.every_s}:{self.max_px}" + (f":{self.span_s}" if self.span_s else "")
        return f"{Path(self.path).resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{taken}"

    def load(self) -> Frames:
        """The chosen frames. Raises InputError naming the file, and the second where decoding broke off."""
        return self._opened(self._taken)

    def seconds(self) -> float:
        """How long the clip is, from its header. Raises InputError naming the file."""
        return self._opened(_length_s)

    def size(self) -> tuple[int, int]:
        """(width, height) of its frames in pixels, from its header. Raises InputError naming the file."""
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

    def _taken(self, clip: Any, stream: Any) -> Frames:
        length_s = _length_s(clip, stream)
        start_s, end_s = self.span_s or (0.0, length_s)
        if start_s >= length_s:
            raise InputError(
                f"{self.path} ends at second {length_s:.1f}, before the part from {start_s:.1f} on"
            )
        long_s = min(end_s, length_s) - start_s
        n = self.count if self.every_s is None else max(1, int(long_s / self.every_s))
        wanted = [start_s + (i + 0.5) * long_s / n for i in range(n)]
        pictures, times = [], []
        for time_s in wanted:
            frame = self._at(clip, stream, time_s)
            size = _within(frame.width, frame.height, self.max_px)
            pictures.append(frame.to_image(width=size[0], height=size[1]))
            times.append(round(float(frame.time), 3))
        return Frames(tuple(pictures), tuple(times), length_s)

    def _at(self, clip: Any, stream: Any, time_s: float) -> Any:
        """The last frame that begins no later than `time_s`."""
        from av.error import FFmpegError

        found = None
        try:
            clip.seek(int(time_s / stream.time_base), stream=stream)
            for frame in clip.decode(stream):
                if found is not None and frame.time > time_s:
                    break
                found = frame
        except FFmpegError as error:
            raise InputError(f"{self.path} breaks off near second {time_s:.1f}: {error}") from error
        if found is None:
            raise InputError(f"{self.path} has no frame near second {time_s:.1f}; it was cut short")
        return found


def _length_s(clip: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if clip.duration:
        return clip.duration / 1_000_000
    raise InputError(f"{clip.name} does not say how long it is; write it anew with a duration")


def film(frames: Frames, path: Path) -> None:
    """Write the frames as a clip (H.264), evenly over its seconds. Equal frames give equal bytes on one
    machine; colours are those of a video, a little off."""
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


@lru_cache(maxsize=4_096)
def fingerprint(medium: Media) -> str:
    """What a medium shows, wherever its file stands and whenever it was written: the sha256 of its file, of a
    clip with the choice of frames; of a drawn one its key, since nothing else decides what is drawn."""
    if isinstance(medium, Video):
        with medium.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{content}:{medium.count}:{medium.every_s}:{medium.max_px}:{medium.span_s}"
    if isinstance(medium, Image) and medium.key != medium.where:
        return hashlib.sha256(medium.encoded()[0]).hexdigest()
    return medium.key


def keep(medium: Media, folder: Path, seen: Any = None) -> str:
    """Save a picture once as PNG under `folder`, of a clip the chosen frames side by side, each with its
    second; returns its path relative to the folder's parent. seen: the medium, where it is loaded already."""
    path = folder / f"{hashlib.sha256(medium.key.encode()).hexdigest()[:16]}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        seen = medium.load() if seen is None else seen
        (_strip(seen) if isinstance(seen, Frames) else seen).save(part, format="PNG")
        os.replace(part, path)
    return f"{folder.name}/{path.name}"


def _strip(frames: Frames) -> PIL.Image.Image:
    """All frames of a clip in one picture, in rows of four, their seconds written into them."""
    small = [frame.copy() for frame in frames.pictures]
    for frame, time_s in zip(small, frames.times_s, strict=True):
        frame.thumbnail((240, 240))
        PIL.ImageDraw.Draw(frame).text(
            (3, 2), f"{time_s:.1f} s", "white", stroke_width=1, stroke_fill="black"
        )
    width, height = small[0].size
    columns = min(4, len(small))
    strip = PIL.Image.new("RGB", (columns * width, -(-len(small) // columns) * height))
    for i, frame in enumerate(small):
        strip.paste(frame, (i % columns * width, i // columns * height))
    return strip
