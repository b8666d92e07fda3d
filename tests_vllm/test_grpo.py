"""Trainings with rollouts by vLLM: they learn, and vLLM always has the model's weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seethink.formats import PREFILLED_THINK
from seethink.models.names import SPROUT
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import grpo
from seethink.types import Example, Response, Score, Task

ROOT = Path(__file__).parents[1]
DIFFERENCE = "sampling/sampling_logp_difference/mean"
GAP = 1e-4
CONFIG = GRPOConfig.of(
    learning_rate=1e-4, prompts_per_step=4, num_generations=6, max_steps=4, max_completion_length=16,
    temperature=0.9, rollout_backend="vllm", vllm_gpu_memory_utilization=0.05,
)  # fmt: skip


def variety(example: Example, response: Response) -> Score:
    return Score(len(set(response.text)) / (1 + len(response.text)))


TASK = Task("variety", Pages(8, "train", seed=2), PREFILLED_THINK, variety)


def _jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _train(out: Path, **settings) -> list[dict]:
    grpo("sprout", TASK, CONFIG.replace(**settings), out)
    return _jsonl(out / "metrics.jsonl")


def _gaps(rows: list[dict]) -> list[float]:
    """Of the steps with non-zero advantages."""
    return [row[DIFFERENCE] for row in rows if row[DIFFERENCE] is not None]


def test_the_reward_rises_and_no_token_is_sampled_from_other_weights(tmp_path) -> None:
    rows = _train(tmp_path / "out", max_steps=12, learning_rate=5e-4)
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
        tmp_path / "out", max_steps=6, lora_rank=4, num_iterations=2, save_steps=2, learning_rate=1e-2
    )
    assert len(_gaps(rows)) == 6
    assert max(_gaps(rows)) < GAP
    assert max(row["clip_ratio"] for row in rows[1::2]) > 0, "the adapters did change the model"


def test_weights_that_are_not_sent_show_in_the_metrics(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("seethink.engines.vllm.VllmEngine.sync_weights", lambda *_: None)
    rows = _train(tmp_path / "out", max_steps=3, learning_rate=1e-3)
    assert rows[0][DIFFERENCE] < GAP < 1e-2 < rows[-1][DIFFERENCE]


def train(out: str, kill_at: int | None = None) -> None:
    """A short training; with `kill_at`, the process is killed at that step."""

    def watch(row: dict) -> None:
        if row["step"] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    grpo("sprout", TASK, CONFIG.replace(save_steps=2), Path(out), on_step=watch)


def test_a_killed_training_resumes_with_its_own_weights(tmp_path) -> None:
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


def test_two_processes_have_an_engine_each_and_give_the_results_of_one(tmp_path) -> None:
    code = f"from tests_vllm.test_grpo import train; train({str(tmp_path / 'two')!r})"
    (tmp_path / "two.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", encoding="utf-8"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, str(tmp_path / "two.py")], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"ACCELERATE_USE_CPU": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    train(str(tmp_path / "one"))
    rows = {name: _jsonl(tmp_path / name / "metrics.jsonl") for name in ("one", "two")}
    assert max(_gaps(rows["two"])) < GAP
    for name in ("reward", "completions/mean_length", "grad_norm"):
        assert [row[name] for row in rows["two"]] == pytest.approx(
            [row[name] for row in rows["one"]], rel=1e-3
        )
