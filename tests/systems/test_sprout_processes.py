"""Processes of a launch share the batches of `sprout`'s courses and average their gradients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seethink.run.run import Run
from seethink.systems.sprout.curriculum import SHARES, CurriculumExamples
from seethink.systems.sprout.growth import CourseBatches, PackedLoss, grow, load, save
from seethink.systems.sprout.growth_config import GrowthConfig, RowShape
from seethink.systems.sprout.initial_model import ModelSize, write_initial_model
from seethink.systems.sprout.rows import Batch
from seethink.systems.sprout.styles import ANSWERING
from seethink.systems.sprout.updates import Updates

ROOT = Path(__file__).parents[2]
COURSE = CurriculumExamples(10**6, "test", 0, ANSWERING, shares={**SHARES, "words": 0.3})
CONFIG = GrowthConfig(max_steps=1, shape=RowShape(rows=3, tower_rows=4), workers=0)


def recipe(run: Run) -> None:
    size = ModelSize(128, 2, 192, 64, 2)
    model = run.make("initial", write_initial_model, seed=0, size=size, texts=2_000)
    run.make("grown", grow, on_all_processes=True, model=model, course=COURSE, config=CONFIG)


def share(folder: Path, rank: int, monkeypatch: pytest.MonkeyPatch) -> Batch:
    with monkeypatch.context() as patched:
        patched.setenv("WORLD_SIZE", "2")
        patched.setenv("RANK", str(rank))
        return CourseBatches(COURSE, folder, CONFIG)[0]


def test_two_processes_average_the_gradients_of_their_shares(tmp_path: Path, monkeypatch) -> None:
    code = """
from pathlib import Path
from seethink.run.scale import Scale
from tests.systems.test_sprout_processes import *
run = Run("test", Scale("tiny"), Path("run"))
run.execute(recipe)
"""
    (tmp_path / "job.py").write_text(code, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    job = subprocess.run(
        [*torchrun, *free, "job.py"], cwd=tmp_path, env=here, capture_output=True, text=True, timeout=240
    )
    assert job.returncode == 0, job.stderr[-2000:]
    folder = tmp_path / "run/initial/checkpoint"
    shares = [share(folder, rank, monkeypatch) for rank in (0, 1)]
    assert [batch["ids"].shape[0] for batch in shares] == [2, 2], "three rows are two each"
    assert not torch.equal(shares[0]["ids"], shares[1]["ids"])

    model, processor = load(folder)
    model.model.visual.requires_grad_(False)
    loss = PackedLoss(model, processor, fixed_shape=False).train()
    updates = Updates(loss, CONFIG, torch.float32)
    sum(loss(batch).sum() / 2 for batch in shares).backward()
    torch.nn.utils.clip_grad_norm_(loss.parameters(), CONFIG.max_grad_norm)
    updates.step()
    save(model, processor, tmp_path / "one")
    two, one, start = (
        load_file(at / "model.safetensors")
        for at in (tmp_path / "run/grown/checkpoint", tmp_path / "one", folder)
    )
    moved = {name for name in one if not torch.equal(one[name], start[name])}
    assert moved and not any("visual" in name for name in moved)
    for name in one:
        change = (one[name] - start[name]).norm()
        assert (two[name] - one[name]).norm() <= 0.02 * change, name
    assert json.loads((tmp_path / "run/grown/stage.json").read_text(encoding="utf-8"))["status"] == "done"
