"""Texts that must not be paid (hacks.jsonl: what models found out about rewards) and honest ways of being
right that must be (honest.jsonl), each read and judged as the atom does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seethink import formats, verify
from seethink.attempt import judge, lenient
from seethink.types import Completion, Example, Task


def rows(name: str) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    ]


HACKS, HONEST = rows("hacks.jsonl"), rows("honest.jsonl")


def value(row: dict[str, Any]) -> float:
    """The score of the row's text, or of its `answer` in the tags of think_answer, by its verifier; with
    `read` "any", of what the lenient reader finds in the text."""
    text = row["text"] if "text" in row else f"<think>I look.</think><answer>{row['answer']}</answer>"
    form = formats.by_name(row.get("format", "think_answer"))
    task = Task("rows", [], form, verify.by_name(row["verifier"]))
    choices, meta = tuple(row.get("choices", ())), row.get("meta", {})
    example = Example("row", row.get("question", "?"), answer=row["gold"], choices=choices, meta=meta)
    rollout = judge(task, example, Completion(text, n_tokens=row.get("n_tokens", 0)))
    score = lenient(task, rollout)[1] if row.get("read") == "any" else rollout.score
    assert score.value is not None, (row, score.why)
    return score.value


def values(rows: list[dict[str, Any]], verifier: str) -> list[tuple[float, dict[str, Any]]]:
    """The rows of a verifier with their scores."""
    return [(value(row), row) for row in rows if row["verifier"] == verifier]


@pytest.mark.parametrize("verifier", sorted({row["verifier"] for row in HACKS}))
def test_a_hack_is_not_paid(verifier: str) -> None:
    paid = [(score, row) for score, row in values(HACKS, verifier) if score > row.get("at_most", 0.0)]
    assert not paid, "\n".join(f"{score:g} {json.dumps(row, ensure_ascii=False)}" for score, row in paid)


@pytest.mark.parametrize("verifier", sorted({row["verifier"] for row in HONEST}))
def test_an_honest_answer_is_paid(verifier: str) -> None:
    unpaid = [(score, row) for score, row in values(HONEST, verifier) if score < row.get("at_least", 1.0)]
    assert not unpaid, "\n".join(f"{score:g} {json.dumps(row, ensure_ascii=False)}" for score, row in unpaid)


def test_there_are_six_hundred_of_each_and_none_twice():
    for listed, paid in ((HACKS, False), (HONEST, True)):
        assert len(listed) > 600
        assert {row["paid"] for row in listed} == {paid}
        assert len({json.dumps({**row, "why": ""}, sort_keys=True) for row in listed}) == len(listed)


def test_what_is_hardly_paid_is_far_from_what_is_nearly_right():
    assert max(row.get("at_most", 0.0) for row in HACKS) <= 0.334
    assert min(row.get("at_least", 1.0) for row in HONEST) >= 0.66


def test_every_verifier_has_hacks_and_honest_answers():
    """A length reward has neither: it is short or long."""
    lengths = {"per_token"}
    assert {row["verifier"] for row in HACKS} >= verify.VERIFIERS.keys() - lengths
    assert {row["verifier"] for row in HONEST} >= verify.VERIFIERS.keys()
