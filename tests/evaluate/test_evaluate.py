"""The evaluation loop, and the format and mode that it records, so that different modes are not compared
unnoticed."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seethink.cli.tables import show_report
from seethink.evaluate.attempts import read_attempts
from seethink.evaluate.evaluate import evaluate
from seethink.evaluate.statistics import compare
from seethink.formats import by_name
from seethink.report.scores import describe_test
from seethink.solve import Direct
from seethink.types import Completion, Engine, Example, Messages, Rollout, Sampling, Task
from seethink.verify import same_number

EXAMPLES = [Example(str(i), "How many?", answer=str(i % 2)) for i in range(6)]


class Parrot:
    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return [[Completion("<think>One.</think><answer>1</answer>")] for _ in conversations]


def attempts(folder: Path, form: str, mode: str) -> Path:
    task = Task("counting", EXAMPLES, by_name(form, mode), same_number)
    rows = evaluate(Parrot(), [task], Direct(), folder, folder / "media")
    assert rows["counting"]["asked"] == f"{form}, {mode}"
    assert {(row["format"], row["mode"]) for row in read_attempts(folder / "attempts.jsonl")} == {
        (form, mode)
    }
    return folder / "attempts.jsonl"


@pytest.mark.parametrize("other", [("think_answer", "system"), ("thoughts_summary", "suffix")])
def test_a_comparison_of_two_ways_of_asking_says_so(tmp_path: Path, other: tuple[str, str]) -> None:
    first = attempts(tmp_path / "a", "think_answer", "suffix")
    (test,) = compare(first, attempts(tmp_path / "b", *other))
    assert test["asked"] == ["think_answer, suffix", ", ".join(other)]
    named = {"a": "base", "b": "grpo", "p_holm": test["p"], **test}
    text = f"Their prompts differ: base uses think_answer, suffix, grpo uses {', '.join(other)}."
    assert text in describe_test(named)
    heard = io.StringIO()
    report = {
        "recipe": "r",
        "scale": "tiny",
        "headline": "correct",
        "results": {"base": {}, "grpo": {}},
        "tests": [named],
        "claims": [],
    }
    show_report(Console(file=heard, width=200), report)
    assert "asked differently: base by think_answer, suffix; grpo by" in heard.getvalue()


def test_a_comparison_of_one_way_of_asking_has_nothing_to_say(tmp_path: Path) -> None:
    (test,) = compare(*(attempts(tmp_path / name, "think_answer", "before") for name in "ab"))
    assert "asked" not in test
    assert "differently" not in describe_test({"a": "base", "b": "grpo", "p_holm": test["p"], **test})


def test_after_a_kill_only_examples_without_a_row_are_answered(tmp_path: Path) -> None:
    task = Task("counting", EXAMPLES, by_name("think_answer"), same_number)
    whole = evaluate(Parrot(), [task], Direct(), tmp_path / "whole", tmp_path / "media")
    lines = (tmp_path / "whole/attempts.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/attempts.jsonl").write_text("".join(lines[:2]) + lines[2][:40], encoding="utf-8")
    answered: list[str] = []

    def solver(engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        answered.extend(example.id for example in examples)
        return Direct()(engine, task, examples)

    steps: list[int] = []
    again = evaluate(
        Parrot(), [task], solver, tmp_path / "cut", tmp_path / "media", lambda row: steps.append(row["step"])
    )
    assert answered == ["2", "3", "4", "5"] and steps == [6]
    assert without_seconds(again["counting"]) == without_seconds(whole["counting"])
    rows = list(read_attempts(tmp_path / "cut/attempts.jsonl"))
    assert [without_seconds(row) for row in rows] == [without_seconds(json.loads(line)) for line in lines]


def without_seconds(row: dict[str, Any]) -> dict[str, Any]:
    """Rows of equal work took other seconds."""
    return row | {"usage": row["usage"] | {"seconds": 0}}
