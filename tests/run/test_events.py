"""What a run tells its listeners, and that it prints nothing by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seethink.run.events import (
    ReportReady,
    ReportWritten,
    StageFailed,
    StageFinished,
    StageLeftOut,
    StageProgress,
    StageSetAside,
    StageSkipped,
    StageStarted,
)
from tests import fakes
from tests.fakes import a_run, go, recipe_of


@pytest.fixture(autouse=True)
def world(tmp_path):
    fakes.model_folder(tmp_path / "base")
    with fakes.installed():
        yield


def events_of(tmp_path, **settings):
    events: list = []
    run, _ = a_run(tmp_path, listeners=[events.append], **settings)
    run.execute(recipe_of(tmp_path))
    return events


def test_a_run_without_listeners_prints_nothing_and_writes_its_report(tmp_path, capfd):
    run, _ = a_run(tmp_path, listeners=[])
    run.execute(recipe_of(tmp_path))
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "run" / "report.html").is_file()


def test_every_stage_is_started_reported_step_by_step_and_finished(tmp_path):
    events = events_of(tmp_path)
    sft = [event for event in events if event.stage == "sft"]
    assert [type(event) for event in sft] == [StageStarted, *[StageProgress] * 4, StageFinished]
    assert [event.row["step"] for event in sft[1:-1]] == [1, 2, 3, 4] and not sft[0].resumed
    report = [type(event) for event in events if event.stage == "report"]
    assert report == [StageStarted, ReportReady, StageFinished, ReportWritten]
    assert list(events[-1].report["results"]) == ["base", "sft", "grpo"]


def test_what_a_training_has_to_say_is_told_now_and_later_and_stands_in_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr("seethink.run.run.training_notes", lambda out: [f"3 rows of {out.name} left out"])
    for kind in (StageFinished, StageSkipped):
        events = events_of(tmp_path)
        notes = {event.stage: list(event.notes) for event in events if isinstance(event, kind)}
        assert (notes["sft"], notes["grpo"]) == (["3 rows of sft left out"], ["3 rows of grpo left out"])
        assert notes["eval/base"] == []
        if kind is StageFinished:
            (report,) = (event for event in events if isinstance(event, ReportReady))
            unequal, *said = report.notes
            assert unequal.startswith("The trainings take different amounts: sft: 4 optimiser steps")
            assert said == ["sft: 3 rows of sft left out", "grpo: 3 rows of grpo left out"]


def test_skipped_left_out_and_changed_stages_are_told_apart(tmp_path):
    events_of(tmp_path, only=["sft"])
    assert {type(event) for event in events_of(tmp_path, only=["sft"])} == {StageSkipped, StageLeftOut}
    changed = events_of(tmp_path, only=["sft"], overrides=["sft.shuffle=no"])
    aside, started = (event for event in changed if event.stage == "sft" and not _late(event))
    assert isinstance(aside, StageSetAside) and aside.folder.is_dir() and isinstance(started, StageStarted)


def _late(event) -> bool:
    return isinstance(event, StageProgress | StageFinished)


def test_a_failed_stage_is_reported_before_its_exception_and_resumed_afterwards(tmp_path):
    events: list = []

    def failing(event):
        events.append(event)
        if isinstance(event, StageProgress) and event.row["step"] == 2:
            raise KeyboardInterrupt

    run, _ = a_run(tmp_path, listeners=[failing])
    with pytest.raises(KeyboardInterrupt):
        run.execute(recipe_of(tmp_path))
    assert isinstance(events[-1], StageFailed) and isinstance(events[-1].error, KeyboardInterrupt)
    started = next(event for event in events_of(tmp_path) if isinstance(event, StageStarted))
    assert (started.stage, started.resumed) == ("sft", True)


def test_processes_that_are_not_the_main_one_tell_nothing(tmp_path, monkeypatch):
    go(tmp_path)
    monkeypatch.setenv("RANK", "1")
    assert events_of(tmp_path) == []


def test_the_run_room_loads_no_terminal_library():
    code = "import sys, seethink.run.run, seethink.run.plan; print({'rich', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
