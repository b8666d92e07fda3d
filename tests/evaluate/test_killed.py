"""An evaluation that is killed at any moment, also one of several processes, ends with the same file."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from seethink.attempt import attempt
from seethink.evaluate import evaluate as loop
from seethink.evaluate.attempt_parts import part_of, read_parts
from seethink.evaluate.evaluate import evaluate
from seethink.formats import by_name
from seethink.launch import share_of
from seethink.types import Completion, Example, Sampling, Task
from seethink.verify import same_number

FORM = by_name("think_answer")
TASKS = [
    Task("first", [Example(str(i), f"How many ä {i}?", answer=str(i)) for i in range(11)], FORM, same_number),
    Task("second", [Example(str(i), f"And {i}?", answer="1") for i in range(6)], FORM, same_number),
]
TWO = Sampling(n=2)


class Killed(BaseException):
    pass


class Engine:
    """Answers every question by its text, twice; after `calls` batches it is killed."""

    def __init__(self, calls: float = float("inf")) -> None:
        self.calls = calls

    def generate(self, conversations, sampling):
        if self.calls <= 0:
            raise Killed
        self.calls -= 1
        texts = [messages[-1]["content"][0]["text"] for messages in conversations]
        return [
            [
                Completion(f"<think>ä {text}</think><answer>{len(text) + k}</answer>")
                for k in range(sampling.n)
            ]
            for text in texts
        ]


def solver(engine, task, examples):
    return attempt(engine, task, examples, TWO)


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    monkeypatch.setattr(loop, "CHUNK", 3)


@pytest.fixture
def whole(tmp_path):
    evaluate(Engine(), TASKS, solver, tmp_path / "whole", tmp_path / "media")
    return (tmp_path / "whole/attempts.jsonl").read_bytes()


def launched(monkeypatch, out: Path, world_size: int, draw: random.Random) -> bool:
    """A launch of so many processes, one after the other, the first last; each may be killed, and then its
    file may end anywhere in its last write. Returns whether all were done."""
    monkeypatch.setenv("WORLD_SIZE", str(world_size))
    for rank in reversed(range(world_size)):
        monkeypatch.setenv("RANK", str(rank))
        part = part_of(out, rank)
        before = part.stat().st_size if part.exists() else 0
        try:
            evaluate(Engine(draw.choice([0, 1, 2, 99])), TASKS, solver, out, out / "media")
        except Killed:
            with part.open("r+b") as file:
                size = part.stat().st_size
                file.truncate(draw.randint(min(before, size), size))
            return False
    return True


@pytest.mark.parametrize("seed", range(60))
def test_killed_at_random_and_resumed_by_any_number_of_processes_it_is_the_same_file(
    tmp_path, monkeypatch, whole, seed
):
    draw, out = random.Random(f"killed/{seed}"), tmp_path / "cut"
    launches = 0
    while not launched(monkeypatch, out, draw.choice([1, 1, 2, 3]), draw):
        launches += 1
        assert launches < 200
    assert (out / "attempts.jsonl").read_bytes() == whole
    assert [file.name for file in out.iterdir()] == ["attempts.jsonl"]


def test_a_question_counts_once_all_of_its_attempts_are_there(tmp_path, whole):
    """Of two attempts at a question, one could be lost by a kill between two lines, and never be missed."""
    lines = whole.decode().splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/attempts.jsonl").write_text("".join(lines[:5]), encoding="utf-8")
    assert list(read_parts(tmp_path / "cut")) == [("first", "0"), ("first", "1")]
    evaluate(Engine(), TASKS, solver, tmp_path / "cut", tmp_path / "media")
    assert (tmp_path / "cut/attempts.jsonl").read_bytes() == whole


def test_a_part_that_grows_is_read_up_to_its_last_whole_line(tmp_path, whole):
    """Even where it ends inside a character."""
    end = whole.index("ä".encode(), len(whole) // 2) + 1
    (tmp_path / "attempts-1.jsonl").write_bytes(whole[:end])
    read = read_parts(tmp_path)
    assert 0 < sum(map(len, read.values())) <= whole[:end].count(b"\n")


def test_rows_of_an_older_version_are_resumed_too(tmp_path, whole):
    rows = [json.loads(line) for line in whole.decode().splitlines()]
    for row in rows:
        del row["sample"], row["samples"]
    (tmp_path / "attempts.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows[:4]), encoding="utf-8"
    )
    assert {key: len(own) for key, own in read_parts(tmp_path).items()} == {
        ("first", "0"): 2,
        ("first", "1"): 2,
    }


def test_questions_of_one_id_are_refused(tmp_path):
    twice = Task("t", [TASKS[0].examples[0]] * 2, FORM, same_number)
    with pytest.raises(ValueError, match=r"\('t', '0'\) occurs 2 times"):
        evaluate(Engine(), [twice], solver, tmp_path, tmp_path)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
def test_shares_are_all_positions_once_and_alike_in_length(n, world_size):
    shares = [share_of(range(n), rank, world_size) for rank in range(world_size)]
    assert [i for share in shares for i in share] == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
