"""Two processes do what one does: the same weights, the same metrics, whatever each of them holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file

from seethink import systems
from seethink.formats import ANSWER_ONLY
from seethink.run.run import Run, Scale
from seethink.sources.handwritten import Pages
from seethink.train import ranks
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.types import Example, PreferencePair, Response, Score, SFTExample, Task
from tests import tiny
from tests.train.metric_rows import assert_like

ROOT = Path(__file__).parents[2]
PAGES = Pages(5, "train", seed=6)
TEXTS = [Example(f"text{i}", f"What is 2 + {i}?", answer=str(2 + i), steps=("Add.",)) for i in range(3)]
MIXED = [*PAGES[:3], *TEXTS, *PAGES[3:]]
STEADY = dict(
    learning_rate=1e-3, lr_scheduler_type="constant", warmup_ratio=0.0, max_tokens_per_batch=300, save_steps=2
)
REPEATED = "more prompts than questions"
CONFIGS = {
    "sft": SFTConfig.of(train_batch_size=5, max_steps=3, shuffle=False, **STEADY),
    "dpo": DPOConfig.of(train_batch_size=3, max_steps=3, **STEADY),
    "grpo": GRPOConfig.of(
        prompts_per_step=3, num_generations=4, max_steps=6, max_completion_length=8, **STEADY
    ),
    "dapo beside traces": GRPOConfig.of(
        prompts_per_step=3,
        num_generations=4,
        max_steps=2,
        max_completion_length=8,
        loss_type="dapo",
        dynamic_sampling_retries=2,
        overlong_buffer_len=4,
        sft_loss_coef=0.5,
        beta=0.1,
        **STEADY,
    ),
    REPEATED: GRPOConfig.of(
        prompts_per_step=10,
        num_generations=2,
        max_steps=1,
        max_completion_length=4,
        sft_loss_coef=0.5,
        **STEADY,
    ),
}


def paid(example: Example, response: Response) -> Score:
    return Score(round(len(set(response.text)) / (1 + len(response.text)), 1))


def train(config: SFTConfig | DPOConfig | GRPOConfig, base: str, out: Path) -> None:
    """What each process runs; imported by the child processes below."""
    from seethink.train.dpo import dpo
    from seethink.train.grpo import grpo
    from seethink.train.sft import sft

    if isinstance(config, SFTConfig):
        texts = [ANSWER_ONLY.write("", example.answer or "") for example in MIXED]
        lessons = [SFTExample(e, ANSWER_ONLY, text) for e, text in zip(MIXED, texts, strict=True)]
        sft(base, lessons, config, out)
    elif isinstance(config, DPOConfig):
        dpo(
            base,
            [PreferencePair(e, ANSWER_ONLY, "<answer>1</answer>", "I do not know.") for e in MIXED],
            config,
            out,
        )
    else:
        assert isinstance(config, GRPOConfig)
        grpo(base, Task("variety", MIXED, ANSWER_ONLY, paid), config, out)


def trainings(names: list[str], base: str, folder: Path) -> str:
    """The lines that train as each of `CONFIGS[name]` says, into folders of these names."""
    return f"""
from tests.train.test_ranks import *
for name in {names!r}:
    train(CONFIGS[name], {base!r}, Path({str(folder)!r}) / name)
