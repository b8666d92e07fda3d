"""The check before the first step: a group of each kind that the data have, the longest of each, for every
method, and rollouts against training. It is not a matter of luck which group is looked at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from seethink.engines import prefill
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.media import Image, Video
from seethink.models import batching, policy, unpacked_rows, verification
from seethink.models.packing import Branch, Group
from seethink.models.policy import PolicyModel
from seethink.models.verification import (
    FULL_PRECISION,
    MIXTURE,
    LogProbCheck,
    LogProbMismatch,
    Rounding,
    rounding,
)
from seethink.sources.handwritten import Pages
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.train.dpo import dpo
from seethink.train.grpo import grpo
from seethink.train.probes import longest_of_each_kind
from seethink.train.sft import sft
from seethink.train.trainer import GroupTrainer
from seethink.types import Example, InputError, PreferencePair, Response, Sampling, Score, SFTExample, Task
from tests import own_vlms, tiny, vlms
from tests.films import Film
from tests.models.test_positions import clip

PAGE, OTHER = Pages(2, "train", seed=8)
TEXT = Example("text", "What is 2 + 2?", answer="4")
TWO = Example("two", "Is <image> the same as <image>?", (PAGE.media[0], OTHER.media[0]), answer="no")
CLIP = Example("clip", "What happens in <video>?", (clip(64, 60),), answer="grey")
MIXED = Example("mixed", "Is <image> in <video>?", (PAGE.media[0], clip(64, 60)), answer="no")
DATA = [TEXT, TEXT, PAGE, TWO, CLIP, MIXED]
KINDS = {
    "text alone": TEXT,
    "one picture": PAGE,
    "several pictures": TWO,
    "one clip": CLIP,
    "pictures and clips": MIXED,
}
ONE_STEP = dict(max_steps=1, learning_rate=1e-4)


def spread(example: Example, response: Response) -> Score:
    return Score(round(len(set(response.text)) / (1 + len(response.text)), 2))


def _train(method: str, base: str, out: Path, data: Sequence[Example] = DATA, **settings: Any) -> list[dict]:
    """One step, of one row; SFT and GRPO begin with the first."""
    if method == "sft":
        lessons = [SFTExample(e, ANSWER_ONLY, ANSWER_ONLY.write("", e.answer or "")) for e in data]
        sft(base, lessons, SFTConfig.of(train_batch_size=1, shuffle=False, **ONE_STEP | settings), out)
    elif method == "dpo":
        pairs = [PreferencePair(e, ANSWER_ONLY, "<answer>1</answer>", "I do not know.") for e in data]
        dpo(base, pairs, DPOConfig.of(train_batch_size=1, **ONE_STEP | settings), out)
    else:
        config = GRPOConfig.of(
            prompts_per_step=1,
            num_generations=3,
            max_completion_length=5,
            shuffle=False,
            **ONE_STEP | settings,
        )
        grpo(base, Task("spread", list(data), ANSWER_ONLY, spread), config, out)
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def _wrong_for(kind: str, plain: Any) -> Any:
    """`positions` that begin answers too far on, for prompts with as many tokens of pictures and clips as
    those of a kind have."""
    (prompt,) = tiny.encoder(tiny.qwen2_vl()).prompts([ANSWER_ONLY.prompt(KINDS[kind])])
    wanted = (prompt.kinds.count(1), prompt.kinds.count(2))

    def positions(model, family, ids, kinds, seen, media):
        found, first = plain(model, family, ids, kinds, seen, media)
        shown = torch.stack([(kinds == 1).sum(1), (kinds == 2).sum(1)], 1)
        return found, first + 9 * (shown == torch.tensor(wanted)).all(1, keepdim=True)

    return positions


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_shared_rows_that_are_wrong_for_one_kind_stop_the_run_before_its_first_step(
    tmp_path, monkeypatch, method: str, kind: str
) -> None:
    """That step of SFT and GRPO sees text alone."""
    base = tiny.saved(tmp_path / "base")
    monkeypatch.setattr(policy, "positions", _wrong_for(kind, batching.positions))
    with pytest.raises(LogProbMismatch, match=rf"trained on other numbers .* \({kind}\)"):
        _train(method, base, tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_rollouts_that_are_wrong_for_one_kind_stop_the_run_before_its_first_step(
    tmp_path, monkeypatch, kind: str
) -> None:
    base = tiny.saved(tmp_path / "base")
    monkeypatch.setattr(prefill, "positions", _wrong_for(kind, batching.positions))
    with pytest.raises(LogProbMismatch, match=rf"samples from another distribution .* \({kind}\)"):
        _train("grpo", base, tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_what_is_right_for_every_kind_is_trained_and_the_check_changes_no_number(
    tmp_path, monkeypatch, method: str
) -> None:
    base = tiny.saved(tmp_path / "base")
    with_check = _train(method, base, tmp_path / "a", max_steps=6, save_steps=3)
    monkeypatch.setattr(GroupTrainer, "_verify_data", lambda trainer: None)
    monkeypatch.setattr(GroupTrainer, "_verify", lambda trainer, groups: None)
    without = _train(method, base, tmp_path / "b", max_steps=6, save_steps=3)
    for rows in (with_check, without):
        for row in rows:
            del row["seconds"]
    assert with_check == without and len(without) == 6


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_the_check_is_not_rounded_where_training_is(tmp_path, monkeypatch, method: str) -> None:
    """Under bf16 autocast the trained pass is rounded; the check compares in the precision of the weights."""
    monkeypatch.setattr(verification, "FULL_PRECISION", Rounding(2e-5, 2e-5))
    assert len(_train(method, tiny.saved(tmp_path / "base"), tmp_path / "out", bf16=True)) == 1


def test_where_vllm_samples_shared_rows_are_checked_all_the_same(tmp_path, monkeypatch) -> None:
    from seethink.train import rollouts
    from tests.train.test_rollouts import Beside

    monkeypatch.setattr(rollouts, "VllmEngine", Beside)
    monkeypatch.setattr(rollouts, "require_vllm", lambda: None)
    base = tiny.saved(tmp_path / "base")
    _train("grpo", base, tmp_path / "right", data=[TEXT, PAGE], rollout_backend="vllm")
    monkeypatch.setattr(policy, "positions", _wrong_for("one picture", batching.positions))
    with pytest.raises(LogProbMismatch, match="one picture"):
        _train("grpo", base, tmp_path / "out", data=[TEXT, PAGE], rollout_backend="vllm")


def test_the_mismatch_is_an_input_error_which_the_command_line_tells_in_one_sentence() -> None:
    assert issubclass(LogProbMismatch, InputError)


# Which groups -----------------------------------------------------------------------------------------------


def _page(width: int, folder: Path) -> Image:
    path = folder / f"{width}.png"
    PIL.Image.new("RGB", (width, 28)).save(path)
    return Image.file(path)


def test_the_longest_example_of_each_kind_is_found_by_sizes_of_media_and_text(tmp_path) -> None:
    pictures = [Example(f"{w}", "What?", (_page(w, tmp_path),)) for w in (56, 560, 112)]
    clips = [Example(f"{n} frames", "What?", (clip(n, 9),)) for n in (4, 8)]
    talk = [Example(f"long {n}", "word " * n) for n in (3, 90, 10)]
    chosen = longest_of_each_kind([*pictures, *clips, *talk, TWO, MIXED])
    assert [example.id for example in chosen] == ["560", "4 frames", "long 90", "two", "mixed"], (
        "drawn clips have no header: the first"
    )


def test_a_group_is_checked_once_for_its_kind_and_again_at_twice_the_length() -> None:
    model = tiny.qwen2_vl()
    encoder = tiny.encoder(model)
    text, page = encoder.prompts([ANSWER_ONLY.prompt(example) for example in (TEXT, PAGE)])
    check = LogProbCheck(PolicyModel(model), encoder, None)
    short, long, pictured = (
        Group(text, [Branch([400] * 3)], "short"),
        Group(text, [Branch([400] * 9)], "long"),
        Group(page, [Branch([400] * 3)], "pictured"),
    )
    assert check.due([long, pictured, short]) == [long, pictured]
    check.check(long)
    assert check.due([long, pictured, short]) == [pictured]
    check.check(pictured)
    assert check.due([long, pictured, short]) == []
    much = Group(text, [Branch([400] * (2 * len(text.ids) + 99))], "much")
    assert check.due([much, long]) == [much]
    lesson = replace(short, branches=[Branch([400] * 3, [False, True, True])])
    assert check.due([lesson]) == [lesson], "questions that share the prompt"


@pytest.mark.parametrize("name", ["qwen2_vl", "gemma3", "llava"])
def test_sampled_log_probabilities_must_be_those_of_the_ordinary_row(name: str) -> None:
    model, encoder = vlms.build(name)
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in (TEXT, PAGE)])
    answers = LocalEngine(model, encoder).complete(prompts, Sampling(n=2, temperature=0.7, max_tokens=9))
    check = LogProbCheck(PolicyModel(model), encoder, 0.7)
    for prompt, completions in zip(prompts, answers, strict=True):
        branches = [Branch(c.token_ids, sampled=c.logps) for c in completions]
        check.check(Group(prompt, branches, "right"))
        off = [replace(b, sampled=[x + 2e-3 for x in b.sampled]) for b in branches]
        with pytest.raises(LogProbMismatch, match=r"0\.002 in log-probability, in responses to off"):
            check.check(Group(prompt, off, "off"))


# Kinds that tokens do not tell ---------------------------------------------------------------------------


def _films(folder: Path) -> list[Example]:
    """Clips of many small frames, and between them one of few large frames, which has more tokens."""
    small = Film("mp4", "libx264", count=160, size=(64, 48)).write(folder / "small.mp4")
    large = Film("mp4", "libx264", count=16, size=(336, 280)).write(folder / "large.mp4")
    videos = [*[Video(small, num_frames=160)] * 3, Video(large, num_frames=8), Video(small, num_frames=160)]
    asked = [f"What happens in <video>, in part {i}?" for i in range(len(videos))]
    return [Example(f"e{i}", asked[i], (video,), answer="It") for i, video in enumerate(videos)]


def _at_the_highest(model, family, ids, kinds, seen, media):
    """`positions` of an answer right behind the highest, which is wrong where the clip's times run further
    than a frame is wide and high."""
    found, first = batching.positions(model, family, ids, kinds, seen, media)
    return found, torch.maximum(first, (found * seen).flatten(0, -3).amax((0, -1))[:, None] + 1)


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_many_small_frames_are_checked_where_few_large_ones_have_more_tokens(
    tmp_path, monkeypatch, method: str
) -> None:
    base, data = tiny.saved(tmp_path / "base"), _films(tmp_path)
    _train(method, base, tmp_path / "right", data=data)
    monkeypatch.setattr(policy, "positions", _at_the_highest)
    with pytest.raises(LogProbMismatch, match=r"trained on other numbers .* \(one clip\)"):
        _train(method, base, tmp_path / "out", data=data)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_prompts_of_one_length_are_of_several_kinds(tmp_path) -> None:
    model = tiny.qwen2_vl()
    encoder = tiny.encoder(model)
    small, large = encoder.prompts([ANSWER_ONLY.prompt(example) for example in _films(tmp_path)[2:4]])
    assert len(large.ids) > len(small.ids)
    kinds = [verification.prompt_kind(model, prompt) for prompt in (small, large)]
    assert [(kind.media, kind.frames, kind.follows) for kind in kinds] == [
        ("one clip", 8, False),
        ("one clip", 4, True),
    ]
    check = LogProbCheck(PolicyModel(model), encoder, None)
    groups = [Group(prompt, [Branch([400] * 3)], "x") for prompt in (large, small)]
    assert check.due(groups) == [groups[1], groups[0]]


def test_every_row_is_looked_at(tmp_path) -> None:
    """Also the one among 500 whose picture is longest."""
    narrow, wide = _page(28, tmp_path), _page(700, tmp_path)
    data = [Example(f"{i}", "What?", (wide if i == 334 else narrow,)) for i in range(500)]
    assert [example.id for example in longest_of_each_kind(data)] == ["334"]


# Families that share no rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["qwen3_5", "gemma4"])
def test_a_row_that_is_continued_wrongly_is_not_the_row_that_the_processor_describes(
    monkeypatch, name: str
) -> None:
    model, encoder = own_vlms.build(name)
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(PAGE)])
    check = LogProbCheck(PolicyModel(model), encoder, None)
    group = Group(prompt, [Branch([612, 845, 701, 990])], "page")
    check.check(group)
    plain = unpacked_rows._continued

    def mistaken(model: Any, row: dict[str, Any], branch: Branch) -> dict[str, Any]:
        """The first tokens are hidden from all others."""
        found = plain(model, row, branch)
        mask = found["attention_mask"].clone()
        mask[:, :3] = 0
        return found | {"attention_mask": mask}

    monkeypatch.setattr(unpacked_rows, "_continued", mistaken)
    with pytest.raises(InputError, match="would be trained on other numbers"):
        check.check(group)


def test_a_processor_that_tells_kinds_by_more_than_tokens_describes_no_row() -> None:
    _, encoder = own_vlms.build("paligemma")
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(PAGE)])
    assert encoder.whole_row(prompt, [612, 845]) is None
    _, encoder = own_vlms.build("gemma4")
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(PAGE)])
    whole = encoder.whole_row(prompt, [612, 845])
    assert whole and whole.ids == [*prompt.ids, 612, 845] and whole.kinds == [*prompt.kinds, 0, 0]


# Rounding ---------------------------------------------------------------------------------------------------

DEEP: dict[str, Any] = dict(
    hidden_size=256, intermediate_size=704, num_hidden_layers=24, num_attention_heads=4,
    num_key_value_heads=2,
    rope_parameters=dict(rope_type="default", rope_theta=1e4, mrope_section=[8, 12, 12]),
)  # fmt: skip


def _built(name: str) -> tuple[Any, Any]:
    if name != "24 layers":
        return vlms.build(name)
    model = tiny.qwen2_vl(**DEEP)
    return model, tiny.encoder(model)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen3_vl", "gemma3", "internvl", "24 layers"])
def test_rounding_of_bf16_weights_is_no_mismatch_and_a_wrong_position_is(monkeypatch, name: str) -> None:
    """What is right differs by less than half of what is allowed."""
    model, encoder = _built(name)
    model = model.bfloat16()
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in (TEXT, PAGE)])
    answers = LocalEngine(model, encoder).complete(prompts, Sampling(n=2, max_tokens=64))
    groups = [
        Group(prompt, [Branch(c.token_ids, sampled=c.logps) for c in completions], "rounded")
        for prompt, completions in zip(prompts, answers, strict=True)
    ]
    check = LogProbCheck(PolicyModel(model), encoder, 1.0)
    with monkeypatch.context() as strict:
        strict.setattr(verification, "NOISES", Rounding(*(n / 2 for n in verification.NOISES)))
        for group in groups:
            check.check(group)
    plain = batching.positions

    def shifted(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        found, first = plain(*given)
        return found, first + 9

    monkeypatch.setattr(policy, "positions", shifted)
    for group in groups:
        with pytest.raises(LogProbMismatch, match="other numbers"):
            check.check(group)


def test_an_expert_chosen_otherwise_is_rounding_and_a_difference_of_all_tokens_is_none() -> None:
    model, _ = vlms.build("qwen3_vl_moe")
    assert rounding(model, torch.zeros(1, 2), lambda: torch.zeros(1, 2)) == MIXTURE
    assert MIXTURE.holds(torch.tensor([0.05, 1e-6, 1e-6])) and not MIXTURE.holds(torch.full((3,), 1e-3))
    assert not FULL_PRECISION.holds(torch.tensor([2e-3, 0.0, 0.0]))
    assert not FULL_PRECISION.holds(torch.tensor([torch.nan]))


def test_what_rounds_otherwise_does_so_only_meanwhile() -> None:
    model = tiny.qwen2_vl().bfloat16()
    ids = torch.tensor([[400, 401, 402]])

    def logits() -> torch.Tensor:
        with torch.no_grad():
            return model(input_ids=ids).logits.float()[0]

    before = logits()
    allowed = rounding(model, before, logits)
    assert torch.equal(logits(), before) and allowed == rounding(model, before, logits)
    assert FULL_PRECISION.largest < allowed.median < allowed.largest
    assert allowed.at(0.5) == Rounding(2 * allowed.largest, 2 * allowed.median) and allowed.at(2.0) == allowed
