"""Where evaluations are kept."""

from __future__ import annotations

from pathlib import Path

from tests import fakes
from tests.cli.test_app import OWN, call, well, world, write
from tests.fakes import evaluations

__all__ = ["world"]


def test_evaluations_are_kept_by_model_data_and_way_of_asking(capsys):
    fakes.model_folder(Path("runs/own/grpo/checkpoint"), b"trained")
    write("other.jsonl", {"question": "How many?", "answer": 1})
    ways = [
        ("base", "my.jsonl"),
        ("base", "other.jsonl"),
        ("runs/own/grpo/checkpoint", "my.jsonl"),
        ("base", "my.jsonl", "--verifier", "same_number"),
        ("base", "my.jsonl", "--format", "answer_only"),
        ("base", "my.jsonl", "max_tokens=9"),
        ("base", "drawn:counting:3"),
    ]
    for model, data, *words in ways:
        assert "eval: started" in well(capsys, "eval", "--model", model, "--data", data, *words)
    names = [folder.parent.name for folder in evaluations()]
    assert [name.rpartition("-")[0] for name in names] == [
        "base-my", "base-other", "own-grpo-my", "base-my-same_number", "base-my-answer_only",
        "base-my-max_tokens-9", "base-drawn-counting-3",
    ]  # fmt: skip
    fakes.calls.clear()
    for model, data, *words in ways:
        assert "eval: skipped" in well(capsys, "eval", "--model", model, "--data", data, *words)
    assert fakes.calls == []
    write("my.jsonl", {"question": "How many?", "answer": 1})
    assert "eval: started" in well(capsys, "eval", *OWN) and len(evaluations()) == len(ways) + 1


def test_an_evaluation_in_a_chosen_folder_is_not_moved_by_another(capsys):
    well(capsys, "eval", *OWN, "--out", "here")
    before = {file: file.read_bytes() for file in Path("here").rglob("*") if file.is_file()}
    fakes.model_folder(Path("other"), b"other weights")
    for words, differs in (
        (("--model", "other", "--data", "my.jsonl"), "the model"),
        ((*OWN, "max_tokens=9"), "max_tokens 256 -> 9"),
    ):
        code, _, err = call(capsys, "eval", *words, "--out", "here")
        assert code == 2 and f"here holds another evaluation, which stays ({differs}); choose another" in err
    assert before == {file: file.read_bytes() for file in Path("here").rglob("*") if file.is_file()}
    assert "eval: skipped" in well(capsys, "eval", *OWN, "--out", "here")
