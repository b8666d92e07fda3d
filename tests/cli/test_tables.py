from __future__ import annotations

import io

import pytest
from rich.console import Console

from seethink.cli.progress import TerminalListener
from seethink.cli.tables import show_plan, show_report, show_usage
from seethink.run.events import (
    StageFailed,
    StageFinished,
    StageLeftOut,
    StageProgress,
    StageSetAside,
    StageSkipped,
    StageStarted,
)
from seethink.run.plan import StagePlan
from seethink.train import progress_bar
from seethink.train.progress_bar import ProgressBar
from tests import fakes


@pytest.fixture
def output():
    return io.StringIO()


@pytest.fixture
def console(output):
    return Console(file=output, width=100)


def test_away_from_a_terminal_progress_is_a_line_every_ten_seconds(console, output, monkeypatch):
    clock = iter(4.0 * step for step in range(1, 9))
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: next(clock))
    with ProgressBar(console, "grpo") as bar:
        for step in range(51, 59):
            bar({"step": step, "steps": 60, "reward": 0.61, "seconds": 4.0})
    assert output.getvalue().splitlines() == [
        "grpo: 54 of 60, reward 0.610, 24 s left",
        "grpo: 57 of 60, reward 0.610, 12 s left",
    ]


def test_on_a_terminal_progress_is_a_bar_that_leaves_nothing(output):
    with ProgressBar(Console(file=output, force_terminal=True, width=100), "[grpo]") as bar:
        bar({"step": 3, "steps": 3, "loss": 1.5})
    assert "3/3" in output.getvalue() and "loss 1.500" in output.getvalue()


@pytest.mark.parametrize("end", [StageFinished("grpo", 1.0), StageFailed("grpo", KeyboardInterrupt())])
def test_a_bar_runs_while_its_stage_does(console, monkeypatch, end):
    calls = []
    for name in ("start", "stop"):
        monkeypatch.setattr(ProgressBar, name, lambda bar, name=name: calls.append(name))
    listener = TerminalListener(console)
    listener(StageStarted("grpo", resumed=False))
    assert calls == ["start"]
    listener(end)
    listener(end)
    with ProgressBar(console, "sft"):
        assert calls == ["start", "stop", "start"]
    assert calls == ["start", "stop"] * 2


def test_a_row_with_another_number_of_steps_begins_a_new_count(console, output, monkeypatch):
    clock = iter(6.0 * step for step in range(20))
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: next(clock))
    with ProgressBar(console, "sft") as bar:
        for row in (1_000, 2_000, 3_000):
            bar({"step": row, "steps": 5_000, "detail": "rows checked"})
        for step in (1, 2, 3):
            bar({"step": step, "steps": 4, "loss": 0.5})
    assert output.getvalue().splitlines() == [
        "sft: 3000 of 5000, rows checked, 12 s left",
        "sft: 3 of 4, loss 0.500, 6 s left",
    ]


def test_the_terminal_prints_a_line_for_each_event(console, output, tmp_path):
    listener = TerminalListener(console)
    for event in (
        StageSkipped("sft", 61.4),
        StageSetAside("grpo", tmp_path / "old", ["the rows", "beta 0.0 -> 0.1"]),
        StageStarted("grpo", resumed=False),
        StageProgress("grpo", {"step": 1, "steps": 2, "reward": 0.5}),
        StageFinished("grpo", 12.6),
        StageFinished("grpo", 601.2, earlier=540.4),
        StageLeftOut("eval/grpo"),
        StageStarted("dpo", resumed=True, continues="continues from step 40"),
        StageStarted("eval/base", resumed=True),
        StageFailed("eval/base", KeyboardInterrupt()),
    ):
        listener(event)
    assert output.getvalue().splitlines() == [
        "sft: skipped, finished before in 61 s",
        f"grpo: starts anew (the rows, beta 0.0 -> 0.1); the old folder is now {tmp_path / 'old'}",
        "grpo: started",
        "grpo: finished, 13 s",
        "grpo: finished, 601 s, 540 s of them in earlier calls",
        "eval/grpo: left out",
        "dpo: resumed, continues from step 40",
        "eval/base: resumed",
    ]


def test_a_plan_shows_its_numbers_what_is_unknown_and_every_setting(console, output):
    memory = fakes.estimate("", None, None, 6)
    known = StagePlan("sft", "pending", {"beta": 0.04}, {"examples": 6_000}, 1_000_000, 1_234, memory)
    unknown, media = {"parameters": "known when seed is made"}, {"frames of a clip": "4, 8"}
    partly = StagePlan("grpo", "begun", {}, unknown=unknown, media=media)
    show_plan(console, [known, partly])
    assert output.getvalue().splitlines() == [
        "",
        "sft: pending",
        "    examples                      6,000",
        "    parameters                    1,000,000",
        "    prompt tokens                 1,234 of the first example",
        "    memory, at most               2.50 GB (update 6.00)",
        "    sft.beta=0.04",
        "",
        "grpo: begun, will be resumed",
        "    frames of a clip              4, 8",
        "    parameters                    known when seed is made",
    ]


def test_the_table_shows_missing_numbers_as_missing(console, output):
    nothing = fakes.result_row(0.5, 4) | {"value": None, "low": None, "high": None, "unjudged": 4}
    report = {
        "recipe": "r1v", "scale": "tiny", "headline": "correct",
        "results": {"base": {"seen": fakes.result_row(0.5, 400), "unseen": nothing}, "grpo": {}},
        "tests": [{"a": "base", "b": "grpo", "task": "seen", "difference": 0.172, "p": 0.00012,
                   "p_holm": 0.00012, "lenient_difference": None, "lenient_p": None, "n": 400}],
        "claims": [{"task": "seen", "arm": "grpo", "paper": 0.825, "measured": None, "source": "[a] paper"}],
    }  # fmt: skip
    show_report(console, report)
    text = output.getvalue()
    assert "50.0% (40.0% to 60.0%)" in text and "4 unjudged" in text
    assert "seen: grpo - base = +17.2 points (p 0.00012, corrected 0.00012), lenient - (p -), n = 400" in text
    assert "On seen: grpo is above base by 17.2 points." in text.splitlines()[-1]
    assert "seen, grpo: paper 82.5%, here - ([a] paper)" in text


def test_what_a_question_took_is_a_line_and_an_unknown_count_a_question_mark(output):
    usage = {
        "calls": 2.0,
        "tokens_sampled": 1234.5,
        "tokens_computed": None,
        "seconds": 0.25,
        "duplicates": 0.0,
    }
    counts = {"n": 3, "followed": 2, "overruled": 1, "right": 2}
    row = {"usage": usage, "chains": {"sound": counts, "flawed": dict.fromkeys(counts, 0), "unjudged": 0}}
    show_usage(Console(file=output, width=60), {"arm": {"task": row, "other": {}}})
    assert output.getvalue().splitlines() == [
        "arm, task: sound chains 3: 2 followed, 1 overruled, 2 right",
        "arm, task: flawed chains 0: 0 followed, 0 overruled, 0 right",
        "arm, task: a question takes 2 calls, 1,234 tokens sampled, ? prompt tokens computed, "
        "? pictures encoded, 0.25 seconds",
    ]
