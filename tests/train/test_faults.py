"""What goes wrong in a training is named, counted, or mended once; never passed over."""

from __future__ import annotations

import json
import weakref
from collections import Counter
from pathlib import Path

import pytest
import torch

from seethink.formats import ANSWER_ONLY
from seethink.media import Image
from seethink.models.packing import Branch, Group, halves, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train import ranks
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.train.dpo import dpo
from seethink.train.grpo import grpo
from seethink.train.notes import training_notes
from seethink.train.sft import SFTMethod, sft
from seethink.train.trainer import GroupTrainer
from seethink.types import Example, InputError, PreferencePair, Response, Score, SFTExample, Task
from tests import tiny

PAGES = [*Pages(3, "train", seed=8), Example("text", "What is 2 + 2?", answer="4")]
LESSONS = [SFTExample(page, ANSWER_ONLY, ANSWER_ONLY.write("", page.answer or "")) for page in PAGES]
PAIRS = [PreferencePair(page, ANSWER_ONLY, "<answer>1</answer>", "I do not know.") for page in PAGES]
STEADY = dict(learning_rate=1e-3, lr_scheduler_type="constant", warmup_ratio=0.0)
SMALL = GRPOConfig.of(prompts_per_step=4, num_generations=3, max_steps=1, max_completion_length=5, **STEADY)


def variety(example: Example, response: Response) -> Score:
    return Score(round(len(set(response.text)) / (1 + len(response.text)), 2))


def level(example: Example, response: Response) -> Score:
    return Score(1.0)


def _rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def _train(kind: str, base: str, out: Path, **settings) -> list[dict]:
    if kind == "sft":
        sft(base, LESSONS, SFTConfig.of(train_batch_size=4, max_steps=1, **STEADY, **settings), out)
    elif kind == "dpo":
        dpo(base, PAIRS, DPOConfig.of(train_batch_size=4, max_steps=1, **STEADY, **settings), out)
    else:
        config = GRPOConfig.of(
            prompts_per_step=4,
            num_generations=3,
            max_completion_length=5,
            **{"max_steps": 1} | STEADY | settings,
        )
        grpo(base, Task("variety", PAGES, ANSWER_ONLY, variety), config, out)
    return _rows(out)


# Memory -----------------------------------------------------------------------------------------------


def _breaking(times: int, monkeypatch) -> list[int]:
    """Passes of `PolicyModel` after the first fail for want of memory, `times` times; the sizes of all
    packs."""
    plain, sizes, broken = PolicyModel.forward, [], []

    def forward(self, pack, *more, **options):
        sizes.append(pack.ids.numel())
        if len(sizes) >= 2 and len(broken) < times:
            broken.append(1)
            raise torch.OutOfMemoryError("no memory")
        return plain(self, pack, *more, **options)

    monkeypatch.setattr(PolicyModel, "forward", forward)
    return sizes


def _step(tmp_path: Path) -> dict[str, torch.Tensor]:
    """The gradient of one step on groups of several branches."""
    model = tiny.qwen2_vl()
    encoder = tiny.encoder(model)
    config = SFTConfig.of(train_batch_size=4, max_tokens_per_batch=300, **STEADY)
    method = SFTMethod(encoder, LESSONS, config)
    prompts = encoder.prompts([lesson.format.prompt(lesson.example) for lesson in LESSONS])
    groups = [
        Group(prompt, [Branch([400 + k, 401], weight=0.1) for k in range(5)], lesson.example.id)
        for prompt, lesson in zip(prompts, LESSONS, strict=True)
    ]
    method.groups = lambda step: groups
    trainer = GroupTrainer(PolicyModel(model), method, config.training, 1, tmp_path)
    trainer.probed, trainer.logp_check.due = True, lambda groups: []
    trainer.training_step(trainer.model, {"step": 0})
    assert trainer.row["oom_retries"] == ranks.all_sum(trainer.oom_retries)
    return {"oom_retries": trainer.oom_retries} | {
        n: p.grad for n, p in model.named_parameters() if p.grad is not None
    }


def test_out_of_memory_halves_the_packs_once_and_changes_no_gradient(tmp_path, monkeypatch, caplog) -> None:
    wanted = _step(tmp_path / "a")
    sizes = _breaking(1, monkeypatch)
    found = _step(tmp_path / "b")
    assert (wanted.pop("oom_retries"), found.pop("oom_retries")) == (0, 1)
    assert "out of memory; retrying with packs of half the size" in caplog.text
    assert max(sizes[2:]) < max(sizes[:2])
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5 * largest, rtol=1e-4)


