"""A file that was cut is refused, where its own structure tells it; the whole file is not."""

import random
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from seethink.check import Preflight, check
from seethink.formats import THINK_ANSWER
from seethink.media import Image, Video, given
from seethink.media.whole import cut_short
from seethink.types import InputError
from tests import picture_files as files
from tests.films import Film

ANIMATED = ("GIF", "WEBP", "PNG")
FILMS = {
    "mp4": Film("mp4", "libx264"),
    "fast.mp4": Film("mp4", "libx264", container_options={"movflags": "faststart"}),
    "mov": Film("mov", "libx264"),
    "mkv": Film("matroska", "libx264"),
    "webm": Film("webm", "libvpx"),
    "avi": Film("avi", "mpeg4"),
    "flv": Film("flv", "flv"),
    "gif": Film("gif", "gif", pixels="rgb8"),
}


def noise(i: int) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8))


@cache
def animation(file_format: str, frames: int = 3) -> bytes:
    first, *others = map(noise, range(frames))
    options = {"save_all": True, "append_images": others, "duration": 100} if others else {}
    return files.encoded(first, file_format, **options)


def film(kind: str, folder: Path) -> bytes:
    return FILMS[kind].write(folder / f"whole.{kind}").read_bytes()


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_a_picture_without_its_last_bytes_is_broken(file_format):
    whole = animation(file_format, 1)
    assert Image.data(whole, "a.x").load().size == (40, 30)
    for lost in (1, 2, 12, 13, len(whole) // 2):
        with pytest.raises(InputError, match=r"a\.x"):
            Image.data(whole[:-lost], "a.x").load()


@pytest.mark.parametrize("file_format", ["GIF", "PNG"])
@pytest.mark.parametrize("frames", [1, 3])
def test_wherever_a_picture_is_cut_its_structure_tells(file_format, frames):
    whole = animation(file_format, frames)
    assert cut_short(whole) is None
    assert cut_short(whole + b"an editor's notes") is None
    assert all(cut_short(whole[:n]) for n in range(12, len(whole)))


@pytest.mark.parametrize("file_format", ANIMATED)
def test_an_animation_without_its_last_bytes_is_a_broken_clip(file_format, tmp_path):
    whole, name = animation(file_format), f"a.{file_format.lower()}"
    rows = tmp_path / "my.jsonl"
    rows.write_text(f'{{"video": "{name}", "question": "What moves?", "answer": "3"}}\n', encoding="utf-8")
    for lost, decode in ((0, True), (1, True), (1, False), (len(whole) // 3, False)):
        (tmp_path / name).write_bytes(whole[: len(whole) - lost])
        kinds = [fault.kind for fault in check(Preflight(rows, THINK_ANSWER, decode=decode)).faults]
        assert kinds == (["broken clip"] if lost else [])


@pytest.mark.parametrize("kind", FILMS)
def test_a_film_without_its_end_is_refused_before_it_is_decoded(kind, tmp_path):
    whole, path = film(kind, tmp_path), tmp_path / f"a.{kind}"
    # the last four bytes of FLV repeat a length, and some writers of AVI count eight bytes too many
    for lost in (9, 60, len(whole) // 10, len(whole) // 2):
        path.write_bytes(whole[:-lost])
        for use in (Video.duration_s, Video.size, Video.load):
            with pytest.raises(InputError, match=r"is cut short: it has [\d,]+ bytes of at least [\d,]+;"):
                use(Video(path))
    path.write_bytes(whole + bytes(64))
    assert len(Video(path).load().pictures) == 8


def test_a_recording_that_gives_no_length_is_taken_as_it_is(tmp_path):
    """Matroska and RIFF writers that cannot go back, as to a pipe, leave the length open."""
    mkv = film("mkv", tmp_path)
    at = mkv.index(b"\x18\x53\x80\x67") + 4
    assert cut_short(mkv[:-60]) and cut_short(mkv[:at] + b"\x01" + b"\xff" * 7 + mkv[at + 8 : -60]) is None
    avi = film("avi", tmp_path)
    for length in (bytes(4), b"\xff" * 4):
        assert cut_short(avi[:-60]) and cut_short(avi[:4] + length + avi[8:-60]) is None


@pytest.mark.parametrize("kind", [*FILMS, "PNG"])
def test_a_broken_structure_ends_the_search(kind, tmp_path):
    whole = animation(kind) if kind == "PNG" else film(kind, tmp_path)
    rng = random.Random(kind)
    for _ in range(300):
        data = bytearray(whole[: rng.randrange(len(whole))])
        for _ in range(rng.randrange(6)):
            data[rng.randrange(min(200, len(data) or 1)) : 0] = rng.randbytes(4)
        cut_short(bytes(data))
    huge = b"\0\0\0\x01mdat" + b"\xff" * 8
    assert cut_short(huge) and cut_short(huge[:8]) is None


def test_an_animation_given_by_its_path_is_cut_as_any(tmp_path):
    (tmp_path / "a.gif").write_bytes(animation("GIF")[:-1])
    with pytest.raises(InputError, match=r"a\.gif is cut short"):
        given.clip("a.gif", tmp_path, {}).load()


def test_an_avi_file_whose_length_counts_its_head_is_whole(tmp_path):
    whole, path = bytearray(film("avi", tmp_path)), tmp_path / "a.avi"
    whole[4:8] = len(whole).to_bytes(4, "little")
    path.write_bytes(whole)
    assert cut_short(path) is None and len(Video(path).load().pictures) == 8
