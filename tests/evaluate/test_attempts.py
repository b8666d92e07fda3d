from pathlib import Path

import pytest

from seethink.evaluate.attempts import (
    append_rows,
    attempt_row,
    drop_cut_line,
    overall,
    read_attempts,
    read_rows,
    verdict,
)
from seethink.formats import THINK_ANSWER
from seethink.types import Example, InputError, Response, Rollout, Score, Task
from seethink.verify import same_number

EXAMPLE = Example("q0", "How many?", answer="1")
TASK = Task("counting", [EXAMPLE], THINK_ANSWER, same_number)
ROLLOUT = Rollout(EXAMPLE, THINK_ANSWER.parse("<think>größer</think><answer>1</answer>"), Score(1.0))


def test_a_rollout_is_read_back_as_it_was_appended(tmp_path):
    path = tmp_path / "eval" / "attempts.jsonl"
    row = attempt_row(TASK, ROLLOUT, tmp_path / "media", step=3)
    append_rows(path, [row])
    append_rows(path, [row, row])
    assert list(read_attempts(path)) == [row, row, row]
    assert (row["step"], row["said"], row["lenient"]["said"], row["correct"]) == (3, "1", "1", 1.0)


@pytest.mark.parametrize("cut", [b"", b'{"id": "q1"', b'{"id": "gr\xc3'])
def test_a_cut_last_line_is_removed_and_whole_ones_stay(tmp_path, cut):
    path = tmp_path / "attempts.jsonl"
    append_rows(path, [{"id": "q0"}])
    with path.open("ab") as file:
        file.write(cut)
    drop_cut_line(path)
    assert list(read_rows(path)) == [{"id": "q0"}]
    drop_cut_line(path.with_name("missing.jsonl"))


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", "line 2 is not JSON"), ('{"id": 1}', "line 2 lacks value"), ("[]", "line 2 lacks id, value")],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "attempts.jsonl"
    path.write_text(f'{{"id": 0, "value": 1}}\n{line}\n', encoding="utf-8")
    with pytest.raises(
        InputError, match=rf"attempts\.jsonl, {message}.*; move .*attempts\.jsonl away and run the same"
    ):
        list(read_rows(path, ("id", "value")))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no .*attempts\.jsonl; run its stage again"):
        list(read_attempts(tmp_path / "attempts.jsonl"))


@pytest.mark.parametrize(
    ("gold", "value", "expected"),
    [
        ("7", 1.0, "right"),
        ("7", 0.1 + 0.2 + 0.7, "right"),
        ("7", 0.99, "partly"),
        ("7", 0.5, "partly"),
        ("7", 0.01, "partly"),
        ("7", 0.0, "wrong"),
        ("7", None, None),
        ("[0, 0, 9, 9]", 0.5, "right"),
        ("[0, 0, 9, 9]", 0.49, "wrong"),
        ('[{"bbox_2d": [0, 0, 9, 9]}]', 0.7, "right"),
        ("[[0, 0, 9, 9]]", None, None),
        (None, 0.5, "partly"),
    ],
)
def test_the_headline_part_decides_the_verdict(gold, value, expected):
    row = {"gold": gold, "value": 0.0, "parts": {"correct": {"value": value}}}
    assert verdict(row, "correct") == expected
    assert verdict({"gold": gold, "value": value, "parts": {}}, "correct") == expected


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["right", "wrong"], "right"),
        (["right", "wrong", "wrong"], "wrong"),
        (["partly", "wrong"], "partly"),
        (["partly", "wrong", "wrong"], "wrong"),
        (["partly", "right", "wrong", None], "partly"),
        (["right", None], "right"),
        ([None], None),
        ([], None),
    ],
)
def test_the_verdict_on_several_attempts_is_that_of_half_of_them(verdicts, expected):
    assert overall(verdicts) == expected


def test_an_unjudged_rollout_has_no_value(tmp_path):
    response = Response("not judged", stop="unanswered")
    row = attempt_row(TASK, Rollout(EXAMPLE, response, Score(None)), tmp_path)
    assert (row["value"], row["correct"], row["lenient"]["value"]) == (None, None, None)


def test_a_part_that_was_not_read_says_so(tmp_path):
    parts = {"rules": Score(0.0, "a", unread=True), "correct": Score(0.0, "b")}
    rollout = Rollout(Example("q", "?", answer="1"), Response("red", answer="red"), Score(0.0, parts=parts))
    row = attempt_row(Task("t", [], THINK_ANSWER, same_number), rollout, tmp_path)
    assert row["parts"] == {
        "rules": {"value": 0.0, "why": "a", "unread": True},
        "correct": {"value": 0.0, "why": "b"},
    }
