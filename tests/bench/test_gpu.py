"""The benchmark for accelerators, with a toy model on any machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import gpu
from bench.shape import Shape, data
from seethink.models.packing import pack_groups
from seethink.models.policy import PolicyModel
from tests.bench.in_process import Done, called

SMALL = ("--prompts", "22", "40", "--response=5", "--group=4", "--runs=1", "--threads=1")


@pytest.fixture
def run(capsys, monkeypatch) -> Callable[..., Done]:
    return partial(called, "bench.gpu", capsys=capsys, monkeypatch=monkeypatch)


def test_every_method_is_measured_or_says_why_not(run) -> None:
    done = run("--tiny", "--peak-tflops=0.1", *SMALL)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    rows = {(row["way"], row.get("prompt")): row for row in result["rows"]}
    measured = [(method, p) for method in gpu.METHODS if method != "shared, flex" for p in (22, 40)]
    for key in measured:
        assert rows[key]["seconds"] > 0 and rows[key]["answers"] == 4
        assert rows[key]["mfu"] == pytest.approx(rows[key]["tflops"] / 0.1)
        assert rows[key]["logp"] == pytest.approx(rows["repeated", key[1]]["logp"], abs=0.02)
    assert "backward on CPU" in rows["shared, flex", None]["failed"]
    assert [fact["prompt"] for fact in result["ratios"]] == [22, 40]
    for fact in result["ratios"]:
        assert fact["measured_over_ideal"] == pytest.approx(fact["ratio"] / fact["ideal"])


def test_without_an_accelerator_it_says_so_and_exits_with_2(run) -> None:
    done = run(*SMALL)
    assert done.returncode == 2
    assert done.stderr == "there is no accelerator; use --tiny for a toy model on the CPU\n"


def test_a_method_that_runs_out_of_memory_is_tried_with_half_the_answers() -> None:
    model = gpu.build(gpu.model_config(tiny=True, layers=1), "cpu")
    tried = []

    def update(batches):
        tried.append([len(group.branches) for groups in batches for group in groups])
        if tried[-1][0] > 2:
            raise torch.OutOfMemoryError
        return torch.zeros(4)

    first, second, third = gpu.measure(model, update, Shape(22, 3, 8, 1), runs=1)
    assert [first, second] == [{"answers": n, "failed": "out of memory"} for n in (8, 4)]
    assert third["answers"] == 2 and third["seconds"] > 0
    assert tried == [[8], [4, 4], *[[2, 2, 2, 2]] * 3]


def test_the_published_sizes_are_those_of_a_model_with_3_75_billion_parameters() -> None:
    with torch.device("meta"):
        model = gpu.Qwen2_5_VLForConditionalGeneration(gpu.model_config(tiny=False, layers=None))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(3.755e9, rel=1e-3)


def test_the_flops_of_weights_are_those_that_torch_counts() -> None:
    shape = Shape(40, 5, 4, 2)
    model = gpu.build(gpu.model_config(tiny=True, layers=None), "cpu")
    (pack,) = pack_groups(data(shape), 10_000)
    with FlopCounterMode(display=False) as counted:  # its counter does not know this attention
        PolicyModel(model)(pack).sum().backward()
    assert counted.get_total_flops() == gpu.weight_flops(model, shape, prompts=1)


def test_the_flops_of_attention_are_those_of_visible_pairs() -> None:
    shape = Shape(40, 5, 4, 1)
    model = gpu.build(gpu.model_config(tiny=True, layers=None), "cpu")
    (pack,) = pack_groups(data(shape), 10_000)
    (mask,) = gpu.Dense.layout(pack.branch)
    patches = 4 * 4 * 6
    vision = 32 * (patches * 64 + patches**2)  # one layer with windows, one without
    assert gpu.attention_flops(model, shape, prompts=1) == 12 * (64 * 2 * int(mask.sum()) + vision)
