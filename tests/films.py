"""Clips for tests: grey frames whose lightness tells their number, and frames that carry it in blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy
import PIL.Image

RATE = 10


def clip(path: Path, seconds: int) -> Path:
    """`RATE` frames a second of 64 x 48; frame i is grey of lightness 4 i."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        for i in range(RATE * seconds):
            grey = numpy.full((48, 64, 3), 4 * i, dtype=numpy.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


# Numbered frames ------------------------------------------------------------------------------------------

COLUMNS, ROWS = 4, 2


def numbered(number: int, size: tuple[int, int] = (64, 48)) -> numpy.ndarray:
    """(H, W, 3) pixels: the bits of a number below 256 as 4 x 2 white or black blocks, the lowest at the top
    left."""
    bits = numpy.array([number >> bit & 1 for bit in range(COLUMNS * ROWS)], numpy.uint8).reshape(
        ROWS, COLUMNS
    )
    picture = PIL.Image.fromarray(255 * bits, "L").resize(size, PIL.Image.Resampling.NEAREST)
    return numpy.asarray(picture.convert("RGB"))


def number_of(picture: PIL.Image.Image) -> int:
    """The number that a picture carries, read from the middle of each block."""
    light = numpy.asarray(picture.convert("L").resize((8 * COLUMNS, 8 * ROWS)), dtype=float)
    blocks = light.reshape(ROWS, 8, COLUMNS, 8)[:, 2:6, :, 2:6].mean(axis=(1, 3)).ravel()
    return sum(1 << bit for bit, value in enumerate(blocks) if value > 127)


@dataclass(frozen=True)
class Film:
    """A clip of numbered frames.

    rate: frames a second. times_s: when the frames are shown, if not evenly. start_s: added to all times.
    options: of the encoder. container_options: of the container, such as movflags. sound_s: length of a
    silent track. turn: (degrees counterclockwise, mirrored left to right, mirrored top to bottom) by which
    players turn it. aspect: width of a pixel over its height.
    """

    container: str
    codec: str
    rate: int = 25
    count: int = 60
    times_s: Sequence[Fraction] = ()
    start_s: float = 0
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    size: tuple[int, int] = (64, 48)
    sound_s: float = 0
    turn: tuple[int, bool, bool] | None = None
    aspect: Fraction | None = None

    def write(self, path: Path) -> Path:
        options = dict(self.container_options)
        with av.open(str(path), "w", format=self.container, options=options) as out:
            stream = out.add_stream(self.codec, rate=self.rate, options=dict(self.options))
            stream.width, stream.height = self.size
            stream.pix_fmt = self.pixels
            even = not self.times_s or self.container == "avi"  # AVI counts frames; those that lack are empty
            unit = Fraction(1, self.rate) if even else Fraction(1, 1_000)
            stream.codec_context.time_base = unit
            if self.aspect:
                stream.codec_context.sample_aspect_ratio = self.aspect
            if self.turn:
                stream.set_display_rotation(self.turn[0], hflip=self.turn[1], vflip=self.turn[2])
            packets = []
            for i, time_s in enumerate(self.times_s or [i * unit for i in range(self.count)]):
                frame = av.VideoFrame.from_ndarray(numbered(i, self.size), format="rgb24")
                frame.pts, frame.time_base = round(time_s / unit), unit
                packets += stream.encode(frame)
            packets += stream.encode()
            packets += self.sound(out)
            for packet in packets:
                shift = round(Fraction(self.start_s) / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
                out.mux(packet)
        return path

    def sound(self, out: av.container.OutputContainer) -> list[av.Packet]:
        """The packets of the silent track."""
        if not self.sound_s:
            return []
        codec = {"webm": "libopus", "matroska": "libopus"}.get(
            self.container, "mp2" if self.container != "flv" else "aac"
        )
        stream = out.add_stream(codec, rate=48_000, layout="mono")
        packets = []
        for start in range(0, int(48_000 * self.sound_s), 1_152):
            frame = av.AudioFrame.from_ndarray(
                numpy.zeros((1, 1_152), numpy.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            packets += stream.encode(frame)
        return packets + stream.encode()
