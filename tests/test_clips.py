"""Clips: frames at their times, never the whole in memory; native where a family has them, else pictures."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy
import PIL.Image
import pytest
import torch

from seethink.formats import ANSWER_ONLY
from seethink.media import Frames, Video
from seethink.models import vision_cache
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.types import Example, InputError
from tests import films, vlms
from tests.models.test_families import _gradients, _ordinary

SECONDS = 6


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.clip(tmp_path_factory.mktemp("clips") / "grey.mp4", SECONDS)


def _lightness(picture: PIL.Image.Image) -> float:
    return float(numpy.asarray(picture).mean())


def test_frames_are_evenly_spaced_and_stand_at_their_times(clip: Path) -> None:
    frames = Video(clip, num_frames=4).load()
    assert frames.length_s == pytest.approx(SECONDS)
    assert frames.times_s == pytest.approx([0.7, 2.2, 3.7, 5.2], abs=0.11)
    for picture, time_s in zip(frames.pictures, frames.times_s, strict=True):
        assert picture.size == (64, 48) and picture.mode == "RGB"
        assert _lightness(picture) == pytest.approx(4 * films.RATE * time_s, abs=4)


def test_the_size_of_frames_is_read_from_the_header(clip: Path) -> None:
    assert Video(clip).size() == (64, 48)


def test_one_frame_every_so_many_seconds_and_no_more_pixels_than_allowed(clip: Path) -> None:
    frames = Video(clip, frame_interval=2.0, max_px=768).load()
    assert len(frames.pictures) == 3
    assert all(picture.size == (32, 24) for picture in frames.pictures)


def test_equal_clips_have_equal_keys_and_other_frames_another(clip: Path) -> None:
    assert Video(clip).key == Video(clip).key != Video(clip, num_frames=3).key


def test_what_is_no_clip_is_refused_with_its_name(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clip at"):
        Video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no clip", encoding="utf-8")
    with pytest.raises(InputError, match=r"text\.mp4 cannot be read as a clip"):
        Video(tmp_path / "text.mp4").load()
    with pytest.raises(InputError, match="invalid frame selection"):
        Video(clip, num_frames=0)


def test_more_frames_than_any_model_takes_are_refused_before_they_are_decoded(clip: Path) -> None:
    with pytest.raises(InputError, match=r"1,000,000 frames of .*grey\.mp4 are asked for"):
        Video(clip, num_frames=1_000_000)
    for interval in (1e-5, 1e-12):
        with pytest.raises(InputError, match="raise frame_interval"):
            Video(clip, frame_interval=interval).load()
    assert Video(clip, num_frames=1_000_000, frame_interval=2.0).frame_count() == 3


def test_a_clip_with_a_broken_end_is_refused_with_the_second(clip: Path, tmp_path: Path) -> None:
    """Its header still promises six seconds; the frames of the last are zeros."""
    cut = tmp_path / "cut.mp4"
    data = bytearray(clip.read_bytes())
    begin = data.index(b"mdat") + 4
    half = begin + (len(data) - begin) // 4
    data[half:-2000] = bytes(len(data) - 2000 - half)
    cut.write_bytes(data)
    with pytest.raises(InputError, match=r"cut\.mp4 .*near second"):
        Video(cut).load()


def _groups(encoder, clip: Path) -> list[Group]:
    """A question about a clip, one about a page, and one in text alone."""
    examples = [
        Example("clip", "What happens in <video> here?", (Video(clip, num_frames=4),)),
        replace(Pages(1, "test")[0], id="page"),
        Example("text", "What is 2 + 2?"),
    ]
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in examples])
    generator = torch.Generator().manual_seed(1)
    return [
        Group(
            prompt,
            [
                Branch(torch.randint(300, 2000, (n,), generator=generator).tolist(), weight=0.1 * n)
                for n in (9, 5, 7)
            ],
            example.id,
        )
        for prompt, example in zip(prompts, examples, strict=True)
    ]


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_shared_rows_about_a_clip_equal_ordinary_rows(name: str, clip: Path) -> None:
    model, encoder = vlms.build(name)
    groups = _groups(encoder, clip)
    assert encoder.clips == (name in vlms.CLIPS)
    full = {group.name: _ordinary(model, encoder, group) for group in groups}
    sum(
        b.weight * row.sum() for g in groups for b, row in zip(g.branches, full[g.name], strict=True)
    ).backward()
    wanted = _gradients(model)
    model.zero_grad()
    scorer = PolicyModel(model)
    for pack in pack_groups(groups, 10_000):
        logps = scorer(pack)
        (logps * pack.weights).sum().backward()
        pieces = iter(logps.detach().split([b.n_trained for b in pack.branches]))
        for group in pack.groups:
            for row in full[group.name]:
                torch.testing.assert_close(next(pieces), row.detach(), atol=1e-5, rtol=0)
    largest = max(float(g.abs().max()) for g in wanted.values())
    for n, gradient in _gradients(model).items():
        if not n.endswith("k_proj.bias"):
            off = (gradient - wanted[n]).abs().max() / (wanted[n].abs().max() + 1e-5 * largest)
            assert off < 1e-4, (n, float(off))


@pytest.mark.parametrize("name", vlms.CLIPS)
def test_features_of_a_frozen_tower_stand_for_a_clip(name: str, clip: Path) -> None:
    model, encoder = vlms.build(name)
    groups = _groups(encoder, clip)
    seen = [replace(group, prompt=vision_cache.encode(model, group.prompt)) for group in groups]
    scorer = PolicyModel(model)
    for mine, wanted in zip(pack_groups(seen, 10_000), pack_groups(groups, 10_000), strict=True):
        torch.testing.assert_close(scorer(mine), scorer(wanted), atol=1e-5, rtol=0)


def test_times_reach_the_model_that_tells_them(clip: Path) -> None:
    _, encoder = vlms.build("qwen3_vl")
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(Example("c", "What?", (Video(clip, num_frames=4),)))])
    assert re.search("<1.[45] seconds>", encoder.tokenizer.decode(prompt.ids)), "the mean of two frames"
    _, encoder = vlms.build("qwen2_5_vl")
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(Example("c", "What?", (Video(clip, num_frames=4),)))])
    assert float(prompt.media["second_per_grid_ts"][0]) == pytest.approx(2 * SECONDS / 4)
    part = Video(clip, num_frames=4, span_s=(1.0, 3.0))
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(Example("c", "What?", (part,)))])
    assert float(prompt.media["second_per_grid_ts"][0]) == pytest.approx(2 * 2 / 4), "of the part alone"
    _, encoder = vlms.build("llava")
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(Example("c", "What?", (Video(clip, num_frames=4),)))])
    text = encoder.tokenizer.decode(prompt.ids)
    assert text.index("0.7 s:") < text.index("2.2 s:") < text.index("5.2 s:")


def test_a_clip_of_frames_knows_its_length() -> None:
    frames = Frames((PIL.Image.new("RGB", (8, 8)),), (0.5,), 1.0)
    assert len(frames.pictures) == len(frames.times_s)
