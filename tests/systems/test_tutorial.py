"""The system that docs/tutorial.md writes: short, right, and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from seethink.sources.handwritten import Page

ROOT = Path(__file__).parents[2]
CODE = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture(scope="module")
def sketch() -> ModuleType:
    module = ModuleType("visual_sketch")
    exec(CODE[0], module.__dict__)
    return module


def test_it_is_under_eighty_lines() -> None:
    assert len(CODE) == 1 and len(CODE[0].splitlines()) < 80


def test_the_row_that_is_asked_for_is_shown_once(sketch: ModuleType) -> None:
    (example,) = sketch.questions(1, "train", 0)
    before, shown, after = sketch.environment(example, ["<draw>row 2</draw>"])
    page = example.media[0].load()
    quarter = page.height // 4
    assert shown.load().tobytes() == page.crop((0, quarter, page.width, 2 * quarter)).tobytes()
    assert (before, after) == sketch.SEEN
    assert sketch.environment(example, ["<draw>row 5</draw>"]) is None
    assert sketch.environment(example, ["<draw>row 1</draw>", "<draw>row 2</draw>"]) is None


def test_a_conversation_shows_what_the_environment_would_show(sketch: ModuleType) -> None:
    for example in sketch.questions(4, "train", 1):
        row = int(example.question.split("row ")[1][0])
        trace = sketch.conversation(example)
        said = trace.history[1].text
        (_, shown, _) = sketch.environment(example, [said])
        assert said == f"<draw>row {row}</draw>" and trace.media[1].key == shown.key
        assert example.answer == str(sum(Page.of(example).row(row - 1)))
        assert trace.answer == f"<answer>{example.answer}</answer>"


def test_the_file_runs_as_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "visual_sketch.py").write_text(CODE[0], encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "visual_sketch.py", "smoke"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=300)
    report = json.loads((tmp_path / "sketch-smoke" / "report.json").read_text(encoding="utf-8"))
    assert set(report["results"]) == {"base", "sft", "grpo"}
    assert report["trainings"]["grpo"]["settings"]["max_steps"][0] == 2
