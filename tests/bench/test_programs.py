"""The other benchmarks end with the same JSON object, at a size that says nothing about speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ("--prompt=22", "--response=3", "--group=2", "--questions=2", "--threads=1")


def _last(module: str, *options: str) -> dict:
    command = [sys.executable, "-m", module, *SMALL, *options]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=here, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ratio"] == pytest.approx(told["rival_s"] / told["ours_s"])
    assert told["measured_over_ideal"] == pytest.approx(told["ratio"] / told["ideal"])
    assert told["shape"] == {"prompt": 22, "response": 3, "group": 2, "questions": 2, "threads": 1}
    return told


def test_rollouts_are_measured_against_those_of_trl() -> None:
    told = _last("bench.rollout", "--rival=trl", "--runs=1")
    assert (told["name"], told["rival"]) == ("rollout", "trl")
    assert told["ratio_over_repeated_prompts"] > 0


def test_whole_steps_are_measured_against_those_of_trl() -> None:
    told = _last("bench.step", "--rival=trl", "--steps=1", "--blocks=1")
    assert (told["name"], told["rival"]) == ("step", "trl.GRPOTrainer")


def test_a_teacher_is_measured_against_bare_requests() -> None:
    command = [sys.executable, "-m", "bench.teacher", "--at-once=8", "--rounds=1", "--runs=1"]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=here, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["name"], told["rival"], told["shape"]["calls"]) == ("teacher", "aiohttp", 8)
    assert all(0 < share <= 1 for share in told["share_of_ceiling"].values())
