"""Clips for tests: grey frames whose lightness tells their number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy

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
