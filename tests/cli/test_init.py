"""The folder to start from: its own commands run in it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from seethink.formats import by_name
from seethink.sources.records import read
from tests.cli.test_app import call, well, world

__all__ = ["world"]


def commands(text: str) -> list[list[str]]:
    """The seethink commands of a page or of what is printed, continued lines joined."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("seethink ")]


def test_the_commands_that_are_printed_run_in_the_folder(capsys, monkeypatch):
    printed = well(capsys, "init", "deep/mine")
    assert "cd deep/mine" in printed.splitlines()
    page = Path("deep/mine/README.md").read_text(encoding="utf-8")
    assert commands(printed) == commands(page) and len(commands(page)) == 5
    monkeypatch.chdir("deep/mine")
    Path("base").symlink_to(Path("../../base").resolve())
    *words_of, look = commands(page)
    for words in words_of:
        well(capsys, *("base" if word == "sprout" else word for word in words))
    assert Path("runs/own/grpo/checkpoint").is_dir()
    assert look == ["look", "runs/own"]  # the training that takes no time here leaves no attempts


def test_rows_and_held_out_rows_share_no_picture_and_every_reference_is_paid(capsys, monkeypatch):
    well(capsys, "init", "mine")
    monkeypatch.chdir("mine")
    code = ("--verifier", "./my_verifier.py:near", "--format", "./my_format.py:LOOK")
    for data, other in (("rows.jsonl", "held_out.jsonl"), ("held_out.jsonl", "rows.jsonl")):
        out = well(capsys, "check", data, *code, "--decode", "--decontaminate-against", other)
        assert "no row is at fault" in out
    assert (len(read(Path("rows.jsonl"))), len(read(Path("held_out.jsonl")))) == (64, 32)
    look = by_name("./my_format.py:LOOK")
    read_back = look.parse(look.write("Two.", "2"))
    assert (read_back.thought, read_back.answer, read_back.fault) == ("Two.", "2", None)


def test_two_folders_are_the_same_to_the_byte(capsys):
    for name in "ab":
        well(capsys, "init", name)
    files = sorted(file.relative_to("a") for file in Path("a").rglob("*") if file.is_file())
    assert len(files) == 64 + 32 + 5
    assert all((Path("a") / file).read_bytes() == (Path("b") / file).read_bytes() for file in files)
    first = json.loads(Path("a/rows.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert [*first] == ["image", "question", "answer"]


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
