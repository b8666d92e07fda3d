"""`seethink synth` at the command line: rows, data card, status; interruption, resume, errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from seethink import systems
from seethink.formats import THOUGHTS_SUMMARY
from seethink.sources import drawn
from seethink.sources.preferences import read_pairs
from seethink.sources.records import read
from seethink.types import InputError
from tests.synth.rewriting_server import files, synth

NO_SERVER = "http://127.0.0.1:9/v1"
ERRS = "oracle:wrong=0.3,leak=0.1,json=0.05,refusal=0.05"


@pytest.mark.parametrize("name", systems.chains())
def test_every_chain_makes_rows_that_are_read_again(name, tmp_path, capsys):
    assert synth(name, "--data", "drawn:24", "--teacher", ERRS, "--out", tmp_path / "out", "--measure") == 0
    printed = capsys.readouterr().out
    assert "rows: 0 with a wrong answer" in printed and "0 with a leak" in printed
    assert synth("status", tmp_path / "out", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    dropped = sum(end["examples"] for end in status["dropped"])
    assert status["kept"] + dropped == status["examples"] == 24 and status["failed"] == []
    assert status["spent"]["calls"] == sum(usage["calls"] for usage in status["asked"]) > 0
    rows = tmp_path / "out" / "rows"
    examples = read(rows / "data.jsonl")
    table = pyarrow.parquet.read_table(rows / "data.parquet").to_pylist()
    assert [row["id"] for row in table] == [example.id for example in examples]
    for row, example in zip(table, examples, strict=True):
        assert row["trace"] == list(example.steps) and row["answer"] == example.answer
        assert [stop["step"] for stop in row["provenance"]] == [
            step.name for step in systems.chain(name).steps
        ]
        assert example.media[0].kind == ("video" if name == "open_r1_video" else "image")
    assert f"| kept | | | {status['kept']} |" in (rows / "README.md").read_text(encoding="utf-8")


def test_insight_v_writes_reasons_summaries_and_pairs(tmp_path):
    assert synth("insight_v", "--data", "drawn:12", "--teacher", ERRS, "--out", tmp_path, "paths=3") == 0
    pairs = read_pairs(tmp_path / "rows" / "pairs.jsonl", THOUGHTS_SUMMARY)
    assert pairs and all(pair.better != pair.worse for pair in pairs)
    assert all("final" in example.meta for example in read(tmp_path / "rows" / "summary.jsonl"))
    assert {example.meta["grade"] >= 80 for example in read(tmp_path / "rows" / "data.jsonl")} == {True}


def test_the_same_command_again_sends_no_request_and_writes_the_same_bytes(tmp_path, capsys):
    command = (
        "r1v_distill",
        "--data",
        "drawn:20",
        "--teacher",
        ERRS,
        "--out",
        tmp_path,
        "--export-format",
        "llava",
    )
    assert synth(*command) == 0
    first, calls = files(tmp_path), _calls(tmp_path, capsys)
    assert synth(*command) == 0
    assert files(tmp_path) == first and _calls(tmp_path, capsys) == calls
    rows, view = (
        read(tmp_path / "rows" / "data.jsonl"),
        read(tmp_path / "rows" / "exports" / "llava" / "data"),
    )
    assert [(row.question, row.answer) for row in view] == [
        (f"<image>{row.question}", row.answer) for row in rows
    ]


def test_a_spent_budget_leaves_the_kept_rows_and_a_larger_one_continues(tmp_path, capsys):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    common = ("r1v_distill", "--data", "drawn:20", "--teacher", ERRS, "--max-concurrency", 1, "--out")
    assert synth(*common, whole) == 0
    assert synth(*common, cut, "--max-calls", 15) == 2
    assert "the budget of 15 calls is spent; raise it" in capsys.readouterr().err
    assert _calls(cut, capsys) == 15 and len(read(cut / "rows" / "data.jsonl")) > 0
    assert synth(*common, cut) == 0
    assert _calls(cut, capsys) == _calls(whole, capsys)
    assert files(cut) == files(whole)


def test_ray_writes_the_same_bytes(tmp_path):
    common = ("r1_onevision", "--data", "drawn:20", "--teacher", ERRS, "--out")
    assert synth(*common, tmp_path / "here") == 0
    assert synth(*common, tmp_path / "there", "--executor", "ray") == 0
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_duplicates_and_test_data_are_dropped_before_any_request(tmp_path, capsys):
    (page,) = drawn.by_address("drawn:counting:1")
    page.media[0].load().save(tmp_path / "page.png")
    row = json.dumps({"image": "page.png", "question": "How many?", "answer": "3"})
    for name, lines in (("mine.jsonl", [row, row]), ("test.jsonl", [row])):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    common = (
        "--teacher",
        "oracle",
        "--data",
        tmp_path / "mine.jsonl",
        "--decontaminate-against",
        tmp_path / "test.jsonl",
    )
    assert synth("open_r1_multimodal", *common, "--out", tmp_path / "out") == 0
    capsys.readouterr()
    assert synth("status", tmp_path / "out", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert status["dropped"] == [{"step": "select", "reason": "in the test data", "examples": 2}]
    assert status["spent"]["calls"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nothing.jsonl"], "there is no data at nothing.jsonl"),
        (["--data", "drawn:moons:3"], "unknown drawn world 'moons'"),
        (["--data", "drawn:3", "passes=two"], "passes=two is not a whole number"),
        (["--data", "drawn:3", "pases=2"], "unknown field of r1_onevision: 'pases'; did you mean passes?"),
        (["--data", "drawn:3", "--export-format", "lava"], "unknown dialect 'lava'"),
        (["--data", "drawn:3", "--teacher", "oracle:wrog=1"], "the oracle has no error 'wrog'"),
        (["--data", "drawn:3", "--teacher", "localhost"], "localhost is not the address of a server"),
        (
            ["--data", "drawn:3", "--teacher", "http://127.0.0.1:9/v1", "--startup-timeout", "0"],
            "cannot be reached",
        ),
        (["--data", "drawn:3", "--max-cost", "1"], "--max-cost needs --price"),
        (["--data", "drawn:3", "--price", "cheap"], "--price cheap is not two numbers"),
        (["--data", "drawn:3", "--teacher", "http://x/v1", "--measure"], "--measure needs an oracle"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(words, message, tmp_path, capsys):
    assert synth("r1_onevision", *words, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "out" / "rows").exists()


def test_a_damaged_ledger_and_a_folder_without_one_are_named(tmp_path, capsys):
    assert synth("status", tmp_path) == 2
    assert "there is no synthesis in" in capsys.readouterr().err
    (tmp_path / "ledger.sqlite").write_bytes(b"no ledger" * 1_000)
    assert synth("r1_onevision", "--data", "drawn:3", "--out", tmp_path) == 2
    assert "is damaged" in capsys.readouterr().err
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert synth("r1_onevision", "--data", "drawn:3", "--out", tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_two_commands_do_not_work_in_one_folder(tmp_path, capsys):
    hold = (
        "from pathlib import Path; from seethink.lock import alone_in\n"
        f"with alone_in(Path({str(tmp_path)!r})): print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout and other.stdout.readline() == "held\n"
        assert synth("r1_onevision", "--data", "drawn:3", "--out", tmp_path) == 2
        other.kill()
    assert "another process is at work in" in capsys.readouterr().err
    assert synth("r1_onevision", "--data", "drawn:3", "--out", tmp_path) == 0


def cramped(room_kb: int, *words: object) -> str:
    """The message of a command that may write no file larger than `room_kb`, and therefore exits with 2."""
    limited = (
        "import resource, runpy, sys; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room_kb * 1024}, resource.RLIM_INFINITY)); "
        "sys.argv[0] = 'seethink'; runpy.run_module('seethink', run_name='__main__')"
    )
    command = [sys.executable, "-c", limited, "synth", *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def test_a_full_disk_is_one_sentence_and_the_same_command_continues(tmp_path, capsys):
    command = ("r1v_distill", "--data", "drawn:200", "--teacher", ERRS, "--out", tmp_path / "full")
    message = cramped(400, *command)
    assert f"the disk of {tmp_path / 'full' / 'ledger.sqlite'} is full" in message
    assert not (tmp_path / "full" / "rows").exists()
    before = _calls(tmp_path / "full", capsys)
    assert synth(*command) == 0 and synth(*command[:-1], tmp_path / "whole") == 0
    assert files(tmp_path / "full") == files(tmp_path / "whole")
    assert 0 < before < _calls(tmp_path / "full", capsys) == _calls(tmp_path / "whole", capsys)
    shutil.rmtree(tmp_path / "full" / "rows")
    assert "free some space and run the same command again" in cramped(60, *command)
    assert {file.name for file in (tmp_path / "full").iterdir()} <= {".lock", "ledger.sqlite"}
    assert synth(*command) == 0 and files(tmp_path / "full") == files(tmp_path / "whole")


def test_a_chains_settings_are_its_parameters():
    assert systems.chain_settings("insight_v") == [
        "paths=4",
        "tries=0",
        "round=1",
        "per_summary=5",
        "others=FILE",
    ]
    assert systems.chain("insight_v", {"paths": "7"}).steps[0].paths == 7  # type: ignore[attr-defined]
    general = drawn.by_address("drawn:counting:3")
    chain = systems.chain("insight_v", {"others": "x"}, lambda address: general)
    assert [*chain.build_rows.others] == [*general]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"unknown chain 'insight'; did you mean insight_v\?"):
        systems.chain("insight")


def _calls(out: Path, capsys: pytest.CaptureFixture[str]) -> int:
    capsys.readouterr()
    assert synth("status", out, "--json") == 0
    return json.loads(capsys.readouterr().out)["spent"]["calls"]
