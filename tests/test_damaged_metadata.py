"""Pillow's warnings name no file; what they say is said here, once for a file, and changes no pixel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

from seethink.media import Image, decoding

ROOT = Path(__file__).parent.parent


@pytest.fixture
def turned(tmp_path, monkeypatch):
    """A picture that EXIF turns on its side, and what writes it with its EXIF block changed."""
    monkeypatch.setattr(decoding, "_SAID", set())
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera of some maker"
    PIL.Image.new("RGB", (60, 40), "navy").save(tmp_path / "page.jpg", exif=exif)
    data = (tmp_path / "page.jpg").read_bytes()
    start = data.index(b"Exif\0\0") + 6

    def changed(at: int, new: bytes) -> Path:
        file = tmp_path / "page.jpg"
        file.write_bytes(data[: start + at] + new + data[start + at + len(new) :])
        return file

    return changed


@pytest.mark.parametrize(
    ("at", "new", "size", "damaged"),
    [
        (0, b"", (40, 60), False),
        (8, b"\0\x77", (40, 60), True),  # more entries than there are
        (4, b"\xff\xff\xff\x0f", (60, 40), True),  # the directory is elsewhere
        (18, b"\xff\xff\xff\x0f", (60, 40), True),  # the maker's name is elsewhere, and Pillow stops there
    ],
)
def test_a_damaged_block_is_said_once_with_its_file_and_turns_what_it_can(
    turned, caplog, at, new, size, damaged
):
    file = turned(at, new)
    assert {Image.file(file).size() for _ in range(2)} == {Image.file(file).load().size} == {size}
    assert [record.getMessage().count("page.jpg: its EXIF block") for record in caplog.records] == [
        1
    ] * damaged


@pytest.mark.filterwarnings("default")
def test_no_warning_of_pillow_is_printed(turned, tmp_path):
    PIL.Image.new("1", (12_000, 9_000)).save(tmp_path / "large.png")  # above Pillow's limit, below ours
    files = [str(turned(8, b"\0\x77")), str(tmp_path / "large.png")]
    code = f"from seethink.media import Image; [Image.file(file).size() for file in {files}]"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Warning" not in done.stderr and done.stderr.count("\n") == 1
