"""The folder to start from: its own commands run in it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from seethink.boxes import Box
from seethink.cli.starts import STARTS
from seethink.formats import by_name
from seethink.sources.records import read
from seethink.types import Example, Response
from tests.cli.test_app import call, well, world

__all__ = ["world"]


def commands(text: str) -> list[list[str]]:
    """The seethink commands of a page or of what is printed, continued lines joined."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("seethink ")]


@pytest.mark.parametrize("start", STARTS)
def test_the_commands_that_are_printed_run_in_the_folder(capsys, monkeypatch, start):
    printed = well(capsys, "init", "deep/mine", "--start", start)
    assert "cd deep/mine" in printed.splitlines()
    page = Path("deep/mine/README.md").read_text(encoding="utf-8")
    assert commands(printed) == commands(page)
    check, train, ask, look = commands(page)
    assert (check[0], train[:2], ask[0]) == ("check", ["train", STARTS[start].method], "ask")
    assert look == ["look", "runs/own"]
    monkeypatch.chdir("deep/mine")
    Path("base").symlink_to(Path("../../base").resolve())
    assert "no row is at fault" in well(capsys, *check)
    trained = well(capsys, *("base" if word == "sprout" else word for word in train))
    assert any(line.startswith("held out: ") for line in trained.splitlines())
    assert Path(f"runs/own/{STARTS[start].method}/checkpoint").is_dir()
    assert Path(ask[-2]).is_file() and ask[-1] in Path("held_out.jsonl").read_text(encoding="utf-8")
    well(capsys, *look)


@pytest.mark.parametrize("start", STARTS)
def test_rows_and_held_out_rows_share_no_picture_and_every_reference_is_paid(capsys, monkeypatch, start):
    well(capsys, "init", "mine", "--start", start)
    monkeypatch.chdir("mine")
    code = ("--verifier", f"./my_verifier.py:{STARTS[start].verifier}", "--format", "./my_format.py:LOOK")
    for data, other in (("rows.jsonl", "held_out.jsonl"), ("held_out.jsonl", "rows.jsonl")):
        out = well(capsys, "check", data, *code, "--decode", "--decontaminate-against", other)
        assert "no row is at fault" in out and "suspected" not in out
    rows, held_out = read(Path("rows.jsonl")), read(Path("held_out.jsonl"))
    assert (len(rows), len(held_out)) == (STARTS[start].rows, STARTS[start].held_out)
    assert all(bool(row.steps) is STARTS[start].steps for row in (*rows, *held_out))
    look = by_name("./my_format.py:LOOK")
    assert STARTS[start].answer in look.instruction and "ANSWER" not in look.instruction
    read_back = look.parse(look.write("Two.", "2"))
    assert (read_back.thought, read_back.answer, read_back.fault) == ("Two.", "2", None)


VALUES = [
    ("counting", "3", {"3": 1.0, "2": 0.25, "4": 0.25, "5": 0.0}, "three"),
    ("boxes", "[0, 0, 10, 10]", {"[0, 0, 10, 10]": 1.0, "[0, 0, 10, 5]": 0.5, "[20, 20, 30, 30]": 0.0}, "up"),
    ("choices", "B", {"B": 1.0, "(b)": 1.0, "Fig": 1.0, "a": 0.0, "kiwi": 0.0}, "D"),
]  # fmt: skip


@pytest.mark.parametrize(("start", "gold", "values", "unreadable"), VALUES)
def test_the_verifiers_say_what_an_answer_is_worth(start, gold, values, unreadable):
    verifier = getattr(import_module(f"seethink.cli.starts.{STARTS[start].verifier}"), STARTS[start].verifier)
    example = Example("e", "?", answer=gold, choices=("kiwi", "fig", "lime") if start == "choices" else ())
    assert {said: verifier(example, Response(said, answer=said)).value for said in values} == values
    for said in (unreadable, "", None):
        score = verifier(example, Response("", answer=said))
        assert (score.value, score.unread) == (0.0, True)
    for unusable in (None, "", "nothing"):
        assert verifier(replace(example, answer=unusable), Response(gold, answer=gold)).value is None
    if start == "boxes":
        assert verifier(example, Response("", answer="[[0, 0, 10, 10], [0, 0, 5, 5]]")).value == 0.0
        assert verifier(example, Response("", answer="[0, 0, 1, 1]", boxes=(Box(0, 0, 10, 10),))).value == 1.0


@pytest.mark.parametrize("start", STARTS)
def test_two_folders_are_the_same_to_the_byte(capsys, start):
    for name in "ab":
        well(capsys, "init", name, "--start", start)
    files = sorted(file.relative_to("a") for file in Path("a").rglob("*") if file.is_file())
    assert len(files) == STARTS[start].rows + STARTS[start].held_out + 5
    assert all((Path("a") / file).read_bytes() == (Path("b") / file).read_bytes() for file in files)
    first = json.loads(Path("a/rows.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert [*first][:3] == ["image", "question", "answer"]


def test_an_unknown_starting_point_is_refused_with_the_known_ones(capsys):
    code, out, err = call(capsys, "init", "mine", "--start", "chioces")
    assert (code, out) == (2, "") and "unknown starting point 'chioces'; did you mean choices or" in err
    assert not Path("mine").exists()


@pytest.mark.parametrize("name", ["full", "page.png"])
def test_nothing_is_overwritten(capsys, name):
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine", encoding="utf-8")
    before = sorted(Path().rglob("*"))
    code, out, err = call(capsys, "init", name)
    assert (code, out) == (2, "") and f"{name} is there already and not empty; name a new folder" in err
    assert sorted(Path().rglob("*")) == before


def test_an_empty_folder_is_filled(capsys):
    Path("empty").mkdir()
    well(capsys, "init", "empty")
    assert Path("empty/rows.jsonl").is_file()
