"""The command that trains, with trainings that take no time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from seethink.train.methods import METHODS
from tests import fakes
from tests.cli.test_app import OWN, TRAIN, config_of, well, world

__all__ = ["world"]


def test_the_last_line_says_what_was_left_out(capsys, monkeypatch):
    monkeypatch.setattr("seethink.run.run.training_notes", lambda out: ["2 of 3 rows left out", "all wrong"])
    for _ in range(2):
        last = well(capsys, *TRAIN).splitlines()[-1]
        assert last == "checkpoint: runs/train-grpo/grpo/checkpoint; 2 of 3 rows left out; all wrong"


def test_settings_in_a_file_hold_the_same_fields_and_words_on_the_line_win(capsys):
    Path("grpo.yaml").write_text("learning_rate: 1e-5\nmax_steps: 9\nbeta: 0.04\nseed: 4\n", encoding="utf-8")
    well(capsys, "train", "grpo", *OWN, "--config", "grpo.yaml", "max_steps=2")
    config = config_of("runs/train-grpo/grpo")
    assert [config[name] for name in ("learning_rate", "max_steps", "beta", "seed")] == [1e-5, 2, 0.04, 4]


def test_a_training_method_in_the_table_is_a_command(capsys, monkeypatch):
    def run(model, data, config, out, media, on_step):
        on_step({"step": 1, "steps": 1, "loss": 0.5})
        return fakes.model_folder(out / "checkpoint")

    method = replace(METHODS["sft"], name="toy_method", run=run)
    monkeypatch.setitem(METHODS, "toy_method", method)
    out = well(capsys, "train", "toy_method", *OWN, "train_batch_size=2")
    assert "checkpoint: runs/train-toy_method/toy_method/checkpoint" in out.splitlines()
    assert config_of("runs/train-toy_method/toy_method")["train_batch_size"] == 2