def test_nothing_of_the_pass_that_failed_is_held_while_it_is_repeated(tmp_path, monkeypatch) -> None:
    plain, failed, held = PolicyModel.forward, [], []

    def forward(self, pack, *more, **options):
        if not failed:
            activations = torch.zeros(1)
            failed.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("no memory")
        held.append(failed[0]())
        return plain(self, pack, *more, **options)

    monkeypatch.setattr(PolicyModel, "forward", forward)
    monkeypatch.setattr(ranks, "all_sum", lambda n: 3 * n)  # every process counts in the row
    assert _step(tmp_path)["oom_retries"] == 1
    assert held and not any(one is not None for one in held)


def test_out_of_memory_twice_ends_the_training(tmp_path, monkeypatch) -> None:
    _breaking(2, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        _step(tmp_path)


def test_a_pair_is_never_cut_in_two() -> None:
    prompt = tiny.encoder(tiny.qwen2_vl()).prompts([ANSWER_ONLY.prompt(PAGES[3])])[0]
    branches = [Branch([400 + k]) for k in range(5)]
    assert [len(half.branches) for half in halves(Group(prompt, branches))] == [2, 3]
    assert halves(Group(prompt, branches[:2]))[0].branches == branches[:2]


# Long prompts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sft", "dpo", "grpo"])
def test_a_prompt_beyond_the_limit_is_an_error_that_names_the_row(tmp_path, kind: str) -> None:
    base = tiny.saved(tmp_path / "base")
    with pytest.raises(
        InputError, match=r"tokens, more than max_prompt_length=35; .* say filter_overlong_prompts=true"
    ):
        _train(kind, base, tmp_path / "out", max_prompt_length=35)
    assert not (tmp_path / "out" / "checkpoint").exists()


@pytest.mark.parametrize("kind", ["sft", "dpo", "grpo"])
def test_long_prompts_are_dropped_and_counted_when_asked(tmp_path, kind: str) -> None:
    base = tiny.saved(tmp_path / "base")
    _train(kind, base, tmp_path / "out", max_prompt_length=35, filter_overlong_prompts=True)
    (note, *_) = training_notes(tmp_path / "out")
    assert note == "3 of 4 rows left out, their prompts longer than max_prompt_length=35", "the pages"
    _train(kind, base, tmp_path / "all", max_prompt_length=3_500)
    assert not [note for note in training_notes(tmp_path / "all") if "left out" in note]


# Nothing to learn from --------------------------------------------------------------------------------


def test_a_step_without_any_difference_changes_no_weight(tmp_path) -> None:
    model = tiny.qwen2_vl()
    base = tiny.saved(tmp_path / "base", model)
    config = GRPOConfig.of(
        prompts_per_step=4,
        num_generations=3,
        max_steps=1,
        max_completion_length=5,
        weight_decay=0.1,
        **STEADY,
    )
    out = grpo(base, Task("level", PAGES, ANSWER_ONLY, level), config, tmp_path / "out")
    after = type(model).from_pretrained(out)
    for name, value in model.named_parameters():
        assert torch.equal(value, dict(after.named_parameters())[name]), name
    assert _rows(tmp_path / "out")[0]["frac_reward_zero_std"] == 1


def test_an_empty_response_adds_nothing_and_breaks_nothing() -> None:
    model = tiny.qwen2_vl()
    prompt = tiny.encoder(model).prompts([ANSWER_ONLY.prompt(PAGES[0])])[0]
    some = [Branch([400, 401]), Branch([402])]
    with torch.no_grad():
        without, with_empty = (
            PolicyModel(model)(pack_groups([Group(prompt, branches)], 10_000)[0])
            for branches in (some, [some[0], Branch([]), some[1]])
        )
    torch.testing.assert_close(with_empty, without)


def test_a_group_of_one_and_a_score_that_is_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="num_generations of at least 2"):
        GRPOConfig.of(num_generations=1)
    with pytest.raises(ValueError, match="must lie in"):
        Score(float("nan"))
    assert GRPOConfig.of(num_generations=2)


# What is done once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("updates", [1, 2])
def test_a_picture_is_decoded_and_processed_once_for_all_responses_and_updates(
    tmp_path, monkeypatch, updates: int
) -> None:
    base, loads, load = tiny.saved(tmp_path / "base"), [], Image.load
    monkeypatch.setattr(Image, "load", lambda picture: loads.append(picture.key) or load(picture))
    rows = _train(
        "grpo", base, tmp_path / "out", max_steps=updates, num_iterations=updates, save_steps=2, beta=0.1
    )
    assert len(rows) == updates
    assert (rows[0]["media_decoded"], rows[0]["processor_calls"]) == (3, 4), "three pages, four questions"
    times = sorted(Counter(loads).values())
    assert times == [1, 1, 2], "nor for the record; one page once more, in the check before the first step"
    assert all((row["media_decoded"], row["processor_calls"]) == (0, 0) for row in rows[1:])
