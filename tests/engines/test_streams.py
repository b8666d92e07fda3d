"""The random numbers of a completion follow from seed, text and media, not from where a file lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import PIL.Image
import pytest
import torch

from seethink.engines.sampling import random_streams, stream_key
from seethink.formats import ANSWER_ONLY
from seethink.media import Image, Video
from seethink.media.clip import write_clip
from seethink.media.paths import without_place
from seethink.sources.drawn import by_name
from seethink.types import Example, Media, Sampling
from tests import tiny, vlms

SAMPLING = Sampling(n=2, max_tokens=4)
FOLDERS = ["a", "another folder", "o'brien", 'so "called"', "new\nline", "[1, 2]", "x:1:2"]


def streams(encoder, *media: Media) -> torch.Tensor:
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(Example("1", "What is it?", media))])
    return random_streams([prompt], SAMPLING)


def copied(file: Path, folder: Path) -> Path:
    """A copy that was written at another time."""
    folder.mkdir()
    copy = Path(shutil.copy(file, folder / file.name))
    os.utime(copy, ns=(0, 1_234_567_890_123_456_789))
    return copy


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    PIL.Image.new("RGB", (56, 56), (200, 10, 10)).save(tmp_path / "red 1:2.png")
    return tmp_path / "red 1:2.png"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_copied_picture_samples_the_same(folder: str, picture: Path, tmp_path: Path) -> None:
    encoder, copy = tiny.encoder(tiny.qwen2_vl()), copied(picture, tmp_path / folder)
    assert Image.file(picture).key != Image.file(copy).key
    for views in ((Image.file, Image.file), (lambda p: Image.file(p).fit(900),) * 2):
        one, other = (view(path) for view, path in zip(views, (picture, copy), strict=True))
        assert torch.equal(streams(encoder, one), streams(encoder, other))
        assert torch.equal(streams(encoder, one, one), streams(encoder, other, one))


@pytest.mark.parametrize("family", ["qwen2_vl", "aria"])
def test_a_copied_clip_samples_the_same(family: str, tmp_path: Path) -> None:
    """Aria is shown its frames as pictures."""
    encoder = vlms.build(family)[1]
    write_clip(by_name("clips", 1)[0].media[0].load(), tmp_path / "clip.mp4")
    copy = copied(tmp_path / "clip.mp4", tmp_path / "b")
    one, other, fewer = (Video(path, n) for path, n in ((tmp_path / "clip.mp4", 4), (copy, 4), (copy, 2)))
    assert torch.equal(streams(encoder, one), streams(encoder, other))
    assert not torch.equal(streams(encoder, one), streams(encoder, fewer))


def test_other_pictures_samples_and_seeds_have_other_numbers(picture: Path, tmp_path: Path) -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    named = tmp_path / "blue.png"
    shutil.copy(picture, named)
    found = streams(encoder, Image.file(picture))
    assert not torch.equal(found, streams(encoder, Image.file(named)))
    assert not torch.equal(found, streams(encoder, Image.file(picture).fit(900)))
    assert not torch.equal(found[0], found[1])


def test_what_is_no_file_keeps_its_key() -> None:
    (prompt,) = tiny.encoder(tiny.qwen2_vl()).prompts([ANSWER_ONLY.prompt(by_name("counting", 1)[0])])
    assert stream_key(prompt) == prompt.key
    for key in ("drawn/counting/train/0/practised/0/0", "drawn/a/b:1:2", "a" * 64, "clip#4", "pages/1:2:3"):
        assert without_place(key) == key
    assert without_place("/data/x/1.png:72:17959<900") == "1.png:72<900"
    assert without_place("C:\\data\\1.png:72:17959") == "1.png:72"
    assert without_place("/a/b.mp4:9:17:8:None:401408/3") == "b.mp4:9:8:None:401408/3"
