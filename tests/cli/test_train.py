"""The command that trains, with trainings that take no time."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from seethink.engines.base import RequestFailed
from seethink.settings import leaves
from seethink.train.methods import METHODS
from tests import fakes
from tests.cli.test_app import OWN, TRAIN, call, config_of, well, world, write

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
    def run(model, data, config, out, media, on_step):
        on_step({"step": 1, "steps": 1, "loss": 0.5})
        return fakes.model_folder(out / "checkpoint")

    method = replace(METHODS["sft"], name="toy_method", run=run)
    monkeypatch.setitem(METHODS, "toy_method", method)
    out = well(capsys, "train", "toy_method", *OWN, "train_batch_size=2")
    assert "checkpoint: runs/train-toy_method/toy_method/checkpoint" in out.splitlines()
    assert config_of("runs/train-toy_method/toy_method")["train_batch_size"] == 2


def test_questions_without_answers_are_evaluated_but_not_trained_on(capsys):
    rows = [{"question_id": i, "image": "page.png", "text": f"What is {i}?"} for i in range(2)]
    write("question.jsonl", *rows)
    out = well(capsys, "eval", "--model", "base", "--data", "question.jsonl")
    assert "all attempts: runs/eval/eval/attempts.jsonl" in out
    for method in ("sft", "grpo"):
        code, _, err = call(capsys, "train", method, "--model", "base", "--data", "question.jsonl")
        assert code == 2 and "question.jsonl, row 1: there is no answer; LLaVA's question.jsonl" in err
    code, _, err = call(capsys, "train", "dpo", "--model", "base", "--data", "question.jsonl")
    assert code == 2 and "row 1: it is no pair of responses" in err


def test_a_conversation_is_one_question_of_grpo_and_one_example_for_each_answer_of_sft(capsys, monkeypatch):
    said = [{"role": role, "content": text} for role, text in (("user", "1?"), ("assistant", "2"))]
    write("talks.jsonl", {"messages": [*said, *said]}, {"messages": said})
    seen = []

    def run(model, data, config, out, media, on_step):
        seen.append([one.example for one in data] if isinstance(data, Sequence) else data.examples)
        return fakes.model_folder(out / "checkpoint")

    for method in ("sft", "grpo"):
        monkeypatch.setitem(METHODS, method, replace(METHODS[method], run=run))
        well(capsys, "train", method, "--model", "base", "--data", "talks.jsonl", "max_steps=1")
    learned, asked = seen
    assert [len(example.history) for example in learned] == [0, 2, 0]
    assert [len(example.history) for example in asked] == [2, 0]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_the_options_that_it_uses_and_no_other(capsys, monkeypatch, method):
    """Rewards and a judge are options of the methods that learn from rewards alone."""
    monkeypatch.setenv("COLUMNS", "200")
    rewarded = METHODS[method].data == "task"
    printed = well(capsys, "train", method, "--help")
    assert all(option in printed for option in ("--model", "--data", "--config", "--num-frames"))
    assert all(name in printed for name in leaves(METHODS[method].config()))
    for option, value in (
        ("--verifier", "same_text"),
        ("--reward-weights", "correct=2"),
        ("--judge-for", "all"),
    ):
        assert (option in printed) is rewarded
        code, _, err = call(capsys, "train", method, *OWN, option, value)
        assert rewarded or (code == 2 and f"No such option: {option}" in err)


def test_the_methods_are_listed(capsys):
    printed = " ".join(well(capsys, "train", "--help").split())
    assert all(f"{name} " in printed for name in METHODS) and "Imitation of the rows' own steps" in printed


def test_a_server_that_refuses_is_one_sentence(capsys, monkeypatch):
    def run(model, data, config, out, media, on_step):
        raise RequestFailed("503", "the vLLM server at http://localhost:8000/v1 does not answer: 503")

    monkeypatch.setitem(METHODS, "grpo", replace(METHODS["grpo"], run=run))
    code, _, err = call(capsys, *TRAIN)
    assert code == 1 and "Traceback" not in err
    assert " ".join(err.split()).endswith("does not answer: 503; the same command continues")


def test_the_last_lines_say_how_it_went_and_what_to_type_next(capsys):
    given = ["--format", "answer_only", "--verifier", "same_number"]
    lines = well(capsys, *TRAIN, *given, "max_steps=2").splitlines()
    at = lines.index("loss: 1.000 at start, 0.500 at end")
    assert lines[at + 1].startswith("next: seethink eval --model runs/train-grpo/grpo/checkpoint --data ")
    assert lines[at + 2].startswith("checkpoint: ")
    words = shlex.split(lines[at + 1].removeprefix("next: seethink "))
    assert words[-4:] == given
    assert "all attempts:" in well(capsys, *words)
