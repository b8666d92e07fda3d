"""The trainer: a step is the same however it is cut, what is not finite is never used, folders are whole."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from seethink.formats import THINK_ANSWER
from seethink.models.packing import Branch, Group, Pack
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train.configs import TrainingConfig
from seethink.train.resumable import last_checkpoint, truncate
from seethink.train.trainer import GroupTrainer
from seethink.types import NotFinite
from tests import tiny

STEADY = TrainingConfig(learning_rate=1e-3, lr_scheduler_type="constant", seed=1)


class Copying:
    """A method that learns fixed replies to three pages; `spoil` may alter the losses of a step."""

    def __init__(self, spoil=lambda losses, pack: losses) -> None:
        self.spoil, self.encoder = spoil, tiny.encoder(tiny.qwen2_vl())

    journals = ()
    temperature = None
    num_iterations = 1

    def probes(self) -> list[Group]:
        return self.groups(0)

    def begin_update(self) -> None: ...

    def groups(self, step: int) -> list[Group]:
        examples = list(Pages(3, "train", seed=step % 2))
        prompts = self.encoder.prompts([THINK_ANSWER.prompt(example) for example in examples])
        lengths = [[4, 7], [3, 5, 2], [6]]
        weight = 1 / sum(map(sum, lengths))
        return [
            Group(
                prompt,
                [Branch(list(range(400 + k, 400 + k + n)), weight=weight) for k, n in enumerate(row)],
                e.id,
            )
            for prompt, row, e in zip(prompts, lengths, examples, strict=True)
        ]

    def loss(self, policy, pack: Pack) -> Tensor:
        return self.spoil(-policy(pack), pack)

    def metrics(self) -> dict[str, float | None]:
        return {"mood": 1.0}


class Idle(Copying):
    """A method that sometimes finds nothing to learn."""

    def groups(self, step: int) -> list[Group]:
        return []


def _trainer(
    out: Path,
    config: TrainingConfig = STEADY,
    method=None,
    steps: int = 2,
    on_step=lambda row: None,
    model=None,
):
    model = model or tiny.qwen2_vl()
    return GroupTrainer(PolicyModel(model), method or Copying(), config, steps, out, on_step)


def _weights(model) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# A step -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"max_tokens_per_batch": 1}, {"max_tokens_per_batch": 160}, {"gradient_checkpointing": True}]
)
def test_a_step_cut_into_packs_differently_gives_the_same_weights(tmp_path, settings: dict) -> None:
    """The learning rate is small: Adam makes a whole step even of a gradient that is nothing but rounding."""
    found = []
    for name, changed in {"whole": {}, "cut": settings}.items():
        trainer = _trainer(
            tmp_path / name, TrainingConfig(learning_rate=1e-5, lr_scheduler_type="constant", **changed)
        )
        trainer.fit()
        found.append((_weights(trainer.model), _rows(tmp_path / name / "metrics.jsonl")))
    (weights, rows), (others, other_rows) = found
    for name, value in weights.items():
        torch.testing.assert_close(
            others[name], value, atol=3e-6, rtol=0, msg=lambda m, name=name: f"{name}: {m}"
        )
    for row, other in zip(rows, other_rows, strict=True):
        assert (row["loss"], row["grad_norm"]) == pytest.approx((other["loss"], other["grad_norm"]), rel=1e-5)


def test_every_trainable_parameter_moves_and_no_frozen_one(tmp_path) -> None:
    model = tiny.qwen2_vl()
    model.model.visual.requires_grad_(False)
    model.model.visual.merger.requires_grad_(True)
    before = _weights(model)
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert 0 < len(trainable) < len(before)
    _trainer(tmp_path, model=model).fit()
    moved = {name for name, value in _weights(model).items() if not torch.equal(value, before[name])}
    assert moved == trainable


def test_a_step_without_groups_changes_nothing(tmp_path) -> None:
    trainer = _trainer(tmp_path, method=Idle())
    before = _weights(trainer.model)
    trainer.fit()
    assert all(torch.equal(value, before[name]) for name, value in _weights(trainer.model).items())
    assert [row["loss"] for row in _rows(tmp_path / "metrics.jsonl")] == [0.0, 0.0]


# What is not finite -----------------------------------------------------------------------------------


def _spoiled(kind: str, name: str):
    """From the second step on, the loss or the gradient of one question is no number."""
    calls = []

    def spoil(losses: Tensor, pack: Pack) -> Tensor:
        calls.append(pack)
        rows = [group.name for group in pack.groups for _ in group.branches]
        hit = torch.tensor([rows[owner] == name for owner in pack.owner.tolist()])
        if len(calls) == 1:
            return losses
        if kind == "loss":
            return torch.where(hit, torch.full_like(losses, torch.nan), losses)
        zero = (losses - losses.detach())[hit].abs().sqrt()  # with a slope of 0 / 0
        return losses.index_add(0, hit.nonzero()[:, 0], zero)

    return spoil


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_nan_stops_the_run_with_the_question_named_before_it_is_used(tmp_path, kind: str) -> None:
    culprit = Pages(3, "train", seed=1)[1].id
    undisturbed = _trainer(tmp_path / "one", steps=1)
    undisturbed.fit()
    trainer = _trainer(tmp_path / "two", method=Copying(_spoiled(kind, culprit)))
    with pytest.raises(NotFinite, match=f"step 2: .*{kind}.*not finite") as error:
        trainer.fit()
    assert culprit in str(error.value)
    assert Pages(3, "train", seed=1)[0].id not in str(error.value)
    for name, value in _weights(undisturbed.model).items():
        torch.testing.assert_close(dict(trainer.model.named_parameters())[name], value, atol=1e-6, rtol=0)
    assert [row["step"] for row in _rows(tmp_path / "two" / "metrics.jsonl")] == [1]
    assert not (tmp_path / "two" / "checkpoint").exists()


def test_media_tokens_in_a_response_stop_the_run(tmp_path) -> None:
    class Confused(Copying):
        def groups(self, step: int) -> list[Group]:
            groups = super().groups(step)
            groups[1].branches[0] = Branch([tiny.encoder(tiny.qwen2_vl()).image_token_id])
            return groups

    with pytest.raises(ValueError, match="media tokens"):
        _trainer(tmp_path, method=Confused()).fit()


# Files ------------------------------------------------------------------------------------------------


def test_every_step_has_its_row_and_whoever_watches_sees_it(tmp_path) -> None:
    seen: list[dict] = []
    config = TrainingConfig(learning_rate=1e-3, lr_scheduler_type="linear", warmup_ratio=0.25, save_steps=3)
    _trainer(tmp_path, config, steps=4, on_step=seen.append).fit()
    rows = _rows(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    counted = {"media_decoded", "processor_calls", "oom_retries"}
    names = {"step", "loss", "mood", "seconds", "grad_norm", "learning_rate", *counted}
    assert all(row.keys() == names for row in rows)
    assert all(row["seconds"] > 0 and row["grad_norm"] > 0 for row in rows)
    assert [row["learning_rate"] for row in rows] == pytest.approx([0, 1e-3, 2e-3 / 3, 1e-3 / 3])
    assert seen == [{**row, "steps": 4} for row in rows]


def test_the_checkpoint_is_an_ordinary_folder_with_its_processor_and_nothing_else_is_left(tmp_path) -> None:
    trainer = _trainer(tmp_path)
    folder = trainer.fit()
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "metrics.jsonl", "resume"}
    assert [path.name for path in (tmp_path / "resume").iterdir()] == ["checkpoint-2"]
    model = AutoModelForImageTextToText.from_pretrained(folder)
    for name, value in model.named_parameters():
        assert torch.equal(value, dict(trainer.model.model.named_parameters())[name]), name
    processor = AutoProcessor.from_pretrained(folder)
    page = Pages(1)[0]
    text = "<|vision_start|><|image_pad|><|vision_end|>How many?"
    ids = [p(text=[text], images=[page.media[0].load()])["input_ids"] for p in (processor, tiny.processor())]
    assert ids[0] == ids[1]
    assert processor.chat_template == tiny.processor().chat_template


def test_a_finished_training_is_not_done_again(tmp_path) -> None:
    folder = _trainer(tmp_path, steps=1).fit()
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert _trainer(tmp_path, steps=1).fit() == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def _checkpoint(folder: Path, step: int, state: str | None) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "model.safetensors").write_bytes(b"weights")
    if state is not None:
        (path / "trainer_state.json").write_text(state, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "state", [None, "", '{"global_step": 1'], ids=["no state", "empty state", "cut state"]
)
def test_unfinished_checkpoints_are_ignored_and_removed(tmp_path, state: str | None) -> None:
    whole = [_checkpoint(tmp_path, step, "{}") for step in (9, 10)]
    cut = _checkpoint(tmp_path, 11, state)
    assert last_checkpoint(tmp_path) == whole[1], "ten comes after nine"
    assert not cut.exists()


def test_without_any_checkpoint_training_begins_anew(tmp_path) -> None:
    assert last_checkpoint(tmp_path / "nothing") is None
    _checkpoint(tmp_path, 3, None)
    assert last_checkpoint(tmp_path) is None


@pytest.mark.parametrize("cut", [b"", b'{"step": 2, "te', '{"step": 2, "text": "é'.encode()[:-1]])
def test_truncating_keeps_whole_rows_up_to_the_step(tmp_path, cut: bytes) -> None:
    journal = tmp_path / "attempts.jsonl"
    texts = ["plain", "two\u2028lines\x85of text", "é"]
    rows = [
        json.dumps({"step": step, "text": t}, ensure_ascii=False) + "\n" for step in (1, 2, 3) for t in texts
    ]
    journal.write_bytes("".join(rows).encode() + cut)
    truncate(journal, 2)
    assert journal.read_bytes().decode() == "".join(rows[:6])
    truncate(journal, 0)
    assert journal.read_bytes() == b""


def test_a_long_journal_is_cut_back_line_by_line(tmp_path: Path) -> None:
    journal = tmp_path / "attempts.jsonl"
    journal.write_text(
        "".join(f'{{"step": {i}, "text": "{"x" * 1000}"}}\n' for i in range(5_000)), encoding="utf-8"
    )
    tracemalloc.start()
    truncate(journal, 4_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000 < journal.stat().st_size
    assert len(journal.read_text(encoding="utf-8").splitlines()) == 4_001


def test_truncating_what_is_not_there_does_nothing(tmp_path) -> None:
    truncate(tmp_path / "metrics.jsonl", 3)
    assert not list(tmp_path.iterdir())
