"""A clip that we drew becomes a file, and is the same clip when it is read again."""

from dataclasses import replace

import numpy
import pytest

from seethink.sources import drawn
from seethink.sources.records import read
from seethink.sources.writing import write


@pytest.fixture(scope="module")
def clips():
    return [replace(example, meta={}) for example in drawn.by_address("drawn:clips:6")]


def test_drawn_clips_are_written_as_files_that_show_the_same_frames(clips, tmp_path):
    write(clips, tmp_path / "out")
    for before, after in zip(clips, read(tmp_path / "out"), strict=True):
        (drawn_clip,), (filmed,) = before.media, after.media
        was, is_now = drawn_clip.load(), filmed.load()
        assert is_now.times_s == pytest.approx(was.times_s) and is_now.length_s == pytest.approx(was.length_s)
        for a, b in zip(was.pictures, is_now.pictures, strict=True):
            assert a.size == b.size
            assert numpy.abs(numpy.asarray(a, dtype=int) - numpy.asarray(b, dtype=int)).mean() < 4


def test_equal_clips_are_equal_files(clips, tmp_path):
    for name in ("a", "b"):
        write(clips[:2], tmp_path / name)
    files = [sorted((tmp_path / name / "clips").iterdir()) for name in ("a", "b")]
    assert [file.name for file in files[0]] == [file.name for file in files[1]]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
