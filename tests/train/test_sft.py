"""Supervised fine-tuning: replies are learned, prompts are not, and lessons about one picture share it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seethink.formats import ANSWER_ONLY, PREFILLED_THINK, THINK_ANSWER
from seethink.models.packing import Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train import ranks
from seethink.train.configs import SFTConfig
from seethink.train.sft import SFTMethod, sft, share
from seethink.types import Example, SFTExample
from tests import tiny

PAGES = Pages(6, "train", seed=4)
ROOT = Path(__file__).parents[2]


def _lesson(example: Example, form=THINK_ANSWER) -> SFTExample:
    return SFTExample(example, form, form.write(" ".join(example.steps), example.answer or ""))


def _about_one_picture() -> list[SFTExample]:
    """Questions that part early, late and not at all, in two formats."""
    page = PAGES[0]
    answers = {"How many digits are odd?": "3", "How many digits are even?": "5", "What is this?": "a page"}
    pages = [replace(page, question=question, answer=answer) for question, answer in answers.items()]
    return [*map(_lesson, pages), replace(_lesson(pages[2]), text="No idea."), _lesson(pages[0], ANSWER_ONLY)]


def _mixed() -> list[SFTExample]:
    """Runs of lessons: one picture, no picture, two pictures, one with a begun answer."""
    two = Example(
        "two",
        "Is <image> the same as <image> or not?",
        PAGES[1].media + PAGES[2].media,
        "no",
        steps=("Look.",),
    )
    texts = [Example(f"text{i}", f"What is 2 + {i}?", answer=str(2 + i)) for i in range(2)]
    again = replace(two, id="again", question="Which is larger, <image> or <image>?", answer="none")
    begun = _lesson(PAGES[3], PREFILLED_THINK)
    return [*_about_one_picture(), *map(_lesson, [*texts, two, again]), begun, _lesson(PAGES[0])]


def _groups(lessons: Sequence[SFTExample], apart: bool = False) -> list[Group]:
    encoder = tiny.encoder(tiny.qwen2_vl())
    prompts = encoder.prompts([lesson.format.prompt(lesson.example) for lesson in lessons])
    if not apart:
        return share(lessons, prompts, encoder)
    return [
        g for lesson, prompt in zip(lessons, prompts, strict=True) for g in share([lesson], [prompt], encoder)
    ]


# What is learned --------------------------------------------------------------------------------------


def test_the_reply_is_trained_whole_and_the_prompt_never() -> None:
    lessons, encoder = _mixed(), tiny.encoder(tiny.qwen2_vl())
    prompts = encoder.prompts([lesson.format.prompt(lesson.example) for lesson in lessons])
    branches = [(group, branch) for group in _groups(lessons) for branch in group.branches]
    for lesson, prompt, (group, branch) in zip(lessons, prompts, branches, strict=True):
        rest = [token for token, trained in zip(branch.ids, branch.trained, strict=True) if not trained]
        reply = [token for token, trained in zip(branch.ids, branch.trained, strict=True) if trained]
        assert [*group.prompt.ids, *rest] == prompt.ids
        assert list(branch.trained) == [False] * len(rest) + [True] * len(reply)
        assert reply[-1] == encoder.eos_token_id
        assert prompt.prefill + encoder.decode(reply) == lesson.text


def test_lessons_in_a_row_about_the_same_pictures_share_them() -> None:
    groups = _groups(_mixed())
    assert [len(group.branches) for group in groups] == [5, 1, 1, 1, 1, 1, 1]
    assert [group.prompt.media == {} for group in groups] == [False, True, True, False, False, False, False]
    shared = groups[0].prompt
    assert shared.ids.count(tiny.encoder(tiny.qwen2_vl()).image_token_id) == 16
    assert len(shared.media["image_grid_thw"]) == 1


def _gradients(groups: list[Group]) -> dict[str, torch.Tensor]:
    model = tiny.qwen2_vl()
    for pack in pack_groups(groups, 300):
        (-PolicyModel(model)(pack)).sum().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("lessons", [_about_one_picture, _mixed], ids=["one picture", "mixed"])
def test_sharing_pictures_changes_no_gradient(lessons) -> None:
    shared, apart = _gradients(_groups(lessons())), _gradients(_groups(lessons(), apart=True))
    assert shared.keys() == apart.keys()
    largest = max(float(g.abs().max()) for g in apart.values())
    for name, gradient in apart.items():
        off = (shared[name] - gradient).abs().max() / (gradient.abs().max() + 1e-5 * largest)
        assert off < 1e-4, (name, float(off))


def test_the_loss_is_the_mean_over_all_reply_tokens_of_a_step(tmp_path) -> None:
    method = SFTMethod(
        tiny.encoder(tiny.qwen2_vl()), _mixed(), SFTConfig.of(train_batch_size=11, shuffle=False)
    )
    branches = [branch for group in method.groups(0) for branch in group.branches]
    assert len({branch.weight for branch in branches}) == 1
    assert sum(branch.weight * branch.n_trained for branch in branches) == pytest.approx(1)
    assert method.metrics() == {"num_tokens": sum(branch.n_trained for branch in branches)}


# What is taught when ----------------------------------------------------------------------------------


def _taught(config: SFTConfig, steps: int) -> list[str]:
    method = SFTMethod(tiny.encoder(tiny.qwen2_vl()), [_lesson(page) for page in PAGES], config)
    return [group.name for step in range(steps) for group in method.groups(step) for _ in group.branches]


def test_every_epoch_teaches_each_lesson_once_in_an_order_that_the_seed_decides() -> None:
    ids = [page.id for page in PAGES]
    twice = SFTConfig.of(train_batch_size=4, num_train_epochs=2)
    assert _taught(twice.replace(shuffle=False), 3) == ids * 2
    taught = _taught(twice, 3)
    assert sorted(taught[:6]) == sorted(taught[6:]) == sorted(ids)
    assert taught[:6] != taught[6:]
    assert taught == _taught(twice, 3) != _taught(twice.replace(seed=1), 3)


@pytest.mark.parametrize("epochs", [1, 2, 3.5, 0.5, 0.07])
@pytest.mark.parametrize("batch", [1, 4, 16])
@pytest.mark.parametrize("processes", [1, 3])
def test_every_row_is_seen_as_often_as_the_epochs_say(epochs, batch, processes, monkeypatch) -> None:
    """Six rows with a batch of 16 are six examples; the last step takes what is left, over all processes."""
    config = SFTConfig.of(train_batch_size=batch, num_train_epochs=epochs)
    texts = [Example(f"text{i}", f"What is 2 + {i}?", answer=str(2 + i)) for i in range(6)]
    method = SFTMethod(tiny.encoder(tiny.qwen2_vl()), [*map(_lesson, texts)], config)
    monkeypatch.setattr(ranks, "world_size", lambda: processes)
    monkeypatch.setattr(ranks, "all_gather", list)
    seen: list[str] = []
    for step in range(config.steps_for(6)):
        before = len(seen)
        for rank in range(processes):
            monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
            seen += [group.name for group in method.groups(step) for _ in group.branches]
        assert 0 < len(seen) - before <= batch
    whole, rest = divmod(config.rows_seen(6), 6)
    assert len(seen) == config.rows_seen(6) == math.ceil(Fraction(str(epochs)) * 6)
    assert all(sorted(seen[6 * k : 6 * (k + 1)]) == [e.id for e in texts] for k in range(whole))
    assert len(set(seen[6 * whole :])) == rest


def test_steps_follow_from_epochs_unless_given() -> None:
    assert SFTConfig.of(train_batch_size=16).steps_for(100) == 7
    assert SFTConfig.of(train_batch_size=10, num_train_epochs=2.5).steps_for(100) == 25
    assert SFTConfig.of(train_batch_size=7, num_train_epochs=0.07).steps_for(100) == 1, (
        "seven rows: as floats, 100 * 0.07 is above 7"
    )
    assert SFTConfig.of(max_steps=3).steps_for(100) == 3
    assert SFTConfig.of(max_steps=3).rows_seen(100) == 48, "whole batches"


# Training ---------------------------------------------------------------------------------------------

LEARNING = SFTConfig.of(
    learning_rate=5e-3,
    train_batch_size=6,
    max_steps=30,
    lr_scheduler_type="constant",
    max_tokens_per_batch=400,
)


def _rows(path: Path) -> list[dict]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_it_learns_and_everything_moves(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    folder = sft(base, [_lesson(page) for page in PAGES], LEARNING, tmp_path / "out")
    losses = [row["loss"] for row in _rows(tmp_path / "out" / "metrics.jsonl")]
    assert losses[0] > 7, "as likely as chance over 2,048 tokens"
    assert losses[-1] < 0.5 * losses[0]
    before, after = (load_file(Path(path) / "model.safetensors") for path in (base, folder))
    assert before.keys() == after.keys()
    assert [name for name, value in before.items() if torch.equal(value, after[name])] == []


def train(base: str, out: str, kill_at: int | None = None) -> Path:
    """A short training; with `kill_at`, the process ends at that step as under `kill -9`."""

    def watch(row: dict) -> None:
        if row["step"] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    config = LEARNING.replace(
        max_steps=7, save_steps=2, lr_scheduler_type="cosine", warmup_ratio=0.3, weight_decay=0.01
    )
    return sft(base, [_lesson(page) for page in PAGES], config, Path(out), watch)


def test_what_a_killed_training_sees_after_it_is_what_was_left(tmp_path, monkeypatch) -> None:
    """Ten rows, twice, four at a time, killed after the third of five steps."""
    texts = [Example(f"text{i}", f"What is {i} + 2?", answer=str(i + 2)) for i in range(10)]
    lessons, base = [*map(_lesson, texts)], tiny.saved(tmp_path / "base")
    config = LEARNING.replace(max_steps=None, num_train_epochs=2, train_batch_size=4, save_steps=1)
    seen: list[tuple[int, str]] = []
    groups = SFTMethod.groups

    def recorded(self, step: int) -> list[Group]:
        found = groups(self, step)
        seen.extend((step, group.name) for group in found)
        return found

    def stop(row: dict) -> None:
        if row["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(SFTMethod, "groups", recorded)
    with pytest.raises(KeyboardInterrupt):
        sft(base, lessons, config, tmp_path / "out", stop)
    assert [step for step, _ in seen] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    trained = [name for step, name in seen if step < 3]  # step 4 was not saved
    seen.clear()
    sft(base, lessons, config, tmp_path / "out")
    trained += [name for _, name in seen]
    ids = [example.id for example in texts]
    assert sorted(trained[:10]) == sorted(trained[10:]) == ids and len(trained) == 20


def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path) -> None:
    base, cut, whole = tiny.saved(tmp_path / "base"), tmp_path / "cut", tmp_path / "whole"
    code = f"from tests.train.test_sft import train; train({base!r}, {str(cut)!r}, kill_at=5)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    assert [path.name for path in (cut / "resume").iterdir()] == ["checkpoint-4"]
    assert len(_rows(cut / "metrics.jsonl")) == 5
    with (cut / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 6, "loss": 0.')
    (cut / "resume" / "checkpoint-6").mkdir()
    ends = [load_file(train(base, str(out)) / "model.safetensors") for out in (cut, whole)]
    for name, value in ends[1].items():
        torch.testing.assert_close(ends[0][name], value, atol=1e-6, rtol=0)
    for row, other in zip(_rows(cut / "metrics.jsonl"), _rows(whole / "metrics.jsonl"), strict=True):
        assert row == pytest.approx(other, rel=1e-5)
