"""What lies in a finished checkpoint: files that others may read, a model card, both processor files."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoProcessor

from seethink.models.saving import follow_umask
from seethink.run.run import Run, Scale
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.train.dpo import dpo
from seethink.train.notes import start_and_end
from seethink.train.sft import sft
from tests import tiny
from tests.train.test_guard import LESSONS, PAIRS, QUICK, SHORT, TASK, base

__all__ = ["base"]


@pytest.fixture
def shared_with_the_group() -> Any:
    before = os.umask(0o027)
    yield
    os.umask(before)


def _modes(folder: Path) -> set[str]:
    return {stat.filemode(file.stat().st_mode) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("settings", [{}, {"lora_rank": 2}])
def test_every_file_follows_the_umask(base, tmp_path, shared_with_the_group, settings) -> None:
    folder = sft(base, LESSONS, SFTConfig.of(**QUICK, **settings), tmp_path / "out")
    assert _modes(folder) == _modes(tmp_path / "out" / "resume") == {"-rw-r-----"}


def test_a_single_file_follows_it_too_and_nothing_is_left_beside_it(tmp_path, shared_with_the_group) -> None:
    (tmp_path / "weights.part").touch(mode=0o600)
    follow_umask(tmp_path / "weights.part")
    assert _modes(tmp_path) == {"-rw-r-----"} and len(list(tmp_path.iterdir())) == 1


def test_the_processor_is_read_from_either_of_its_files(base, tmp_path) -> None:
    folder = sft(base, LESSONS, SFTConfig.of(**QUICK), tmp_path / "out")
    assert {"processor_config.json", "preprocessor_config.json"} <= {file.name for file in folder.iterdir()}
    known = tiny.processor().image_processor.to_dict()
    assert AutoProcessor.from_pretrained(folder).image_processor.to_dict() == known
    (folder / "processor_config.json").unlink()
    assert AutoProcessor.from_pretrained(folder).image_processor.to_dict() == known


def test_the_card_of_a_run_tells_base_data_settings_figures_and_command(base, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/seethink", "train", "grpo", "--data", "my rows.jsonl"])
    run = Run("own", Scale("full"), tmp_path)
    run.grpo("grpo", run.model(base), TASK, SHORT)
    card = (tmp_path / "grpo" / "checkpoint" / "README.md").read_text(encoding="utf-8")
    lines = card.splitlines()
    assert lines[:4] == ["---", f"base_model: {json.dumps(base)}", "library_name: transformers", lines[3]]
    assert lines.index("---", 1) == 5 and "tags: [seethink, grpo]" in lines
    assert "4 questions of `letters`, in the format `answer_only` (instruction: suffix)" in lines
    defaults = GRPOConfig()
    assert f"| `learning_rate` | 0.001 | {defaults.training.learning_rate} |" in lines
    assert "| `max_steps` | 2 | 100 |" in lines and "beta" not in card
    first, last = start_and_end(tmp_path / "grpo", "reward") or (None, None)
    assert f"| reward | {first:.3f} | {last:.3f} |" in lines
    assert "seethink train grpo --data 'my rows.jsonl'" in lines


def test_the_card_of_a_call_from_python_and_of_what_was_trained_before(base, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/mine.py", "--fast"])
    folder = dpo(base, PAIRS, DPOConfig.of(**QUICK), tmp_path / "dpo")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "4 rows" in card and "| share of pairs in the right order |" in card
    assert card.endswith("```bash\npython mine.py --fast\n```\n")
    (folder / "README.md").write_text("mine", encoding="utf-8")
    dpo(base, PAIRS, DPOConfig.of(**QUICK), tmp_path / "dpo")
    assert (folder / "README.md").read_text(encoding="utf-8") == "mine"
    run = Run("own", Scale("full"), tmp_path / "run")
    first = run.sft("first", run.model(base), LESSONS, SFTConfig.of(**QUICK))
    run.sft("second", first, LESSONS, SFTConfig.of(**QUICK))
    card = (tmp_path / "run" / "second" / "checkpoint" / "README.md").read_text(encoding="utf-8")
    assert f"`{base}`; training began with `{tmp_path / 'run' / 'first' / 'checkpoint'}`" in card


@pytest.mark.parametrize(
    ("rewards", "both"),
    [([], None), ([None], None), ([0.5], (0.5, 0.5)), ([0.0] * 10 + [None] + [1.0] * 10, (0.0, 1.0))],
)
def test_start_and_end_are_a_tenth_of_the_steps_each(tmp_path, rewards, both) -> None:
    rows = "".join(json.dumps({"step": i, "reward": value}) + "\n" for i, value in enumerate(rewards, 1))
    (tmp_path / "metrics.jsonl").write_text(rows, encoding="utf-8")
    assert start_and_end(tmp_path, "reward") == both
    assert start_and_end(tmp_path / "nowhere", "reward") is None
