"""Whether a file is whole, told by its own structure: decoders show what is left of a file that was cut.

Broadcast formats (MPEG-TS, MPEG-PS) and recordings that give no length have no end: what is there is taken.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_BOXES = (
    *(b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"meta", b"udta"),
    *(b"free", b"skip", b"wide", b"pnot", b"uuid", b"emsg", b"prft"),
)
"""Boxes of ISO 14496-12 and QuickTime outside all others; what else follows is no part of the file."""
_FLV_TAGS = (8, 9, 18)
_SEGMENT = 0x18538067
"""The element of a Matroska file that holds all others, behind its head."""
_FARTHEST = 1 << 62
"""No file can be sought beyond."""
_TO_THE_END = (0, 0xFFFFFFFF)
"""Sizes that a RIFF writer leaves where it did not come back to fill them in."""


def cut_short(source: Path | bytes) -> str | None:
    """What shows that the end of a file is missing; None for a whole one, and for formats that tell nothing.

    Read are the heads of blocks, not the blocks."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(12)
        for is_kind, end_of in _KINDS:
            if is_kind(head):
                file.seek(0)
                end = end_of(file)
                missing = end is not None and end > size
                return f"it has {size:,} bytes of at least {end:,}" if missing else None
    return None


def _gif_end(file: BinaryIO) -> int:
    """Behind the trailer, or behind the block that is missing. GIF89a, https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""
    file.seek(10)
    file.seek(2 + _colour_table(file.read(1)), io.SEEK_CUR)
    while kind := file.read(1):
        if kind == b";":
            return file.tell()
        if kind == b"!":
            file.seek(1, io.SEEK_CUR)
        elif kind == b",":
            flags = file.read(9)[8:]
            file.seek(_colour_table(flags) + 1, io.SEEK_CUR)
        else:
            continue  # decoders pass over stray bytes
        while n := file.read(1):
            if n == b"\0":
                break
            file.seek(n[0], io.SEEK_CUR)
    return file.tell() + 1


def _colour_table(flags: bytes) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 * 2 << (flags[0] & 7) if flags and flags[0] & 0x80 else 0


def _png_end(file: BinaryIO) -> int:
    """Behind IEND, or behind the chunk that is missing."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        end = file.seek(length + 4, io.SEEK_CUR)
        if kind == b"IEND":
            return end
    return file.tell() + 12


def _riff_end(file: BinaryIO) -> int:
    """The least end of the last RIFF block: some writers count its head of 8 bytes as well. AVI beyond a
    gigabyte has several blocks."""
    end = 0
    while (head := file.read(8))[:4] == b"RIFF" and len(head) == 8:
        length = int.from_bytes(head[4:], "little")
        if length in _TO_THE_END:
            break
        end = file.tell() + length
        file.seek(end + length % 2)
    return max(0, end - 8)


def _matroska_end(file: BinaryIO) -> int | None:
    """The end of the segment; None where its length is not given, as in a recording of a live stream."""
    while True:
        kind, length = _vint(file, keep_marker=True), _vint(file)
        if kind is None or length is None:
            return None
        end = file.tell() + length
        if kind == _SEGMENT:
            return end
        file.seek(end)


def _vint(file: BinaryIO, keep_marker: bool = False) -> int | None:
    """A number of EBML (RFC 8794, section 4); None for "unknown", and at the end of the file."""
    first = file.read(1)
    if not first or first == b"\0":
        return None
    n_more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(n_more))
    marker = 1 << 7 * (n_more + 1)
    if keep_marker:
        return value
    return None if value == 2 * marker - 1 else value - marker


def _mp4_end(file: BinaryIO) -> int:
    """The end of the last box; of one that reaches to the end of the file, its head."""
    end = 0
    while len(head := file.read(8)) == 8 and head[4:] in _BOXES:
        length, n_head = int.from_bytes(head[:4]), 8
        if length == 1:
            length, n_head = int.from_bytes(file.read(8)), 16
        if length < n_head:
            break
        end += length
        if end > _FARTHEST:
            break
        file.seek(end)
    return end


def _flv_end(file: BinaryIO) -> int:
    """The end of the last tag."""
    file.seek(5)
    end = file.seek(int.from_bytes(file.read(4)) + 4)
    while len(head := file.read(11)) == 11 and head[0] in _FLV_TAGS:
        end = file.seek(int.from_bytes(head[1:4]), io.SEEK_CUR)
        file.seek(4, io.SEEK_CUR)
    return end


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], int | None]], ...] = (
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), _gif_end),
    (lambda head: head.startswith(b"\x89PNG"), _png_end),
    (lambda head: head.startswith(b"RIFF") and head[8:] in (b"AVI ", b"WEBP"), _riff_end),
    (lambda head: head.startswith(b"\x1aE\xdf\xa3"), _matroska_end),
    (lambda head: head.startswith(b"FLV\x01"), _flv_end),
    (lambda head: head[4:8] in _BOXES, _mp4_end),
)
