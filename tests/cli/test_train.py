"""The command that trains, with trainings that take no time."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from seethink.engines.base import RequestFailed
from seethink.settings import leaves
from seethink.train.methods import METHODS
from seethink.types import InputError
from tests import fakes
from tests.cli.test_app import OWN, TRAIN, call, config_of, well, world, write
from tests.fakes import evaluations

__all__ = ["world"]


def test_the_last_line_says_what_was_left_out(capsys, monkeypatch):
    monkeypatch.setattr("seethink.run.run.training_notes", lambda out: ["2 of 3 rows left out", "all wrong"])
    for _ in range(2):
        *lines, last = well(capsys, *TRAIN).splitlines()
        assert not [line for line in lines if "all wrong" in line]
        assert last == "checkpoint: runs/train-grpo/grpo/checkpoint; 2 of 3 rows left out; all wrong"


def test_settings_in_a_file_hold_the_same_fields_and_words_on_the_line_win(capsys):
    Path("grpo.yaml").write_text("learning_rate: 1e-5\nmax_steps: 9\nbeta: 0.04\nseed: 4\n", encoding="utf-8")
    well(capsys, "train", "grpo", *OWN, "--config", "grpo.yaml", "max_steps=2")
    config = config_of("runs/train-grpo/grpo")
    assert [config[name] for name in ("learning_rate", "max_steps", "beta", "seed")] == [1e-5, 2, 0.04, 4]


def test_a_training_method_in_the_table_is_a_command(capsys, monkeypatch):
    def run(model, data, config, context):
        context.on_step({"step": 1, "steps": 1, "loss": 0.5})
        return fakes.model_folder(context.out / "checkpoint")

    method = replace(METHODS["sft"], name="toy_method", run=run)
    monkeypatch.setitem(METHODS, "toy_method", method)
    out = well(capsys, "train", "toy_method", *OWN, "train_batch_size=2")
    assert "checkpoint: runs/train-toy_method/toy_method/checkpoint" in out.splitlines()
    assert config_of("runs/train-toy_method/toy_method")["train_batch_size"] == 2


def test_questions_without_answers_are_evaluated_but_not_trained_on(capsys):
    rows = [{"question_id": i, "image": "page.png", "text": f"What is {i}?"} for i in range(2)]
    write("question.jsonl", *rows)
    out = well(capsys, "eval", "--model", "base", "--data", "question.jsonl")
    assert f"all attempts: {evaluations()[0] / 'attempts.jsonl'}" in out
    for method in ("sft", "grpo"):
        code, _, err = call(capsys, "train", method, "--model", "base", "--data", "question.jsonl")
        assert code == 2 and "question.jsonl, row 1: there is no answer; LLaVA's question.jsonl" in err
    code, _, err = call(capsys, "train", "dpo", "--model", "base", "--data", "question.jsonl")
    assert code == 2 and "row 1: it is no pair of responses" in err


def test_a_conversation_is_one_question_of_grpo_and_one_example_of_sft_with_every_answer(capsys, monkeypatch):
    said = [{"role": role, "content": text} for role, text in (("user", "1?"), ("assistant", "2"))]
    write("talks.jsonl", {"messages": [*said, *said]}, {"messages": said})
    seen = []

    def run(model, data, config, context):
        seen.append([*data] if isinstance(data, Sequence) else data.examples)
        return fakes.model_folder(context.out / "checkpoint")

    for method in ("sft", "grpo"):
        monkeypatch.setitem(METHODS, method, replace(METHODS[method], run=run))
        well(capsys, "train", method, "--model", "base", "--data", "talks.jsonl", "max_steps=1")
    learned, asked = seen
    assert [len(lesson.example.history) for lesson in learned] == [2, 0]
    assert [[len(turn.example.history) for turn in lesson.earlier] for lesson in learned] == [[0], []]
    assert [len(example.history) for example in asked] == [2, 0]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_the_options_that_it_uses_and_no_other(capsys, monkeypatch, method):
    """What is said of rewards and a judge is refused where nothing is scored: no reward, and no --test."""
    monkeypatch.setenv("COLUMNS", "200")
    printed = well(capsys, "train", method, "--help")
    assert all(option in printed for option in ("--model", "--data", "--config", "--num-frames", "--test"))
    assert all(name in printed for name in leaves(METHODS[method].config()))
    if METHODS[method].data == "task":
        return
    for option, value in (
        ("--verifier", "same_text"),
        ("--reward-weights", "correct=2"),
        ("--judge-for", "all"),
    ):
        code, _, err = call(capsys, "train", method, *OWN, option, value)
        assert code == 2 and option in err and f"{method} learns from no reward" in err


def test_the_methods_are_listed(capsys):
    printed = " ".join(well(capsys, "train", "--help").split())
    assert all(f"{name} " in printed for name in METHODS) and "Imitation of the rows' own steps" in printed


def test_a_server_that_refuses_is_one_sentence(capsys, monkeypatch):
    def run(model, data, config, context):
        raise RequestFailed("503", "the vLLM server at http://localhost:8000/v1 does not answer: 503")

    monkeypatch.setitem(METHODS, "grpo", replace(METHODS["grpo"], run=run))
    code, _, err = call(capsys, *TRAIN)
    assert code == 1 and "Traceback" not in err
    assert " ".join(err.split()).endswith("does not answer: 503; the same command continues")


def test_the_last_lines_say_how_it_went_and_what_to_type_next(capsys):
    given = ["--format", "answer_only", "--verifier", "same_number"]
    lines = well(capsys, *TRAIN, *given, "max_steps=2").splitlines()
    at = lines.index("loss: 1.000 at start, 0.500 at end")
    assert lines[at + 1] == "report: runs/train-grpo/report.html"
    assert lines[at + 2].startswith("next: seethink eval --model runs/train-grpo/grpo/checkpoint --data ")
    assert lines[at + 3].startswith("checkpoint: ")
    words = shlex.split(lines[at + 2].removeprefix("next: seethink "))
    assert words[-4:] == given and "my.jsonl" not in words
    assert "all attempts:" in well(capsys, *words[:4], "my.jsonl", *words[5:])


# Before and after -------------------------------------------------------------------------------------------

TEST = ("--test", "held_out.jsonl")


@pytest.fixture
def held_out():
    write(
        "held_out.jsonl", *({"question": f"How many {i}s?", "answer": i, "image": "page.png"} for i in (1, 2))
    )


def keys(*stages):
    return [json.loads(Path(stage, "stage.json").read_text(encoding="utf-8"))["key"] for stage in stages]


def test_held_out_questions_are_answered_before_and_after_and_the_page_is_written(capsys, held_out):
    lines = well(capsys, *TRAIN, *TEST, "max_steps=2", "test.max_tokens=32").splitlines()
    assert fakes.calls == ["evaluate", "grpo", "evaluate"]
    assert lines[-5:] == [
        "loss: 1.000 at start, 0.500 at end",
        "held out: 50 % before and after, no row mended or broken",
        "report: runs/train-grpo/report.html",
        "next: seethink look runs/train-grpo",
        "checkpoint: runs/train-grpo/grpo/checkpoint",
    ]
    stages = [f"runs/train-grpo/test/{when}-grpo" for when in ("before", "after")]
    assert [config_of(stage)["max_tokens"] for stage in stages] == [32, 32]
    page = Path("runs/train-grpo/report.html").read_text(encoding="utf-8")
    assert page.index("Held out: 50 % before and after") < page.index("Training curves")
    assert all(f"{name}</span>" in page for name in ("before", "after"))


def test_the_evaluation_before_is_that_of_eval(capsys, held_out):
    alike = ("--format", "answer_only", "--verifier", "same_number", "--reward-weights", "correct=2,format=0")
    well(capsys, *TRAIN, *TEST, *alike, "max_steps=1")
    well(capsys, "eval", "--model", "base", "--data", "held_out.jsonl", *alike)
    (evaluated,) = evaluations()
    assert len(set(keys("runs/train-grpo/test/before-grpo", evaluated))) == 1


def test_the_evaluation_before_is_not_repeated_when_a_training_is_resumed_or_continued(capsys, held_out):
    well(capsys, *TRAIN, *TEST, "max_steps=2")
    old = Path("runs/train-grpo/report.html").read_bytes()
    fakes.calls.clear()
    out = well(capsys, *TRAIN, *TEST, "max_steps=2")
    assert fakes.calls == [] and "held out: 50 %" in out and "report: skipped" in out
    out = well(capsys, *TRAIN, *TEST, "max_steps=3")
    assert fakes.calls == ["grpo", "evaluate"] and "test/before-grpo: skipped" in out
    assert "report: starts anew (the answers after, the training grpo); the old folder is now" in out
    (stale,) = Path("runs/train-grpo/.stale").glob("report-*")
    assert (stale / "report.html").read_bytes() == old and (stale / "report.json").is_file()


def test_held_out_questions_are_asked_on_the_way_as_before_and_after(capsys, held_out, monkeypatch):
    """Only where `eval_steps` asks for it does the training answer them."""
    seen = []

    def run(model, data, config, context):
        seen.append((config.training.monitoring.eval_steps, context.held_out))
        return fakes.model_folder(context.out / "checkpoint")

    monkeypatch.setitem(METHODS, "grpo", replace(METHODS["grpo"], run=run))
    well(capsys, *TRAIN, *TEST, "eval_steps=2", "test.max_tokens=32")
    ((every, asked),) = seen
    assert (every, asked.task.name, len(asked.task.examples), asked.sampling.max_tokens) == (
        *(2, "held_out", 2),
        32,
    )
    assert asked.sampling.temperature == 0
    code, _, err = call(capsys, *TRAIN, "eval_steps=2", "--out", "other")
    assert code == 2 and "eval_steps=2 asks held-out questions, and there are none; give --test FILE" in err
    assert not Path("other").exists()


def test_rows_are_checked_before_anything_is_evaluated(capsys, held_out, monkeypatch):
    def check(model, data, config, on_step):
        on_step({"step": 1, "steps": 2, "detail": "rows checked"})
        raise InputError(f"row 7 is bad for beta={config.beta}")

    monkeypatch.setitem(METHODS, "grpo", replace(METHODS["grpo"], check=check))
    code, _, err = call(capsys, *TRAIN, *TEST, "beta=0.5")
    assert code == 2 and "row 7 is bad for beta=0.5" in err and fakes.calls == []
    assert not Path("runs/train-grpo/test").exists() and not Path("runs/train-grpo/grpo").exists()


def test_a_training_without_held_out_questions_writes_a_page_too(capsys):
    for method in ("sft", "grpo"):
        out = well(capsys, "train", method, *OWN, "--out", method, "max_steps=2")
        assert f"report: {method}/report.html" in out.splitlines()
        page = Path(method, "report.html").read_text(encoding="utf-8")
        assert "Loss: 1.000 at start" in page and "Training curves" in page and "Significance" not in page


def test_methods_that_sample_nothing_are_tested_with_a_verifier_too(capsys, held_out, monkeypatch):
    def run(model, data, config, context):
        fakes.calls.append("dpo")
        (context.out / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n', encoding="utf-8")
        return fakes.model_folder(context.out / "checkpoint")

    monkeypatch.setitem(METHODS, "dpo", replace(METHODS["dpo"], run=run))
    write("pairs.jsonl", {"prompt": "?", "chosen": "a", "rejected": "b"})
    for method, data in (("sft", "my.jsonl"), ("dpo", "pairs.jsonl")):
        fakes.calls.clear()
        words = ("--model", "base", "--data", data, *TEST, "--verifier", "same_number", "--out", method)
        assert "held out: 50 % before and after" in well(capsys, "train", method, *words)
        assert fakes.calls == ["evaluate", method, "evaluate"]
        stage = json.loads(Path(method, f"test/before-{method}/stage.json").read_text(encoding="utf-8"))
        assert "same_number" in json.dumps(stage["inputs"]["tasks"][0]["verifier"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "no data at held_out.jsonl"),
        ([], "held_out.jsonl"),
        ([{"question": "?"}], "held_out.jsonl, row 1: there is no answer"),
        ([{"question": "?", "answer": "1", "image": "gone.png"}], "row 1: there is no picture"),
        (
            [{"question": "?", "answer": f"a {word}"} for word in ("cat", "dog")],
            "the verifier can judge no row",
        ),
    ],
)
def test_bad_held_out_questions_end_the_command_before_any_training(capsys, rows, message):
    if rows is not None:
        write("held_out.jsonl", *rows)
    code, _, err = call(capsys, *TRAIN, *TEST, "--verifier", "same_number")
    assert code == 2 and message in err and "grpo" not in fakes.calls
    assert not Path("runs/train-grpo/grpo").exists()


def test_settings_of_the_evaluations_need_some(capsys, held_out):
    code, _, err = call(capsys, *TRAIN, "test.max_tokens=9")
    assert code == 2 and "there are none; give --test FILE" in err
    code, _, err = call(capsys, *TRAIN, *TEST, "test.max_token=9")
    assert code == 2 and "did you mean max_tokens" in err and fakes.calls == []


def test_rows_that_are_trained_on_are_counted(capsys, held_out):
    rows = [json.loads(line) for line in Path("my.jsonl").read_text(encoding="utf-8").splitlines()]
    write("held_out.jsonl", *rows, {"question": "another", "answer": "3", "image": "page.png"})
    write("my.jsonl", {"question": "How many?", "answer": 1, "image": "page.png"})
    said = (
        "3 of the 4 rows of held_out.jsonl are also in my.jsonl (same question, same pictures; the first is "
        "held_out.jsonl, row 1), so they are not held out."
    )
    lines = well(capsys, *TRAIN, *TEST).splitlines()
    assert lines.count(said) == 2 and lines[0] == said
    assert said in Path("runs/train-grpo/report.html").read_text(encoding="utf-8")


def test_a_page_of_something_else_is_left_alone(capsys):
    Path("runs/train-grpo").mkdir(parents=True)
    Path("runs/train-grpo/report.html").write_text("mine", encoding="utf-8")
    code, _, err = call(capsys, *TRAIN)
    assert code == 2 and "report.html was written by no stage; move it away" in err and fakes.calls == []
    assert Path("runs/train-grpo/report.html").read_text(encoding="utf-8") == "mine"


def test_another_method_in_the_same_folder_keeps_the_page_of_the_first(capsys):
    well(capsys, "train", "sft", *OWN, "--out", "out")
    first = Path("out/report.html").read_bytes()
    assert "report: starts anew (" in well(capsys, "train", "grpo", *OWN, "--out", "out")
    assert [page.read_bytes() for page in Path("out/.stale").glob("report-*/report.html")] == [first]


def test_other_tasks_are_answered_before_and_after_too(capsys):
    for name in ("held", "charts", "ocr"):
        write(f"{name}.jsonl", *({"question": f"{name} {i}?", "answer": i} for i in (1, 2)))
    words = ("train", "sft", *OWN, "--test", "held.jsonl", "max_steps=1", "--out", "out")
    out = well(capsys, *words, "--also", "charts.jsonl", "--also", "ocr.jsonl")
    lines = [line for line in out.splitlines() if line.startswith(("held out: ", "also "))]
    assert [line.partition(":")[0] for line in lines] == ["held out", "also charts", "also ocr"]
    assert all("no loss was found" in line for line in lines[1:])
    for stage in ("before", "after"):
        rows = Path(f"out/test/{stage}-sft/attempts.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(row)["task"] for row in rows] == ["held"] * 2 + ["charts"] * 2 + ["ocr"] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--also", "my.jsonl"), "--also asks beside --test; give --test FILE"),
        (("--test", "my.jsonl", "--also", "my.jsonl"), "two files of --test and --also are called my"),
    ],
)
def test_other_tasks_need_names_of_their_own(capsys, words, said):
    code, _, err = call(capsys, "train", "sft", *OWN, *words)
    assert code == 2 and said in err
