from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seethink.types import InputError
from tests import fakes
from tests.fakes import go, state

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def world(tmp_path):
    """Fake trainings and a base model."""
    fakes.model_folder(tmp_path / "base")
    with fakes.installed():
        yield


KILLED = """
import sys
from tests import fakes
from pathlib import Path
from seethink.run.run import Run
fakes.install()
Run("r1v", "tiny", Path(sys.argv[1]) / "run").execute(fakes.recipe_of(Path(sys.argv[1])))
"""


def start(tmp_path, step_s):
    env = os.environ | {"PYTHONPATH": str(ROOT), "FAKE_STEP_S": str(step_s)}
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )


def wait_for_rows(path, n):
    for _ in range(600):
        if path.exists() and len(path.read_text(encoding="utf-8").splitlines()) >= n:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} has not {n} rows")


def test_a_killed_run_leaves_a_valid_state_and_the_same_command_resumes(tmp_path):
    process = start(tmp_path, step_s=0.3)
    journal = tmp_path / "run/grpo/metrics.jsonl"
    wait_for_rows(journal, 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert state(tmp_path, "grpo")["status"] == "running" and state(tmp_path, "sft")["status"] == "done"
    output = go(tmp_path)
    assert "sft: skipped" in output and "grpo: resumed" in output
    rows = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert len({row["pid"] for row in rows}) == 2
    assert state(tmp_path, "grpo")["resumed"] == 1


def test_two_processes_do_not_share_a_folder(tmp_path):
    process = start(tmp_path, step_s=5)
    for _ in range(600):
        if (tmp_path / "run/sft/stage.json").exists():
            break
        time.sleep(0.02)
    with pytest.raises(InputError, match="another process is at work"):
        go(tmp_path)
    process.kill()
    process.communicate()
    go(tmp_path)
    assert len(fakes.calls) == 5


def test_files_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "run" / "sft").mkdir(parents=True)
    (tmp_path / "run" / "sft" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"sft holds files that no stage wrote"):
        go(tmp_path)
    assert (tmp_path / "run" / "sft" / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_a_run_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "run").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="choose another --out"):
        go(tmp_path)
