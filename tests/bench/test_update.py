"""The benchmark of one update: its JSON line, and the data that it measures with."""

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
    command = [sys.executable, "-m", "bench.update", f"--rival={rival}", *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    line = json.loads(done.stdout.splitlines()[-1])
    times = {"ours_s", "rival_s", "ratio", "ideal", "measured_over_ideal"}
    assert line.keys() == {"name", "shape", "rival", "memory_ratio", "versions", *times}
    assert line["rival"].startswith(rival)
    assert line["name"] == "update"
    assert line["ratio"] == pytest.approx(line["rival_s"] / line["ours_s"])
    assert line["ideal"] == pytest.approx(2 * (22 + 3) / (22 + 2 * 3))
    assert line["measured_over_ideal"] == pytest.approx(line["ratio"] / line["ideal"])
    assert line["memory_ratio"] > 0
    assert "gradients by" in done.stdout, "the equality of both is reported"


@pytest.mark.parametrize(("prompt", "picture"), [(272, (16, 16)), (80, (8, 8)), (22, (2, 3)), (100, (9, 9))])
def test_an_image_is_as_square_as_possible_and_the_rest_of_the_prompt_is_text(prompt, picture) -> None:
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
