"""Members of a zip archive in bounded memory, those compressed with Zstandard (method 93) too."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

from seethink.types import InputError

MAX_MEMBER_BYTES = 256 << 20
"""A member may have this many bytes once it is unpacked."""
MAX_TOTAL_BYTES = 4 << 30
"""All members that are read may have this many."""
_ZSTANDARD = 93
_LOCAL_HEADER = struct.Struct("<4s22xHH")


class Archive:
    """A zip archive whose members are read into memory, never written to disk, so that their paths lead
    nowhere."""

    def __init__(self, path: Path) -> None:
        """Raises InputError for a file that is no zip archive."""
        self.path, self._read = path, 0
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {info.filename: info for info in archive.infolist()}
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(f"{path} is no whole zip archive ({error}); copy the file again") from error

    @property
    def names(self) -> list[str]:
        """The members' names, in the order of the archive."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """A member's bytes. Raises InputError where it is missing, broken, or larger than the limits."""
        info = self._members.get(name)
        if info is None:
            raise InputError(
                f"{self.path} has no member {name}; it is no file of the tool that it seems to be"
            )
        if info.flag_bits & 1:
            raise InputError(f"{self.path}: {name} is encrypted; save the file without a password")
        limit = min(MAX_MEMBER_BYTES, MAX_TOTAL_BYTES - self._read)
        try:
            content = self._unpacked(info, limit + 1)
        except (OSError, zlib.error, struct.error, zipfile.BadZipFile, EOFError) as error:
            raise InputError(f"{self.path}: {name} is broken ({error}); copy the file again") from error
        except NotImplementedError as error:
            raise InputError(
                f"{self.path}: {name} cannot be unpacked ({error}); zip it with deflate"
            ) from error
        if len(content) > limit:
            raise InputError(
                f"{self.path}: {name} unpacks to more than {limit:,} bytes, as archives do that are made to "
                "fill memory; unpack it and look at it first"
            )
        self._read += len(content)
        return content

    def _unpacked(self, info: zipfile.ZipInfo, at_most: int) -> bytes:
        if info.compress_type != _ZSTANDARD:
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as member:
                return member.read(at_most)
        import pyarrow

        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            magic, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
            if magic != b"PK\x03\x04":
                raise zipfile.BadZipFile("no header where the directory says")
            file.seek(name + extra, io.SEEK_CUR)
            packed = file.read(info.compress_size)
        with pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd") as stream:
            content = stream.read(at_most)
        if len(content) < at_most and zlib.crc32(content) != info.CRC:
            raise zipfile.BadZipFile("its checksum differs")
        return content
