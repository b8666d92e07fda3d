"""A new system is one new folder: no other file is edited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seethink import systems
from seethink.identity import of_verifier
from seethink.run.run import Run, Scale
from seethink.types import Example, Response

RECIPE = '''"""Tenth: a system of one folder.

source   none
claim    none
needs    tiny: two CPU cores
differs  in nothing
"""

from seethink import verify
from seethink.formats import THINK_ANSWER
from seethink.run.run import Run
from seethink.sources.drawn import by_name
from seethink.train.configs import GRPOConfig
from seethink.types import Task


def recipe(run: Run) -> None:
    task = Task("count", by_name("counting", 64), THINK_ANSWER, verify.same_number, headline="")
    steps = run.scale(smoke=1, tiny=4)
    run.grpo("grpo", run.model("sprout"), task, GRPOConfig.of(max_steps=steps, max_completion_length=64))
'''
REWARDS = '''"""Rewards of Tenth as published."""

from seethink.types import Example, Response, Score


def generous(example: Example, response: Response) -> Score:
    """1 for any answer. Defect: also for a wrong one."""
    return Score(float(response.answer is not None), "an answer is there")


REWARDS = {"same_number": generous}
'''
CHAIN = '''"""The chain of Tenth."""

from seethink.synth.chain import Chain
from seethink.synth.kept_rows import data_rows
from seethink.synth.steps.distill import DistillStep
from seethink.synth.steps.scene import SceneStep


def tenth_scenes(retries: int = 2) -> Chain:
    """Thoughts about scenes as text."""
    steps = (SceneStep(retries=retries), DistillStep())
    return Chain("tenth_scenes", "Thoughts about scenes as text.", steps, data_rows, world="counting")


CHAINS = {"tenth_scenes": tenth_scenes}
'''


@pytest.fixture
def tenth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the search path of `seethink.systems` that holds the system `tenth`."""
    folder = tmp_path / "more" / "tenth"
    folder.mkdir(parents=True)
    files = {"__init__.py": "", "recipe.py": RECIPE, "rewards.py": REWARDS, "chain.py": CHAIN}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(systems, "__path__", [*systems.__path__, str(folder.parent)])
    yield folder.parent
    for name in [name for name in sys.modules if name.startswith("seethink.systems.tenth")]:
        del sys.modules[name]


def test_it_takes_sixty_lines() -> None:
    assert sum(len(text.splitlines()) for text in (RECIPE, REWARDS, CHAIN)) <= 60


def test_its_parts_are_found_by_name(tenth: Path, tmp_path: Path) -> None:
    assert "tenth" in systems.names()
    stages = Run("tenth", Scale("tiny"), tmp_path / "run").dry_run(systems.recipe("Tenth").recipe)
    assert list(stages) == ["grpo"]
    reward = systems.verifier("same_number@tenth")
    assert reward(Example("1", "?", answer="5"), Response("4", answer="4")).value == 1.0
    assert of_verifier(reward)["is"] == "seethink.systems.tenth.rewards.generous"
    assert systems.chain("tenth_scenes", {"retries": "3"}).steps[0].retries == 3  # type: ignore[attr-defined]
    assert systems.chain_settings("tenth_scenes") == ["retries=2"]


def seethink(more: Path, cwd: Path, *words: object) -> str:
    """The output of the command line in a process of its own that has the folder `more` beside `systems/`."""
    code = (
        "import sys; from seethink import systems; systems.__path__.append(sys.argv.pop(1)); "
        "from seethink.cli.app import main; main()"
    )
    command = [sys.executable, "-c", code, str(more), *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(Path(systems.__file__).parents[2]), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_line_shows_its_recipe(tenth: Path, tmp_path: Path) -> None:
    assert "tenth" in seethink(tenth, tmp_path, "show", "--help")
    assert "grpo" in seethink(tenth, tmp_path, "show", "tenth", "--scale", "tiny")


def test_the_command_line_runs_its_chain(tenth: Path, tmp_path: Path) -> None:
    assert "retries=2" in seethink(tenth, tmp_path, "synth", "tenth_scenes", "--help")
    words = ("--data", "drawn:4", "--teacher", "oracle", "--out", "out", "retries=1")
    seethink(tenth, tmp_path, "synth", "tenth_scenes", *words)
    rows = (tmp_path / "out" / "rows" / "data.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 4


def test_the_command_line_takes_its_reward(tenth: Path, tmp_path: Path) -> None:
    """The gold "two" is no number for `same_number`, and any answer is right for the reward of tenth."""
    row = {"id": "1", "question": "1 + 1?", "answer": "two apples"}
    (tmp_path / "my.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    seethink(tenth, tmp_path, "check", "my.jsonl", "--verifier", "same_number@tenth")
