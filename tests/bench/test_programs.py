"""All benchmarks are called as modules and end with a JSON object; the sizes here say nothing about speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.in_process import called

ROOT = Path(__file__).parents[2]
SMALL = ("--prompt=22", "--response=3", "--group=2", "--questions=2", "--threads=1")


def _last(module: str, *options: str) -> dict:
    command = [sys.executable, "-m", module, *SMALL, *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["ratio"] == pytest.approx(line["rival_s"] / line["ours_s"])
    assert line["measured_over_ideal"] == pytest.approx(line["ratio"] / line["ideal"])
    assert line["shape"] == {"prompt": 22, "response": 3, "group": 2, "questions": 2, "threads": 1}
    return line


PROGRAMS = [
    path for path in sorted((ROOT / "bench").glob("*.py")) if "__main__" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_every_benchmark_is_called_as_a_module(path: Path) -> None:
    text, command = path.read_text(encoding="utf-8"), f"python -m bench.{path.stem}"
    assert f"\n    {command} " in text.split('"""')[1], "the docstring has the command"
    assert "sys.path" not in text
    for name in ("Makefile", "bench/RESULTS.md"):
        assert f"bench/{path.stem}.py -" not in (ROOT / name).read_text(encoding="utf-8")


def test_rollouts_are_compared_with_those_of_trl() -> None:
    line = _last("bench.rollout", "--rival=trl", "--runs=1")
    assert (line["name"], line["rival"]) == ("rollout", "trl")
    assert line["ratio_over_repeated_prompts"] > 0


def test_whole_steps_are_compared_with_those_of_trl() -> None:
    line = _last("bench.step", "--rival=trl", "--steps=1", "--blocks=1")
    assert (line["name"], line["rival"]) == ("step", "trl.GRPOTrainer")


def test_a_chat_engine_is_compared_with_bare_requests(capsys, monkeypatch) -> None:
    options = ("--max-concurrency=8", "--rounds=1", "--runs=1")
    done = called("bench.teacher", *options, capsys=capsys, monkeypatch=monkeypatch)
    line = json.loads(done.stdout.splitlines()[-1])
    assert (line["name"], line["rival"], line["shape"]["requests"]) == ("teacher", "aiohttp", 8)
    assert all(0 < share <= 1 for share in line["share_of_ceiling"].values())
