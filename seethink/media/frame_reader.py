"""The frames of a video file at given times: those that decoding the file from start to end finds there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, dropwhile
from math import floor
from pathlib import Path
from typing import Any, TypeVar

from seethink.media import signatures, whole
from seethink.media.decoding import MAX_PIXELS
from seethink.types import InputError

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
_INDEXED = {_MP4, "matroska,webm", "avi"}
"""Containers with an index: their end is found without reading all of the file."""
_SOUGHT = {*_INDEXED, "mpegts", "flv"}
"""Containers whose packets have the same time stamps wherever reading starts."""
_BROADCAST = {"mpegts", "mpeg"}
"""Containers whose clock may jump. As in FFmpeg, a gap of more than `_JUMP_S` seconds is a jump."""
_JUMP_S = 10
_LOOSE = "mpeg"
"""MPEG-PS: small frames share a time stamp, and those that FFmpeg infers are off by up to `_SLACK` frames."""
_SLACK = 3
_TEXTS = {"tty", "bin", "adf", "idf", "xbin"}
"""What FFmpeg takes text files for; it draws their letters."""
_CANVAS = {"gif", "apng"}
"""Codecs that draw each frame on the one before; decoding always starts with the first."""
SLOW: Counter[str] = Counter()
"""Container -> clips that were decoded from their start, since positions in them cannot be trusted."""


class FrameReader:
    """The main video stream of a file; a cover picture is none. Use it in a `with` statement.

    Times are exact, in seconds after the first frame shown. At most two decoded frames are held beside those
    of the decoder. on_read: called with each frame decoded, with None for each packet read; what it raises
    ends the reading. Raises InputError, which names the file and the second where decoding failed.
    """

    def __init__(self, path: Path, on_read: Callable[[Any], None] = lambda frame: None) -> None:
        if why := whole.cut_short(path):
            raise InputError(f"{path} is cut short: {why}; replace the file")
        self.path, self._on_read = path, on_read
        self._clip, self.stream = _open(path)
        self._container: str = self._clip.format.name
        self._sought = self._container in _SOUGHT and not (self._container == "avi" and self._reorders())
        self._start_pts, self._read = 0, False

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._clip.close()

    def header_length_s(self) -> Fraction | None:
        """The duration that the header gives, which may be that of another stream."""
        if self.stream.duration:
            return self.stream.duration * self.stream.time_base
        return Fraction(self._clip.duration, 1_000_000) if self._clip.duration else None

    @property
    def huge(self) -> bool:
        """Whether the header gives more than `MAX_PIXELS`."""
        return self.stream.width * self.stream.height > MAX_PIXELS

    def first(self) -> Any:
        """The first frame shown."""
        if self.huge:
            size = f"{self.stream.width} x {self.stream.height}"
            raise InputError(f"{self.path} has frames of {size} pixels, more than {MAX_PIXELS:,}")
        frame = next(self._decoded(self._packets_from_start()), None)
        if frame is None:
            raise InputError(f"{self.path} has no frame that can be decoded")
        self._start_pts = frame.pts or 0
        return frame

    def length_s(self) -> Fraction:
        """From the first frame shown to the end of the last, measured on the packets. Call `first` before.

        The header alone is not believed: it may promise more than there is, or count the sound.
        """
        header_s, end_s = self.header_length_s(), None
        if self._sought and self._container in _INDEXED and header_s:
            try:
                end_s = self._end_s(self._packets_from_key(header_s)[0])
            except _SeekError as error:
                _LOG.debug("%s: %s; all its packets are read to find its end", self.path, error)
        if end_s is None:
            self._rewind()
            end_s = self._end_s(self._packets())
        if end_s is None:
            self._sought = False
            clock = _Clock(self.stream, self._container)
            for packet in self._packets_from_start():
                if packet.size:
                    clock.tell(packet.dts, packet.duration)
            end_s = clock.end_s
        return end_s

    def frames_at(self, times_s: Sequence[Fraction], use: Callable[[Any], T]) -> list[tuple[Fraction, T]]:
        """For each of the ascending times, the last frame shown by then: its own time, and what `use` makes
        of it. Call `length_s` before.

        Frames are sought from key frames on, and what is found is verified. Where a file does not keep to its
        own index, or has none, all frames up to the last time are decoded, which `SLOW` counts.
        """
        reason = "its container or its time stamps give no exact positions"
        if self._sought:
            try:
                return self._chosen(self._sought_playbacks(times_s), times_s, use)
            except _SeekError as error:
                reason = str(error)
        if self.stream.codec_context.name not in _CANVAS:
            _count_slow(self._container, self.path, reason)
        playback = _Playback(self._timed(self._decoded(self._packets_from_start())))
        return self._chosen((playback for _ in times_s), times_s, use)

    def _chosen(
        self, playbacks: Iterable[_Playback], times_s: Sequence[Fraction], use: Callable[[Any], T]
    ) -> list[tuple[Fraction, T]]:
        from av.error import FFmpegError

        chosen, frame = [], None
        for playback, time_s in zip(playbacks, times_s, strict=True):
            playback.advance(time_s)
            if frame is playback.frame:
                chosen.append(chosen[-1])
                continue
            frame = playback.frame
            if frame.is_corrupt:
                raise InputError(f"{self.path} is damaged near second {float(playback.time_s):.1f}")
            try:
                chosen.append((playback.time_s, use(frame)))
            except FFmpegError as error:
                kind = frame.format.name
                raise InputError(f"{self.path} has frames of format {kind}: {error.strerror}") from error
        return chosen

    # From the start ---------------------------------------------------------------------------------------

    def _packets_from_start(self) -> Iterator[Any]:
        """All packets but those before the first key frame, as in a cut broadcast, which refer to nothing."""
        self._rewind()
        packets = dropwhile(_is_no_key, self._packets())
        key = next(packets, None)
        if key is not None:
            return chain([key], packets)
        self._rewind()  # no packet is marked as a key frame
        return self._packets()

    def _timed(self, frames: Iterable[Any]) -> Iterator[tuple[Fraction, Any]]:
        clock = _Clock(self.stream, self._container)
        for frame in frames:
            # AVI stores no times of display; those that FFmpeg infers are wrong where frames are reordered
            stamp = frame.dts if self._container == "avi" else frame.pts
            yield clock.tell(stamp, frame.duration), frame

    # From a key frame -------------------------------------------------------------------------------------

    def _sought_playbacks(self, times_s: Iterable[Fraction]) -> Iterator[_Playback]:
        """For each of the ascending times a playback that is at it or before.

        One that stands at most as far before the time as a key frame has been from the time sought goes on,
        since seeking might lead to the same key frame again.
        """
        playback, reach_s = None, Fraction(0)
        for time_s in times_s:
            if playback is None or time_s - playback.time_s > reach_s:
                packets, key_pts = self._packets_from_key(time_s)
                playback = _Playback(self._verified(self._decoded(packets), key_pts))
                reach_s = max(reach_s, time_s - playback.time_s)
            yield playback

    def _packets_from_key(self, time_s: Fraction) -> tuple[Iterator[Any], int]:
        """The packets from a key frame on that is shown at `time_s` or before, and its time stamp."""
        from av.error import FFmpegError

        target = floor(self._start_pts + time_s / self.stream.time_base)
        before = 0
        while True:
            if target - before <= self._start_pts:
                self._rewind()
            else:
                try:
                    self._clip.seek(target - before, stream=self.stream)
                except FFmpegError as error:
                    raise _SeekError(f"it cannot be sought: {error.strerror}") from error
            packets = dropwhile(_is_no_key, self._packets())
            key = next(packets, None)
            if key is not None and key.pts is None:
                raise _SeekError("its key frames have no time")
            if key is not None and key.pts <= target:
                return chain([key], packets), key.pts
            if target - before <= self._start_pts:
                raise _SeekError(f"no key frame is found before second {float(time_s):.1f}")
            before = 2 * before or floor(1 / self.stream.time_base)

    def _verified(self, frames: Iterable[Any], key_pts: int) -> Iterator[tuple[Fraction, Any]]:
        """Frames from the key frame on. Those that follow it but are shown before it lack what they refer to.

        Raises _SeekError unless the key frame is the first of the others and their time stamps increase.
        """
        last = None
        for frame in frames:
            if frame.pts is None:
                raise _SeekError("its frames have no times")
            if last is None and frame.pts < key_pts:
                continue
            if last is None and not (frame.pts == key_pts and frame.key_frame):
                raise _SeekError("a packet marked as a key frame is none")
            if last is not None and frame.pts <= last:
                raise _SeekError("its time stamps go back")
            last = frame.pts
            yield self._time_s(last), frame
        if last is None:
            raise _SeekError("no frame follows a key frame")

    # Packets ----------------------------------------------------------------------------------------------

    def _rewind(self) -> None:
        """Go to the start of the file; not every container can be sought even there."""
        if self._read:
            self._clip.close()
            self._clip, self.stream = _open(self.path)
            self._read = False

    def _reorders(self) -> bool:
        """Whether frames may be stored in another order than they are shown."""
        codec = self.stream.codec_context
        return codec.codec.reorder and (codec.name != "mpeg4" or codec.has_b_frames)

    def _time_s(self, pts: int) -> Fraction:
        return (pts - self._start_pts) * self.stream.time_base

    def _packets(self) -> Iterator[Any]:
        """The packets of the stream from the present position on, then an empty one that ends decoding."""
        from av.error import FFmpegError

        self._read = True
        try:
            for packet in self._clip.demux(self.stream):
                self._on_read(None)
                if packet.size or packet.dts is None:
                    yield packet
        except FFmpegError as error:
            raise InputError(f"{self.path} cannot be read to its end: {error.strerror}") from error

    def _decoded(self, packets: Iterable[Any]) -> Iterator[Any]:
        from av.error import FFmpegError

        second = 0.0
        for packet in packets:
            if packet.dts is not None:
                second = float(self._time_s(packet.dts if packet.pts is None else packet.pts))
            try:
                frames = packet.decode()
            except FFmpegError as error:
                raise InputError(
                    f"{self.path} cannot be decoded near second {second:.1f}: {error.strerror}"
                ) from error
            for frame in frames:
                self._on_read(frame)
                yield frame

    def _end_s(self, packets: Iterable[Any]) -> Fraction | None:
        """The end of the frame shown last; None without packets, if one has no time, or if the clock jumps.

        Another frame may seem to end later: where frames are stored in another order than they are shown, MP4
        gives the times between those stored, not those between those shown."""
        clock, last = _Clock(self.stream, self._container), None  # (its time stamp, its duration)
        for packet in () if self._container == _LOOSE else packets:
            if not packet.size:
                continue
            if packet.dts is not None:
                clock.tell(packet.dts, packet.duration)
            if packet.pts is None or clock.jumped:
                return None
            if not packet.is_discard:
                shown = (packet.pts, packet.duration or clock.step)
                last = max(last or shown, shown)
        return None if last is None else self._time_s(sum(last))


class _SeekError(Exception):
    """Seeking in the file does not lead where its index or its time stamps say."""


class _Playback:
    """Frames in order: the one at hand and, already decoded, the one that follows it."""

    def __init__(self, frames: Iterator[tuple[Fraction, Any]]) -> None:
        self._frames = frames
        self.time_s, self.frame = next(frames)
        self._next = next(frames, None)

    def advance(self, time_s: Fraction) -> None:
        """Go on to the last frame shown at `time_s`."""
        while self._next is not None and self._next[0] <= time_s:
            (self.time_s, self.frame), self._next = self._next, next(self._frames, None)


class _Clock:
    """Tells the seconds since the first frame from time stamps that may be missing, repeat, go back or jump.

    Then a frame follows the one before by its duration. step: the duration of a frame that says none, in
    units of the stream. jumped: whether there was such a time stamp.
    """

    def __init__(self, stream: Any, container: str) -> None:
        self._unit_s = stream.time_base
        self.step = 1 / ((stream.average_rate or stream.guessed_rate or 25) * self._unit_s)
        self._longest = _JUMP_S / self._unit_s if container in _BROADCAST else None
        self._slack = _SLACK * self.step if container == _LOOSE else 0
        self._now, self._stamp, self._duration = Fraction(0), None, None
        self.jumped = False

    def tell(self, stamp: int | None, duration: int | None) -> Fraction:
        """The time of the next frame."""
        if self._duration is None:
            self._stamp = stamp
        else:
            gap = None if stamp is None or self._stamp is None else stamp - self._stamp
            usual = gap is not None and abs(gap - self._duration) <= self._slack
            if usual or gap is None or gap <= 0 or (self._longest and gap > self._longest):
                self.jumped = self.jumped or not usual
                gap = self._duration
            self._now += gap
            self._stamp = stamp if self._stamp is None or not usual else self._stamp + gap
        self._duration = duration or self.step
        return self._now * self._unit_s

    @property
    def end_s(self) -> Fraction:
        """When the last frame ends."""
        return (self._now + (self._duration or 0)) * self._unit_s


def _is_no_key(packet: Any) -> bool:
    return not packet.is_keyframe


def _count_slow(container: str, path: Path, reason: str) -> None:
    SLOW[container] += 1
    _LOG.log(
        logging.WARNING if SLOW[container] == 1 else logging.DEBUG,
        "%s is decoded from its start, since %s; this is not said again of clips in %s",
        *(path, reason, container),
    )


def _open(path: Path) -> tuple[Any, Any]:
    """The container and its main video stream."""
    import av
    from av.error import FFmpegError

    try:
        # a playlist may not fetch anything, and a title in an unknown encoding is no reason to fail
        clip = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except FFmpegError as error:
        raise InputError(
            f"{path} cannot be read as a clip: {signatures.why_no_clip(path) or error.strerror}"
        ) from error
    try:
        return clip, _main_stream(clip, path)
    except InputError:
        clip.close()
        raise


def _main_stream(clip: Any, path: Path) -> Any:
    from av.stream import Discard, Disposition

    if clip.format.name in _TEXTS:
        raise InputError(f"{path} is a text, not a clip")
    if clip.format.name.endswith("_pipe") or clip.format.name == "image2":
        raise InputError(f"{path} is a picture, not a clip; give it as a picture")
    videos = [stream for stream in clip.streams.video if not stream.disposition & Disposition.attached_pic]
    if not videos:
        pictures = " but a cover picture" if clip.streams.video else ""
        raise InputError(f"{path} holds no video stream{pictures}")
    best = clip.streams.best("video")
    stream = next((one for one in videos if best is not None and one.index == best.index), videos[0])
    if stream.codec_context is None:
        raise InputError(f"{path} has video that cannot be decoded here; convert it to H.264")
    last, size = stream.index_entries[-1:], path.stat().st_size
    if clip.format.name == _MP4 and last and (end := last[0].pos + last[0].size) > size:
        raise InputError(f"{path} is cut short: it has {size:,} bytes of at least {end:,}; replace the file")
    for other in clip.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.thread_type = "AUTO"
    return stream
