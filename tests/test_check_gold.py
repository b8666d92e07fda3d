"""The pre-flight tells by which verifier an answer is earned in another spelling, and warns where by none."""

from __future__ import annotations

import json

import pytest

from seethink import verify
from seethink.check import Preflight, check
from seethink.check.gold import gold_faults, gold_reader
from seethink.formats import THINK_ANSWER
from seethink.types import Example


@pytest.mark.parametrize(
    ("answer", "verifier", "reader"),
    [
        ("0.5", None, "same_number"),
        ("9πcm^{2}", None, "same_math"),
        ("2√3", "same_number", ""),
        ("7", "same_text", ""),
        ("a cup", None, ""),
        ("room 12 on the left", None, ""),
        (
            "2√3",
            verify.weighted(correct=(verify.same_answer, 1.0), length=(verify.same_text, 0.0)),
            "same_math",
        ),
    ],
)
def test_every_answer_is_told_by_which_verifier_it_is_earned_in_another_spelling(answer, verifier, reader):
    row = Example("1", "?", (), answer)
    assert gold_reader(row, verifier) == reader
    kinds = [kind for kind, _ in gold_faults(row, THINK_ANSWER, verifier)]
    warned = ["gold not judged"] if verifier == "same_number" and not reader else ["one spelling"]
    assert kinds == (warned if not reader and answer != "a cup" else [])


@pytest.mark.parametrize("verifier", [None, "auto", "any_of_texts"])
@pytest.mark.parametrize("answer", ['["sofa", "couch"]', "['24/7', '3.429']"])
def test_a_list_of_which_any_text_is_right_is_earned_by_its_first(answer, verifier):
    assert [*gold_faults(Example("1", "?", (), answer), THINK_ANSWER, verifier)] == []


def test_answers_are_counted_by_what_compares_them(tmp_path):
    path = tmp_path / "my.jsonl"
    answers = ("3", "0.5", "2√3", "12:00 or so", "a cup")
    rows = [json.dumps({"question": f"What is {answer[::-1]}?", "answer": answer}) for answer in answers]
    path.write_text("\n".join(rows), encoding="utf-8")
    report = check(Preflight(path, THINK_ANSWER))
    assert report.golds == report.as_json()["golds"] == {"same_number": 2, "": 2, "same_math": 1}
    assert report.clean and [(f.kind, f.row) for f in report.faults] == [("one spelling", 4)]
