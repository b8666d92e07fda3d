"""Trainings whose answers vLLM gives: they learn, and vLLM never falls behind the model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seethink.families import SPROUT
from seethink.formats import PREFILLED_THINK
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPO
from seethink.train.grpo import grpo
from seethink.types import Example, Response, Score, Task

ROOT = Path(__file__).parents[1]
GAP = 1e-4
CONFIG = GRPO(
    learning_rate=1e-4, questions_per_step=4, responses_per_question=6, steps=4, max_tokens=16,
    temperature=0.9, rollout="vllm", rollout_memory=0.08,
)  # fmt: skip


def variety(example: Example, response: Response) -> Score:
    return Score(len(set(response.text)) / (1 + len(response.text)))


TASK = Task("variety", Pages(8, "train", seed=2), PREFILLED_THINK, variety)


def _jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _train(out: Path, **settings) -> list[dict]:
    grpo("sprout", TASK, replace(CONFIG, **settings), out)
    return _jsonl(out / "metrics.jsonl")


def _gaps(rows: list[dict]) -> list[float]:
    """Of the steps that had something to learn."""
    return [row["sampler_gap"] for row in rows if row["sampler_gap"] is not None]


def test_what_is_paid_rises_and_no_token_is_drawn_from_other_weights(tmp_path) -> None:
    rows = _train(tmp_path / "out", steps=12, learning_rate=5e-4)
    assert len(_gaps(rows)) > 8
    assert max(_gaps(rows)) < GAP
    assert rows[-1]["reward"] > rows[0]["reward"] + 0.2
    before, after = (
        load_file(folder / "model.safetensors") for folder in (SPROUT, tmp_path / "out/checkpoint")
    )
    names = {name for name, value in after.items() if value.float().ne(before[name].float()).any()}
    assert any("visual" in name for name in names)
    assert len(names) > 0.9 * len(after)
    assert [(row["media_decoded"], row["processor_calls"]) for row in rows] == [(4, 4)] * 12


def test_adapters_and_several_updates_are_followed(tmp_path) -> None:
    rows = _train(
        tmp_path / "out", steps=3, lora_rank=4, updates_per_rollout=2, save_every=2, learning_rate=1e-2
    )
    assert len(_gaps(rows)) == 6
    assert max(_gaps(rows)) < GAP
    assert max(row["clipped"] for row in rows[1::2]) > 0, "the adapters did change the model"


def test_weights_that_are_not_sent_are_seen_in_the_metrics(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("seethink.engines.vllm.VllmEngine.take", lambda *_: None)
    rows = _train(tmp_path / "out", steps=3, learning_rate=1e-3)
    assert rows[0]["sampler_gap"] < GAP < 1e-2 < rows[-1]["sampler_gap"]


def train(out: str, kill_at: int | None = None) -> None:
    """A short training; with `kill_at`, the process ends at that step as under `kill -9`."""

    def watch(row: dict) -> None:
        if row["step"] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    grpo("sprout", TASK, replace(CONFIG, save_every=2), Path(out), watch=watch)


def test_a_killed_training_goes_on_from_its_own_weights(tmp_path) -> None:
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    code = f"from tests_vllm.test_grpo import train; train({str(cut)!r}, kill_at=3)"
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert [path.name for path in (cut / "resume").iterdir()] == ["checkpoint-2"]
    train(str(cut))
    train(str(whole))
    assert max(_gaps(_jsonl(cut / "metrics.jsonl"))) < GAP
    texts = [[row["text"] for row in _jsonl(out / "attempts.jsonl")] for out in (cut, whole)]
    assert texts[0] == texts[1]
    ends = [load_file(out / "checkpoint" / "model.safetensors") for out in (cut, whole)]
    for name, value in ends[1].items():
        torch.testing.assert_close(ends[0][name], value, atol=1e-5, rtol=0)


def test_two_processes_have_an_engine_each_and_do_what_one_does(tmp_path) -> None:
    code = f"from tests_vllm.test_grpo import train; train({str(tmp_path / 'two')!r})"
    (tmp_path / "two.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, str(tmp_path / "two.py")], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"ACCELERATE_USE_CPU": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    train(str(tmp_path / "one"))
    rows = {name: _jsonl(tmp_path / name / "metrics.jsonl") for name in ("one", "two")}
    assert max(_gaps(rows["two"])) < GAP
    for name in ("reward", "response_tokens", "grad_norm"):
        assert [row[name] for row in rows["two"]] == pytest.approx(
            [row[name] for row in rows["one"]], rel=1e-3
        )
