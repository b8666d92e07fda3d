from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from seethink import terminal
from seethink.run import Run, Scale
from seethink.stage import Stage
from seethink.terminal import Progress, show_plan, show_report
from seethink.train.configs import GRPO, SFT
from seethink.types import InputError, Sampling
from tests import fakes


@pytest.fixture
def heard():
    return io.StringIO()


@pytest.fixture
def console(heard):
    return Console(file=heard, width=100)


def test_away_from_a_terminal_progress_is_a_line_every_ten_seconds(console, heard, monkeypatch):
    clock = iter(4.0 * step for step in range(1, 9))
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    with Progress(console, "grpo") as progress:
        for step in range(51, 59):
            progress({"step": step, "steps": 60, "reward": 0.61, "seconds": 4.0})
    assert heard.getvalue().splitlines() == [
        "grpo: 54 of 60, reward 0.610, 24 s left",
        "grpo: 57 of 60, reward 0.610, 12 s left",
    ]


def test_on_a_terminal_progress_is_a_bar_that_leaves_nothing(heard):
    with Progress(Console(file=heard, force_terminal=True, width=100), "[grpo]") as progress:
        progress({"step": 3, "steps": 3, "loss": 1.5})
    assert "3/3" in heard.getvalue() and "loss 1.500" in heard.getvalue()


def test_a_plan_tells_the_numbers_that_follow_from_the_settings(console, heard, tmp_path):
    def recipe(run: Run) -> None:
        base = run.model(str(fakes.model_folder(tmp_path / "base")))
        run.sft("sft", base, run.traces(fakes.task()), SFT(steps=10, lessons_per_step=4))
        reward = GRPO(
            steps=5, questions_per_step=2, responses_per_question=4, max_tokens=10, updates_per_rollout=2
        )
        run.grpo("grpo", run.model("hub/model"), fakes.task(readable=False), reward)
        run.evaluate("eval/base", base, [fakes.task()], Sampling(n=2, max_tokens=10))

    with fakes.installed():
        stages = Run("toy", Scale("tiny"), tmp_path / "run").plan(recipe).values()
        show_plan(console, stages)
        told = {stage.name: terminal.derived(stage) for stage in stages}
    assert told["sft"] == {
        "questions": "6", "optimiser steps": "10", "lessons taught": "40", "parameters": "1,000,000",
        "prompt tokens": "1,234 of the first question", "memory, most": "2.50 GB (update 6.00)",
    }  # fmt: skip
    assert told["grpo"] == {
        "questions": "6", "optimiser steps": "10", "questions asked": "10", "responses": "40",
        "response tokens, most": "400",
        "parameters": "unknown: the configuration of hub/model is not on this machine",
    }  # fmt: skip
    assert told["eval/base"]["responses"] == "12" and "memory, most" in told["eval/base"]
    lines = heard.getvalue().splitlines()
    assert "sft: pending" in lines and "    grpo.kl_weight=0.0" in lines


def test_a_first_question_that_cannot_be_read_leaves_the_memory_unknown_and_says_why(tmp_path, monkeypatch):
    def gone(*_):
        raise InputError("there is no picture at a.png")

    def recipe(run: Run) -> None:
        base = run.model(str(fakes.model_folder(tmp_path / "base")))
        run.grpo("grpo", base, fakes.task(readable=False), GRPO())

    with fakes.installed():
        stages = Run("toy", Scale("tiny"), tmp_path / "run").plan(recipe)
        monkeypatch.setattr(sys.modules["seethink.train.memory"], "question", gone)
        told = terminal.derived(stages["grpo"])
    assert told["memory"].startswith("unknown, the first question cannot be read: ")


def test_a_model_that_a_stage_makes_has_no_size_until_it_is_made(tmp_path):
    def recipe(run: Run) -> None:
        run.sft("sft", run.make("seed", fakes.model_folder), run.traces(fakes.task()), SFT())

    with fakes.installed():
        stages = Run("toy", Scale("tiny"), tmp_path / "run").plan(recipe)
        assert terminal.derived(stages["sft"])["parameters"].startswith("known when")
        assert terminal.derived(stages["seed"]) == {}


def test_the_table_shows_missing_numbers_as_missing(console, heard):
    nothing = fakes.result_row(0.5, 4) | {"value": None, "low": None, "high": None, "unjudged": 4}
    report = {
        "recipe": "r1v", "scale": "tiny", "headline": "correct",
        "results": {"base": {"seen": fakes.result_row(0.5, 400), "unseen": nothing}, "grpo": {}},
        "tests": [{"a": "base", "b": "grpo", "task": "seen", "difference": 0.172, "p": 0.00012,
                   "lenient_difference": None, "lenient_p": None, "n": 400}],
        "claims": [{"task": "seen", "arm": "grpo", "paper": 0.825, "measured": None, "source": "[a] paper"}],
    }  # fmt: skip
    show_report(console, report)
    text = heard.getvalue()
    assert "50.0% (40.0% to 60.0%)" in text and "4 unjudged" in text
    assert "seen: grpo - base = +17.2 points (p 0.00012), lenient - (p -), n = 400" in text
    assert "seen, grpo: paper 82.5%, here - ([a] paper)" in text


def test_stages_without_numbers_have_none(tmp_path):
    assert terminal.derived(Stage(tmp_path, "report", "compare", "", None, {})) == {}
