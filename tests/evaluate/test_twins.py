"""How often one question, asked in words and as a picture of them, is answered alike."""

from __future__ import annotations

import pytest

from seethink.evaluate.questions import by_question, clusters_of
from seethink.evaluate.statistics import summarise
from seethink.evaluate.twins import twins
from tests.report.sample_run import attempt


def pair(id: str, words: str | None, picture: str | None, gold: str = "7") -> list[dict]:
    """The attempts at a question in words and at its twin."""
    said = {id: words, f"{id}/twin": picture}
    return [
        attempt(one, answer == gold, said=answer, gold=gold, media=[f"{one}.png"] if one != id else [])
        | {"meta": {"twin_of": id} if one != id else {}, "correct": float(answer == gold)}
        for one, answer in said.items()
    ]


def found(*pairs: list[dict]) -> dict:
    return twins([*by_question(row for rows in pairs for row in rows).values()])


def test_twins_are_alike_if_they_say_the_same_in_whatever_spelling() -> None:
    told = found(pair("a", "5", "5.0"), pair("b", "7", "5"), pair("c", "Red.", "red"), pair("d", "5", "7"))
    assert (told["n"], told["same"]["value"]) == (4, 0.5)
    assert [told[kind] for kind in ("both", "only_original", "only_twin")] == [0.0, 0.25, 0.25]


def test_what_cannot_be_read_is_like_nothing() -> None:
    assert found(pair("a", None, None))["same"]["value"] == 0.0


def test_a_pair_that_was_not_judged_both_times_is_in_no_share_of_right_answers() -> None:
    words, picture = pair("a", "7", "7")
    told = found([words, picture | {"correct": None}])
    assert told["same"]["value"] == 1.0 and told["both"] is None


def test_several_attempts_are_compared_one_by_one() -> None:
    assert found(pair("a", "7", "7"), pair("a", "7", "5"))["same"]["value"] == 0.5


def test_a_twin_whose_original_was_not_asked_is_counted() -> None:
    told = found(pair("a", "7", "7")[1:], pair("b", "7", "7"))
    assert (told["n"], told["widowed"]) == (1, 1)
    assert found(pair("a", "7", "7")[1:])["same"]["value"] is None
    assert twins([[attempt("q", True)]]) == {}


def test_twins_are_one_cluster_and_in_the_summary() -> None:
    rows = [*pair("a", "7", "7"), *pair("b", "7", "5")]
    assert clusters_of([[row] for row in rows]) == [0, 0, 1, 1]
    summary = summarise(rows)
    assert summary["twins"]["n"] == 2 and summary["clusters"] == 2


def test_the_parts_of_the_score_have_means_over_the_questions_that_have_them() -> None:
    rows = [attempt(f"q{i}", True) | {"correct": 1.0} for i in range(4)]
    rows[0]["parts"]["published"] = {"value": 1.0, "why": ""}
    rows[1]["parts"]["published"] = {"value": 0.5, "why": ""}
    rows[2]["parts"]["published"] = {"value": None, "why": ""}
    parts = summarise(rows)["parts"]
    assert parts["published"]["value"] == pytest.approx(0.75) and parts["published"]["n"] == 2
    assert parts["format"]["n"] == 4
    unanswered = summarise([rows[0] | {"stop": "unanswered"}])["parts"]
    assert unanswered["published"]["value"] == 0.0