"""


def launch(code: str, script: Path, **environment: str) -> subprocess.Popen[str]:
    """Two processes that run `code`, which is written to `script`."""
    script.write_text(code, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", **environment}
    free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    return subprocess.Popen(
        [*torchrun, *free, str(script)], cwd=ROOT, env=here, text=True, stderr=subprocess.PIPE
    )


def rows_of(out: Path) -> list[dict]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    # of a question that comes twice, two processes load the picture twice
    other = {"seconds"} | ({"media_decoded", "processor_calls"} if out.name == REPEATED else set())
    return [{k: v for k, v in row.items() if k not in other and v is not None} for row in rows]


def assert_equal(found: Path, wanted: Path, base: str, within: float = 1e-2) -> None:
    """One training did what another did: the same metrics, and in every tensor weights whose root mean square
    difference is `within` this share of the largest change. A single weight may differ by ten times that,
    since AdamW divides a gradient that is rounding alone by itself."""
    two, one, start = (
        load_file(folder / "model.safetensors")
        for folder in (found / "checkpoint", wanted / "checkpoint", Path(base))
    )
    largest = max(float((one[n] - start[n]).abs().max()) for n in start)
    assert largest > 1e-4, "something was learned"
    assert two.keys() == one.keys()
    for weight, value in one.items():
        where = f"{found.name}, {weight}: {{}}".format
        torch.testing.assert_close(two[weight], value, atol=10 * within * largest, rtol=0, msg=where)
        assert (two[weight] - value).square().mean().sqrt() < within * largest, f"{found.name}, {weight}"
    for row, like in zip(rows_of(found), rows_of(wanted), strict=True):
        assert_like(row, like, found.name, rel=1e-3, abs=1e-5)


def test_two_processes_end_with_the_weights_and_metrics_of_one(tmp_path) -> None:
    """All trainings in one launch, since to start processes takes longer than to train."""
    base = tiny.saved(tmp_path / "base")
    job = launch(trainings(list(CONFIGS), base, tmp_path / "two"), tmp_path / "two.py")
    _, errors = job.communicate(timeout=240)
    assert job.returncode == 0, errors[-2000:]
    for name, config in CONFIGS.items():
        train(config, base, tmp_path / "one" / name)
        assert_equal(tmp_path / "two" / name, tmp_path / "one" / name, base)


def test_a_killed_process_ends_the_job_and_the_next_launch_continues(tmp_path) -> None:
    base, two = tiny.saved(tmp_path / "base"), tmp_path / "two" / "grpo"
    train(CONFIGS["grpo"], base, tmp_path / "one")
    kill_and_continue(trainings(["grpo"], base, tmp_path / "two"), two)
    assert [row["step"] for row in rows_of(two)] == list(range(1, CONFIGS["grpo"].max_steps + 1))
    assert_equal(two, tmp_path / "one", base)


def kill_and_continue(code: str, out: Path, **environment: str) -> None:
    """Launch a training, kill one of its processes after the first checkpoint, and launch it again."""
    script = out.parent / "job.py"
    script.parent.mkdir(exist_ok=True)
    job = launch(code, script, **environment)
    while not list((out / "resume").glob("checkpoint-*/trainer_state.json")):
        assert job.poll() is None, job.communicate()[1][-2000:]
        time.sleep(0.02)
    max(psutil.Process(job.pid).children(), key=lambda process: process.pid).kill()
    began = time.monotonic()
    _, errors = job.communicate(timeout=60)
    assert job.returncode != 0 and time.monotonic() - began < 60
    assert "SIGKILL" in errors
    again = launch(code, script, **environment)
    _, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors[-2000:]


def test_a_recipe_is_carried_out_by_two_processes(tmp_path) -> None:
    out = tmp_path / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    recipe = ["-m", "seethink", "run", "r1v", "--scale", "smoke", "--out", str(out)]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    job = subprocess.run([*torchrun, *free, *recipe], cwd=tmp_path, env=here, capture_output=True, text=True)
    assert job.returncode == 0, job.stderr[-2000:]
    assert job.stdout.count("\ngrpo: finished") == 1, "one of them speaks"
    stages = [json.loads(file.read_text(encoding="utf-8")) for file in out.rglob("stage.json")]
    planned = Run("r1v", Scale("smoke"), out).dry_run(systems.recipe("r1v").recipe)
    assert {stage["name"] for stage in stages} == {*planned}
    assert {stage["status"] for stage in stages} == {"done"}
    assert (
        len(rows_of(out / "grpo"))
        == json.loads((out / "grpo/stage.json").read_text(encoding="utf-8"))["config"]["max_steps"]
    )
    assert (out / "report.html").exists()


def test_gpus_without_a_process_are_named_with_the_command_that_uses_them(monkeypatch, caplog) -> None:
    for gpus, processes, idle in ((0, "1", False), (1, "1", False), (4, "4", False), (4, "1", True)):
        caplog.clear()
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        ranks.warn_of_idle_gpus()
        assert ("1 of 4 GPUs train: start with torchrun --nproc_per_node 4" in caplog.text) == idle
        assert bool(caplog.text) == idle
