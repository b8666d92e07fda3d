import pytest

from seethink.report.gallery import (
    MAX_CARDS,
    PER_OUTCOME,
    build_gallery,
    outcomes,
    question_text,
    sample_questions,
)
from tests.report.sample_run import attempt, write_arms, write_run


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (False, True, ("right", "flipped")),
        (True, False, ("wrong", "broken")),
        (True, True, ("right",)),
        (False, False, ("wrong",)),
        (None, True, ("right",)),
        (True, None, ("unjudged",)),
    ],
)
def test_an_outcome_compares_an_arm_with_the_first(before, now, expected):
    assert outcomes({"base": before, "grpo": now}, "base", "grpo") == expected


def test_an_arm_without_an_attempt_has_no_outcome():
    assert outcomes({"base": True}, "base", "grpo") == ()


def test_the_first_arm_is_neither_flipped_nor_broken():
    assert outcomes({"base": True, "grpo": False}, "base", "base") == ("right",)


@pytest.mark.parametrize("verdict", [True, False, None])
def test_an_answer_that_breaks_its_format_is_listed_as_such_too(verdict, tmp_path):
    assert outcomes({"base": verdict}, "base", "base", faulty=True)[-1] == "faulty"
    rows = [attempt("q0", verdict, fault="no answer"), attempt("q1", verdict)]
    shown = build_gallery(write_arms(tmp_path, {"base": rows}), tmp_path, "correct")
    assert ["faulty" in card.outcomes[0] for card in shown.cards] == [True, False]
    assert shown.counts["seen"][0]["faulty"] == 1


def test_cards_pair_the_arms_by_question(tmp_path):
    arms, _ = write_run(tmp_path)
    shown = build_gallery(arms, tmp_path, "correct")
    assert [card.id for card in shown.cards] == ["q0", "q1", "q2", "q3"]
    assert all([answer.name for answer in card.answers] == ["base", "sft", "grpo"] for card in shown.cards)
    assert [card.outcomes[2] for card in shown.cards] == [
        ("right",),
        ("right", "flipped"),
        ("wrong", "broken"),
        ("wrong",),
    ]
    assert shown.counts["seen"][2] == {
        "all": 4,
        "right": 2,
        "wrong": 2,
        "flipped": 1,
        "broken": 1,
        "unjudged": 0,
        "faulty": 0,
    }


def test_the_headline_part_decides_and_not_the_whole_score(tmp_path):
    row = attempt("q0", right=True, value=0.2)
    shown = build_gallery(write_arms(tmp_path, {"base": [row]}), tmp_path, "correct")
    assert shown.cards[0].answers[0].verdict is True


def test_a_score_without_the_headline_part_is_taken_as_a_whole(tmp_path):
    row = attempt("q0", value=None, parts={})
    shown = build_gallery(write_arms(tmp_path, {"base": [row]}), tmp_path, "correct")
    assert shown.cards[0].outcomes == (("unjudged",),)


def test_of_several_attempts_at_a_question_the_first_counts(tmp_path):
    rows = [attempt("q0", right=False), attempt("q0", right=True)]
    shown = build_gallery(write_arms(tmp_path, {"base": rows}), tmp_path, "correct")
    assert [answer.verdict for answer in shown.cards[0].answers] == [False]
    assert shown.counts["seen"][0]["all"] == 1


def test_a_question_that_only_one_arm_answered_is_shown(tmp_path):
    arms = write_arms(tmp_path, {"base": [attempt("q0")], "grpo": [attempt("q1")]})
    shown = build_gallery(arms, tmp_path, "correct")
    assert {card.id: [answer.name for answer in card.answers] for card in shown.cards} == {
        "q0": ["base"],
        "q1": ["grpo"],
    }


def test_the_sample_includes_rare_outcomes_first_and_keeps_its_bounds():
    common, rare = [("wrong",), ("right", "flipped")], [("right",), ("wrong", "broken")]
    found = {("seen", f"q{i}"): (rare if i % 300 == 0 else common) for i in range(900)}
    shown = sample_questions(found, n_arms=2)
    assert sum(found[key] == rare for key in shown) == 3
    assert sum(found[key] == common for key in shown) == PER_OUTCOME
    assert shown == sorted(shown, key=list(found).index)


def test_the_sample_keeps_the_page_small_whatever_the_number_of_tasks_and_arms():
    found = {(f"task{t}", f"q{i}"): [("right",), ("wrong",)] * 15 for t in range(20) for i in range(100)}
    assert len(sample_questions(found, n_arms=30)) <= MAX_CARDS


def test_media_marks_are_left_out_or_numbered():
    assert question_text("<image>How many?") == "How many?"
    assert question_text("<image>and <image>: which?") == "[1]and [2]: which?"
