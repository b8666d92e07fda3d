"""The benchmark for accelerators, with a toy model on whatever there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import gpu
from bench.shape import Shape, data
from seethink.train.groups import pack_groups
from seethink.train.shared_prefix import Scorer

ROOT = Path(__file__).parents[2]
SMALL = ("--prompts", "22", "40", "--response=5", "--group=4", "--runs=1", "--threads=1")


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.gpu", *options]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=ROOT, env=here, capture_output=True, text=True)


def test_every_way_is_measured_or_says_why_not() -> None:
    done = _run("--tiny", "--peak-tflops=0.1", *SMALL)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    rows = {(row["way"], row.get("prompt")): row for row in told["rows"]}
    measured = [(way, p) for way in gpu.WAYS if way != "shared, flex" for p in (22, 40)]
    for key in measured:
        assert rows[key]["seconds"] > 0 and rows[key]["answers"] == 4
        assert rows[key]["mfu"] == pytest.approx(rows[key]["tflops"] / 0.1)
        assert rows[key]["logp"] == pytest.approx(rows["repeated", key[1]]["logp"], abs=0.02)
    assert "backward on CPU" in rows["shared, flex", None]["failed"]
    assert [fact["prompt"] for fact in told["ratios"]] == [22, 40]
    for fact in told["ratios"]:
        assert fact["measured_over_ideal"] == pytest.approx(fact["ratio"] / fact["ideal"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an accelerator")
def test_without_an_accelerator_it_says_so_and_exits_with_2() -> None:
    done = _run(*SMALL)
    assert done.returncode == 2
    assert done.stderr == "there is no accelerator here; --tiny runs the program with a toy model\n"


def test_a_way_for_which_memory_does_not_suffice_is_tried_with_half_the_answers() -> None:
    model = gpu.build(gpu.geometry(tiny=True, layers=1), "cpu")
    tried = []

    def update(batches):
        tried.append([len(group.branches) for groups in batches for group in groups])
        if tried[-1][0] > 2:
            raise torch.OutOfMemoryError
        return torch.zeros(4)

    first, second, third = gpu.timed(model, update, Shape(22, 3, 8, 1), runs=1)
    assert [first, second] == [{"answers": n, "failed": "out of memory"} for n in (8, 4)]
    assert third["answers"] == 2 and third["seconds"] > 0
    assert tried == [[8], [4, 4], *[[2, 2, 2, 2]] * 3]


def test_the_published_sizes_are_those_of_a_model_with_3_75_billion_parameters() -> None:
    with torch.device("meta"):
        model = gpu.Qwen2_5_VLForConditionalGeneration(gpu.geometry(tiny=False, layers=None))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(3.755e9, rel=1e-3)


def test_arithmetic_with_weights_is_what_torch_counts() -> None:
    shape = Shape(40, 5, 4, 2)
    model = gpu.build(gpu.geometry(tiny=True, layers=None), "cpu")
    (pack,) = pack_groups(data(shape), 10_000)
    with FlopCounterMode(display=False) as counted:  # it does not know this attention
        Scorer(model)(pack).sum().backward()
    assert counted.get_total_flops() == gpu.weighted(model, shape, prompts=1)


def test_arithmetic_of_attention_counts_what_the_mask_shows() -> None:
    shape = Shape(40, 5, 4, 1)
    model = gpu.build(gpu.geometry(tiny=True, layers=None), "cpu")
    (pack,) = pack_groups(data(shape), 10_000)
    (seen,) = gpu.Dense.layout(pack.branch)
    patches = 4 * 4 * 6
    vision = 32 * (patches * 64 + patches**2)  # a layer of windows, and a layer without
    assert gpu.attended(model, shape, prompts=1) == 12 * (64 * 2 * int(seen.sum()) + vision)
