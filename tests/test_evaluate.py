"""How a task was asked is recorded with its results, so that two modes are never compared unknowingly."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from seethink.evaluate import compare, evaluate, read_rows
from seethink.formats import by_name
from seethink.report.scores import in_words
from seethink.solve import direct
from seethink.terminal import show_report
from seethink.types import Completion, Example, Messages, Sampling, Task
from seethink.verify import same_number

EXAMPLES = [Example(str(i), "How many?", answer=str(i % 2)) for i in range(6)]


class Parrot:
    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return [[Completion("<think>One.</think><answer>1</answer>")] for _ in conversations]


def attempts(folder: Path, form: str, mode: str) -> Path:
    task = Task("counting", EXAMPLES, by_name(form, mode), same_number)
    rows = evaluate(Parrot(), [task], direct(), folder, folder / "media")
    assert rows["counting"]["asked"] == f"{form}, {mode}"
    assert {(row["format"], row["mode"]) for row in read_rows(folder / "attempts.jsonl")} == {(form, mode)}
    return folder / "attempts.jsonl"


@pytest.mark.parametrize("other", [("think_answer", "system"), ("thoughts_summary", "suffix")])
def test_a_comparison_of_two_ways_of_asking_says_so(tmp_path: Path, other: tuple[str, str]) -> None:
    first = attempts(tmp_path / "a", "think_answer", "suffix")
    (test,) = compare(first, attempts(tmp_path / "b", *other))
    assert test["asked"] == ["think_answer, suffix", ", ".join(other)]
    named = {"a": "base", "b": "grpo", **test}
    told = f"asked differently: base by think_answer, suffix, grpo by {', '.join(other)}."
    assert told in in_words(named)
    heard = io.StringIO()
    report = {
        "recipe": "r",
        "scale": "tiny",
        "headline": "correct",
        "results": {},
        "tests": [named],
        "claims": [],
    }
    show_report(Console(file=heard, width=200), report)
    assert "asked differently: base by think_answer, suffix; grpo by" in heard.getvalue()


def test_a_comparison_of_one_way_of_asking_has_nothing_to_say(tmp_path: Path) -> None:
    (test,) = compare(*(attempts(tmp_path / name, "think_answer", "before") for name in "ab"))
    assert "asked" not in test
    assert "differently" not in in_words({"a": "base", "b": "grpo", **test})
