"""Positions of long clips: what follows a clip stands where the model's own forward pass over the whole row
places it, in rollouts, in shared rows, and where several questions share a clip.

Under M-RoPE the text after a clip moves on by the larger side of a frame, while the clip's times may run
further: the next position is not the highest plus one. `test_every_family.py` compares the branches after one
clip of each of these lengths with ordinary rows, in every family that takes clips."""

from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest
import torch

from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.media import Frames
from seethink.media.clip import DrawnVideo
from seethink.models import batching
from seethink.models.encoder import Encoder, Prompt
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train.sft import share
from seethink.types import Example, Sampling, SFTExample
from tests import vlms
from tests.models.test_families import _gradients, _logits, _ordinary

FRAMES = (8, 64, 128)
SECONDS = (30, 60, 120)
MROPE = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "glm4v", "glm46v")


def clip(n_frames: int, seconds: float) -> DrawnVideo:
    """Frames of one grey each, evenly spaced."""

    def draw() -> Frames:
        greys = [PIL.Image.new("RGB", (64, 48), (255 * i // n_frames,) * 3) for i in range(n_frames)]
        return Frames(tuple(greys), tuple(seconds * (i + 0.5) / n_frames for i in range(n_frames)), seconds)

    return DrawnVideo(f"{n_frames} frames in {seconds} s", draw)


def _example(n_frames: int, seconds: float, question: str = "What happens in <video> here?") -> Example:
    return Example(f"{n_frames}/{seconds}", question, (clip(n_frames, seconds),), answer="It is grey.")


def _prompts(encoder: Encoder, *examples: Example) -> list[Prompt]:
    return encoder.prompts([ANSWER_ONLY.prompt(example) for example in examples])


def _group(prompt: Prompt) -> Group:
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randint(300, 2000, (n,), generator=generator).tolist() for n in (9, 5, 7)]
    return Group(prompt, [Branch(ids, weight=0.1) for ids in drawn], "clip")


def test_these_are_the_families_whose_clips_have_positions_of_their_own() -> None:
    assert tuple(name for name in vlms.CLIPS if vlms.build(name)[1].family.mrope) == MROPE


@pytest.mark.parametrize("name", MROPE)
def test_clips_of_all_lengths_share_a_batch_and_gradients_are_those_of_ordinary_rows(name: str) -> None:
    model, encoder = vlms.build(name)
    prompts = _prompts(encoder, _example(8, 120), _example(64, 30), _example(128, 60))
    groups = [replace(_group(prompt), name=f"{i}") for i, prompt in enumerate(prompts)]
    sum(0.1 * row.sum() for group in groups for row in _ordinary(model, encoder, group)).backward()
    wanted = _gradients(model)
    model.zero_grad()
    (pack,) = pack_groups(groups, 100_000)
    (PolicyModel(model)(pack) * pack.weights).sum().backward()
    found, largest = _gradients(model), max(float(g.abs().max()) for g in wanted.values())
    for n, gradient in wanted.items():
        if not n.endswith("k_proj.bias"):
            off = (found[n] - gradient).abs().max() / (gradient.abs().max() + 1e-5 * largest)
            assert off < 1e-4, (n, float(off))


@pytest.mark.parametrize("n_frames", FRAMES)
@pytest.mark.parametrize("name", MROPE)
def test_rollouts_after_long_clips_are_drawn_from_the_ordinary_row(name: str, n_frames: int) -> None:
    """Prompts of several lengths in one batch, so that rows are padded on the left."""
    model, encoder = vlms.build(name)
    prompts = _prompts(encoder, *(_example(n_frames, seconds) for seconds in SECONDS), _example(8, 30))
    sampling = Sampling(n=2, temperature=0.7, max_tokens=8, seed=5)
    for prompt, answers in zip(prompts, LocalEngine(model, encoder).complete(prompts, sampling), strict=True):
        for answer in answers:
            with torch.no_grad():
                logits = _logits(model, encoder, prompt, answer.token_ids)
            logits[:, encoder.media_token_ids] = -torch.inf
            logps = (logits / sampling.temperature).log_softmax(-1)
            wanted = logps.gather(-1, torch.tensor(answer.token_ids)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(answer.logps), wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", MROPE)
@pytest.mark.parametrize("n_frames", FRAMES)
def test_questions_that_share_a_clip_stand_where_each_would_alone(name: str, n_frames: int) -> None:
    model, encoder = vlms.build(name)
    questions = ("<video> What happens here?", "<video> What happens there, and then?", "<video> Which grey?")
    examples = [_example(n_frames, 120, question) for question in questions]
    lessons = [SFTExample(example, ANSWER_ONLY, "<answer>It is grey.</answer>") for example in examples]
    prompts = _prompts(encoder, *examples)
    (group,) = share(lessons, prompts, encoder)
    assert len(group.branches) == 3 and len(group.prompt.ids) < min(len(prompt.ids) for prompt in prompts)
    with torch.no_grad():
        found = PolicyModel(model)(pack_groups([group], 1)[0])
        alone = [
            Group(prompt, [Branch(encoder.reply_ids(prompt, lesson.text))])
            for prompt, lesson in zip(prompts, lessons, strict=True)
        ]
        wanted = torch.cat([row for one in alone for row in _ordinary(model, encoder, one)])
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("end", [0, 1, 4])
def test_a_head_may_end_with_the_clip_itself(end: int) -> None:
    """Then the first position of a branch is that of text right after the last frame."""
    model, encoder = vlms.build("qwen2_5_vl")
    (prompt,) = _prompts(encoder, _example(64, 120))
    last = max(i for i, kind in enumerate(prompt.kinds) if kind)
    head = prompt.head(last + 1 + end)
    rest = [*prompt.ids[len(head.ids) :], 400, 401]
    with torch.no_grad():
        found = PolicyModel(model)(pack_groups([Group(head, [Branch(rest), Branch(rest[:3])])], 1)[0])
        wanted = torch.cat(_ordinary(model, encoder, Group(head, [Branch(rest), Branch(rest[:3])])))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_a_page_or_text_is_followed_by_the_highest_position_plus_one_and_a_long_clip_is_not() -> None:
    model, encoder = vlms.build("qwen2_vl")
    page, text = Pages(1, "test")[0], Example("text", "What is 2 + 2?")
    short, long, page_prompt, text_prompt = _prompts(encoder, _example(4, 30), _example(128, 30), page, text)
    for prompt in (short, page_prompt, text_prompt):
        assert batching.text_follows_highest(model, prompt)
    assert not batching.text_follows_highest(model, long)
