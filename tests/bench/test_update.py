"""The benchmark of one update: its last line is the JSON object that all benchmarks print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.shape import PATCH_VALUES, Shape, data
from bench.update import RIVALS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("rival", RIVALS)
def test_the_last_line_is_the_json_object(rival: str) -> None:
    small = {"prompt": 22, "response": 3, "group": 2, "questions": 2, "runs": 1, "threads": 1}
    options = [f"--{name}={value}" for name, value in small.items()]
    command = [sys.executable, "bench/update.py", f"--rival={rival}", *options]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=here, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    times = {"ours_s", "rival_s", "ratio", "ideal", "measured_over_ideal"}
    assert told.keys() == {"name", "shape", "rival", "memory_ratio", "versions", *times}
    assert told["rival"].startswith(rival)
    assert told["name"] == "update"
    assert told["ratio"] == pytest.approx(told["rival_s"] / told["ours_s"])
    assert told["ideal"] == pytest.approx(2 * (22 + 3) / (22 + 2 * 3))
    assert told["measured_over_ideal"] == pytest.approx(told["ratio"] / told["ideal"])
    assert told["memory_ratio"] > 0
    assert "gradients by" in done.stdout, "that both do the same is said"


@pytest.mark.parametrize(("prompt", "picture"), [(272, (16, 16)), (80, (8, 8)), (22, (2, 3)), (100, (9, 9))])
def test_a_picture_is_as_square_as_fits_and_the_rest_of_the_prompt_is_text(prompt, picture) -> None:
    shape = Shape(prompt, response=5, group=3, questions=2)
    assert shape.picture == picture
    groups = data(shape)
    for group in groups:
        assert len(group.prompt.ids) == prompt
        assert group.prompt.ids.count(5) == picture[0] * picture[1]
        assert group.prompt.media["pixel_values"].shape == (4 * picture[0] * picture[1], PATCH_VALUES)
        assert [len(branch.ids) for branch in group.branches] == [5, 5, 5]
    weights = [branch.weight * branch.n_trained for group in groups for branch in group.branches]
    assert sum(weights) == pytest.approx(1)
