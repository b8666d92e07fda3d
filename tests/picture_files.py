"""Picture files written by hand, so that tests know every pixel without asking a decoder."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type of a PNG -> samples of a pixel."""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    samples: np.ndarray,
    depth: int,
    colour: int,
    before: tuple[bytes, ...] = (),
    after: tuple[bytes, ...] = (),
) -> bytes:
    """A PNG of `samples` (H, W, channels). before, after: chunks on either side of its pixels."""
    height, width, channels = samples.shape
    assert channels == CHANNELS[colour]
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    elif depth == 8:
        rows = [row.astype(np.uint8).tobytes() for row in samples]
    else:
        bits = (samples[..., 0, None] >> np.arange(depth)[::-1]) & 1
        rows = [np.packbits(row.reshape(-1)).tobytes() for row in bits.astype(np.uint8)]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    half = len(pixels) // 2  # two chunks of pixels, as real files have
    return b"".join(
        (
            *(b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *before),
            *(chunk(b"IDAT", pixels[:half]), chunk(b"IDAT", pixels[half:])),
            *(*after, chunk(b"IEND", b"")),
        )
    )


def tiff(samples: np.ndarray, sample_format: int = 1, white_is_zero: bool = False, order: str = "<") -> bytes:
    """An uncompressed TIFF of one strip. samples: (H, W) or (H, W, 3)."""
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    bits = samples.dtype.itemsize * 8
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    photometric = 2 if channels == 3 else 0 if white_is_zero else 1
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 0), (277, channels)]
    tags += [(278, height), (279, len(data)), (339, sample_format)]
    begin = 8 + 2 + 12 * len(tags) + 4
    tags[5] = (273, begin + 6 * (channels == 3))
    body = struct.pack(f"{order}H", len(tags))
    for tag, value in tags:
        if tag == 258 and channels == 3:
            body += struct.pack(f"{order}HHII", tag, 3, 3, begin)
        elif tag in (256, 257, 273, 278, 279):
            body += struct.pack(f"{order}HHII", tag, 4, 1, value)
        else:
            body += struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
    table = struct.pack(f"{order}HHH", *[bits] * 3) if channels == 3 else b""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + body + struct.pack(f"{order}I", 0) + table + data


def exif(orientation: int) -> bytes:
    """An EXIF block, as in a PNG's eXIf chunk, that holds an orientation."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)


def encoded(picture: PIL.Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def on_white(inks: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) shades of inks (H, W, 3) in [0, 255] with alpha (H, W) in [0, 1] on white paper."""
    return np.rint(inks * alpha[..., None] + 255 * (1 - alpha[..., None]))


def arrow() -> PIL.Image.Image:
    """48 x 32, its quarters in four colours, so that each of the eight orientations differs."""
    picture = PIL.Image.new("RGB", (48, 32), "white")
    for box, colour in (((0, 0, 24, 16), "red"), ((24, 0, 48, 16), "lime"), ((0, 16, 24, 32), "blue")):
        picture.paste(colour, box)
    return picture


STORED_AS = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: lambda x: np.swapaxes(x, 0, 1),
    6: np.rot90,
    7: lambda x: np.rot90(np.swapaxes(x, 0, 1), 2),
    8: lambda x: np.rot90(x, -1),
}
"""EXIF orientation -> the upright pixels as a camera stores them (EXIF 2.3, table 6)."""
