"""A longer training goes on where a shorter one ended; what alters numbers is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from seethink import identity
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig, TrainingConfig
from seethink.train.continuing import Changes, compare, how_it_continues, reopen, steps_done
from seethink.train.notes import ROWS_FILE
from tests.train.test_trainer import STEADY, _rows, _trainer


def kept(out: Path, step: int) -> Path:
    """`out` with a whole checkpoint of a step."""
    folder = out / "resume" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
    return out


def changed(out: Path, before: Any, now: Any, kind: str = "grpo", rows: int = 64) -> Changes:
    """What differs between two configs, on the same data."""
    inputs = {"model": "sprout:1", "task": {"examples": "2", "verifier": {"is": "mine"}}}
    record = {"kind": kind, "config": identity.plain(before), "inputs": inputs}
    return compare(kind, now, inputs, json.loads(json.dumps(record)), out, rows)


# What continues -----------------------------------------------------------------------------------------


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForImageTextToText.from_pretrained(folder).named_parameters())


def test_a_longer_training_is_the_one_that_was_never_stopped(tmp_path) -> None:
    whole = _trainer(tmp_path / "whole", STEADY, steps=4).fit()
    _trainer(tmp_path / "longer", STEADY, steps=2).fit()
    reopen(tmp_path / "longer")
    seen: list[dict] = []
    longer = _trainer(tmp_path / "longer", STEADY, steps=4, on_step=seen.append).fit()
    assert [row["step"] for row in seen] == [3, 4]
    assert [row["step"] for row in _rows(tmp_path / "longer" / "metrics.jsonl")] == [1, 2, 3, 4]
    found = _weights(longer)
    assert all(torch.equal(found[name], value) for name, value in _weights(whole).items())
    assert (tmp_path / "longer" / "checkpoint-2" / "model.safetensors").is_file(), "nothing is lost"


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_learning_rate_follows_the_schedule_of_the_new_length_from_there_on(tmp_path, schedule) -> None:
    config = TrainingConfig(learning_rate=1e-3, lr_scheduler_type=schedule, warmup_ratio=0.25)
    _trainer(tmp_path / "whole", config, steps=8).fit()
    _trainer(tmp_path / "longer", config, steps=4).fit()
    reopen(tmp_path / "longer")
    _trainer(tmp_path / "longer", config, steps=8).fit()
    rates = [
        [row["learning_rate"] for row in _rows(tmp_path / name / "metrics.jsonl")[4:]]
        for name in ("whole", "longer")
    ]
    assert rates[0] == rates[1] and min(rates[0]) > 0


def test_it_is_said_from_which_step_and_why(tmp_path) -> None:
    now = GRPOConfig.of(max_steps=80)
    changes = changed(kept(tmp_path, 40), GRPOConfig.of(max_steps=40), now)
    assert changes == Changes(("max_steps 40 -> 80",), continues=True, finished=False)
    assert how_it_continues(changes, now, tmp_path) == "continues from step 40, max_steps 40 -> 80"
    sft = SFTConfig.of(max_steps=80)
    changes = changed(tmp_path, SFTConfig.of(max_steps=40), sft, "sft")
    assert how_it_continues(changes, sft, tmp_path).endswith(
        "max_steps 40 -> 80; the learning rate follows the cosine schedule of the new length"
    )


@pytest.mark.parametrize(
    "setting",
    [
        {"save_steps": 7},
        {"gradient_checkpointing": True},
        {"max_tokens_per_batch": 99},
        {"vllm_gpu_memory_utilization": 0.4},
    ],
)
def test_what_alters_no_number_is_no_change(tmp_path, setting: dict[str, Any]) -> None:
    for before, now in ((GRPOConfig(), GRPOConfig.of(**setting)), (GRPOConfig.of(**setting), GRPOConfig())):
        assert identity.digest(before) == identity.digest(now)
        assert changed(tmp_path, before, now) == Changes((), continues=True, finished=True)


def test_a_record_that_still_names_such_a_setting_is_read(tmp_path) -> None:
    before = identity.plain(GRPOConfig())
    before["training"]["save_steps"] = 7
    record = {"kind": "grpo", "config": before, "inputs": {}}
    assert compare("grpo", GRPOConfig(), {}, record, tmp_path, 4) == Changes((), True, True)


# What starts anew ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"learning_rate": 1e-4}, "learning_rate 1e-06 -> 0.0001"),
        ({"seed": 3, "max_steps": 200}, "seed 0 -> 3"),
        ({"num_generations": 4}, "num_generations 8 -> 4"),
        ({"epsilon_high": 0.3}, "epsilon_high None -> 0.3"),
    ],
)
def test_what_alters_numbers_is_named(tmp_path, setting: dict[str, Any], text: str) -> None:
    changes = changed(kept(tmp_path, 50), GRPOConfig(), GRPOConfig.of(**setting))
    assert not changes.continues and text in changes.texts


def test_other_data_another_model_or_method_are_named(tmp_path) -> None:
    config = GRPOConfig()
    inputs = {"model": "sprout:1", "task": {"examples": "2", "questions": 4, "verifier": "mine"}}
    record = {"kind": "grpo", "config": identity.plain(config), "inputs": inputs}
    for other, text in (
        ({"model": "own:1"}, "the model"),
        ({"task": inputs["task"] | {"examples": "3", "questions": 5}}, "the rows"),
        ({"task": inputs["task"] | {"verifier": "yours"}}, "the verifier"),
    ):
        changes = compare("grpo", config, inputs | other, record, kept(tmp_path / text, 50), 4)
        assert changes == Changes((text,), continues=False, finished=False)
    assert compare("dpo", DPOConfig(), inputs, record, tmp_path, 4).texts[0] == "the method"


@pytest.mark.parametrize("done", [0, 30])
def test_fewer_steps_than_were_made_or_none_kept_start_anew(tmp_path, done: int) -> None:
    out = kept(tmp_path, done) if done else tmp_path
    changes = changed(out, GRPOConfig.of(max_steps=30), GRPOConfig.of(max_steps=20))
    assert changes.texts == ("max_steps 30 -> 20",) and not changes.continues


def test_a_rollout_batch_that_was_cut_short_cannot_go_on(tmp_path) -> None:
    before, now = (GRPOConfig.of(max_steps=n, num_iterations=2) for n in (3, 8))
    assert not changed(kept(tmp_path / "odd", 3), before, now).continues
    assert changed(kept(tmp_path / "even", 2), before, now).continues


def test_a_last_batch_that_was_not_full_cannot_go_on(tmp_path) -> None:
    before, now = (SFTConfig.of(num_train_epochs=n, train_batch_size=4) for n in (1, 2))
    assert changed(kept(tmp_path, 2), before, now, "sft", rows=8).continues
    assert not changed(kept(tmp_path / "short", 2), before, now, "sft", rows=7).continues
    (tmp_path / ROWS_FILE).write_text('{"rows": 11, "overlong_prompts": 3}', encoding="utf-8")
    assert changed(tmp_path, before, now, "sft", rows=11).continues, "rows left out are not counted"


def test_unfinished_checkpoints_do_not_count(tmp_path) -> None:
    kept(tmp_path, 4)
    (tmp_path / "resume" / "checkpoint-6").mkdir()
    assert steps_done(tmp_path) == 4
    assert (tmp_path / "resume" / "checkpoint-6").is_dir(), "whoever looks removes nothing"
