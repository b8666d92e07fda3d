"""A decoded frame as the picture that a player shows: upright, with square pixels, and opaque."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import PIL.Image
from PIL.Image import Transpose

from seethink.media.decoding import on_white

_TURNS = {
    (False, False, False): None,
    (False, True, False): Transpose.FLIP_LEFT_RIGHT,
    (False, False, True): Transpose.FLIP_TOP_BOTTOM,
    (False, True, True): Transpose.ROTATE_180,
    (True, False, False): Transpose.TRANSPOSE,
    (True, True, False): Transpose.ROTATE_270,
    (True, False, True): Transpose.ROTATE_90,
    (True, True, True): Transpose.TRANSVERSE,
}
"""(x and y change places, x is then mirrored, y is then mirrored) -> what Pillow calls it."""


@dataclass(frozen=True)
class Display:
    """How players show the frames of a clip. size: (width, height) in pixels. turn: a key of `_TURNS`."""

    size: tuple[int, int]
    turn: tuple[bool, bool, bool]

    @classmethod
    def of(cls, first: Any, aspect: Fraction | None) -> Display:
        """From the first frame. aspect: width of a pixel over its height; the shorter side of a pixel grows,
        so no detail is lost."""
        turn, (width, height) = _turn(first), (first.width, first.height)
        if aspect and aspect > 0:
            width, height = round(width * max(aspect, 1)), round(height / min(aspect, 1))
        return cls((height, width) if turn[0] else (width, height), turn)

    def picture(self, frame: Any, size: tuple[int, int]) -> PIL.Image.Image:
        """A frame in RGB at `size` (width, height), upright; what is transparent is white."""
        width, height = size[::-1] if self.turn[0] else size
        # one thread: a process that is forked while threads wait in converters may hang
        if frame.format.has_palette or any(component.is_alpha for component in frame.format.components):
            pixels = PIL.Image.fromarray(frame.reformat(format="rgba", threads=1).to_ndarray())
            picture = on_white(pixels).resize((width, height))
        else:
            picture = frame.to_image(width=width, height=height, threads=1)
        transposition = _TURNS[self.turn]
        return picture if transposition is None else picture.transpose(transposition)


def _turn(frame: Any) -> tuple[bool, bool, bool]:
    """How the frame's display matrix turns it, as a key of `_TURNS`; other angles count as the nearest.

    (x', y') = (a x + c y, b x + d y), https://ffmpeg.org/doxygen/trunk/group__lavu__video__display.html
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (False, False, False)
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (False, a < 0, d < 0)
    return (True, c < 0, b < 0)
