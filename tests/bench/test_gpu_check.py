"""The check for accelerators, with a toy model on the CPU: what it finds, and that it can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

from bench import device_checks
from bench.device_checks import CHECKS, LARGE, TINY, Failed, Job
from seethink.models.policy import PolicyModel
from seethink.train.memory_plan import MemoryPlan
from tests.bench.in_process import Done, called


@pytest.fixture
def run(capsys, monkeypatch) -> Callable[..., Done]:
    return partial(called, "bench.gpu_check", capsys=capsys, monkeypatch=monkeypatch)


def test_it_prints_one_object_and_a_failure_hides_no_other_check(run) -> None:
    done = run("--device", "cpu", "--quick", "--seconds", "0", "--only", "sft", "rollout")
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert done.returncode == 1 and not found["ok"] and found["machine"]["device"] == "cpu"
    assert [found["checks"][name]["error"] for name in ("sft", "rollout")] == ["out of time"] * 2
    assert found["versions"]["torch"]


def test_a_check_in_its_own_process_gives_its_figures(run) -> None:
    done = run("--device", "cpu", "--quick", "--only", "rollout")
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert found["ok"] and found["checks"]["rollout"]["ok"]
    assert found["checks"]["rollout"]["fp32_tokens_per_s"] > 0


def test_without_an_accelerator_it_says_so_and_exits_with_2(run) -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "there is no accelerator; say --device cpu --quick for a toy model\n"


def test_every_path_is_among_the_checks() -> None:
    trainings = [f"{method}{kind}" for method in ("sft", "dpo", "grpo") for kind in ("", " lora")]
    rows = ["shared rows, branching", "shared rows, flex"]
    more = ["waiting", "planned memory", "rollout", "bench.gpu"]
    assert sorted(CHECKS) == sorted(["r1v", *trainings, *rows, *more])


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
@pytest.mark.parametrize("lora_rank", [0, 8])
def test_trainings_on_own_data_are_right(tmp_path, method: str, lora_rank: int) -> None:
    figures = device_checks.training(Job(TINY, tmp_path, "cpu"), method, lora_rank)
    assert figures["weights_moved"] > 0 and figures["seconds_per_step"] > 0


def test_a_cpu_waits_for_nothing_and_a_plan_that_tells_too_little_is_found(tmp_path, monkeypatch) -> None:
    job = Job(TINY, tmp_path, "cpu")
    assert device_checks.waiting(job) == {"checked": False}
    told = device_checks.planned_memory(job)["shares"]
    assert set(told) == {"0", "0.5", "1"} and told["0"]["over_allocator"] is None
    monkeypatch.setattr(MemoryPlan, "kept", lambda plan, groups, share: 0.0)
    with pytest.raises(Failed, match="too little is planned at 0"):
        device_checks.planned_memory(job)


@pytest.mark.parametrize("attention", ["branching", "flex"])
def test_shared_rows_are_right_and_wrong_ones_are_found(tmp_path, monkeypatch, attention: str) -> None:
    job = Job(TINY, tmp_path, "cpu")
    figures = device_checks.shared_rows(job, attention)
    assert figures["backward"] is (attention == "branching")
    assert ("gradient" in figures) is (attention == "branching")
    positions = PolicyModel._positions
    monkeypatch.setattr(
        PolicyModel, "_positions", lambda self, pack: positions(self, pack) + pack.step.clamp(0, 1)
    )
    with pytest.raises(Failed, match=r"logps of shared rows are .* off, more than"):
        device_checks.shared_rows(job, attention)


ROW = {"loss": 0.6931, "seconds": 1.0, "frac_reward_zero_std": 0.5}


@pytest.mark.parametrize(
    ("method", "rank", "change", "moved", "message"),
    [
        ("sft", 0, {"loss": float("nan")}, {"a": True}, "a metric is not finite"),
        ("sft", 0, {}, {"a": False}, "no weight has moved"),
        ("sft", 8, {}, {"visual.a": True}, "frozen weights have moved"),
        ("sft", 0, {"loss": 1.0}, {"a": True}, "the loss went from 0.693 to 1.000"),
        ("dpo", 0, {"loss": 0.9}, {"a": True}, "the loss went from"),
        ("grpo", 0, {"frac_reward_zero_std": 1.0}, {"a": True}, "no group had two different rewards"),
    ],
)
def test_a_training_that_went_wrong_is_found(method, rank, change, moved, message) -> None:
    rows = [ROW | {"frac_reward_zero_std": 1.0}, ROW | {"loss": 0.5} | change]
    with pytest.raises(Failed, match=message):
        device_checks._judged(method, rank, rows, moved)
    well = [ROW, ROW | {"loss": 0.5}]
    assert device_checks._judged(method, rank, well, {"a": True})["last_loss"] == 0.5


def test_the_large_model_has_about_half_a_billion_parameters() -> None:
    import torch

    with torch.device("meta"):
        model = device_checks.build(LARGE)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(5e8, rel=0.2)
    assert sum(p.numel() for p in device_checks.build(TINY).parameters()) < 1e6
