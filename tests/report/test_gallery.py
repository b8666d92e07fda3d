import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.evaluate.attempts import VERDICTS
from seethink.report.gallery import (
    MAX_CARDS,
    PER_OUTCOME,
    build_gallery,
    outcome_counts,
    outcomes,
    question_text,
    sample_questions,
)
from tests.report.sample_run import attempt, write_arms, write_run


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("wrong", "right", ("right", "differs", "mended")),
        ("right", "wrong", ("wrong", "differs", "broken")),
        ("right", "right", ("right",)),
        ("wrong", "wrong", ("wrong",)),
        ("wrong", "partly", ("partly", "differs", "mended")),
        ("partly", "right", ("right", "differs", "mended")),
        ("right", "partly", ("partly", "differs", "broken")),
        ("partly", "partly", ("partly",)),
        (None, "right", ("right",)),
        ("right", None, ("unjudged",)),
    ],
)
def test_an_outcome_compares_an_arm_with_the_first(before, now, expected):
    assert outcomes([[[before]], [[now]]], [False, False])[1] == expected


def test_an_arm_without_an_attempt_has_no_outcome():
    assert outcomes([[["right"]], []], [False, False])[1] == ()


def test_the_first_arm_is_neither_mended_nor_broken():
    assert outcomes([[["right"]], [["wrong"]]], [False, False])[0] == ("right", "differs")


def test_all_arms_together_have_one_outcome_and_every_mark_of_an_arm():
    found = outcomes([[["right"]], [["wrong"]], [[None]]], [False, False, True])
    assert found[-1] == ("mixed", "differs", "broken", "faulty")
    assert outcomes([[], []], [False, False]) == [(), (), ()]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (["wrong", "wrong"], ["right", "right"], ("mixed", "differs", "mended")),
        (["right", "right", "wrong"], ["wrong", "wrong", "right"], ("mixed", "differs", "broken")),
        (["right", "wrong"], ["right", "right"], ("mixed",)),  # half of them right counts as right
        (["right", "right"], ["right", "right"], ("right",)),
        ([None, None], ["right", "wrong"], ("mixed",)),
        (["partly", "wrong"], ["right", "partly"], ("mixed", "differs", "mended")),
        (["wrong", "wrong"], ["partly", "wrong"], ("partly", "differs", "mended")),
    ],
)
def test_a_training_is_compared_with_its_own_first_step(first, last, expected):
    assert outcomes([[first, [None], last]], [False])[0] == expected


def test_a_training_is_not_compared_with_the_evaluation_before_it():
    assert outcomes([[["right"]], [["wrong"], ["right"]]], [False, False])[1] == (
        "mixed",
        "differs",
        "mended",
    )
    assert outcomes([[["right"]], [["wrong"]]], [False, False])[1] == ("wrong", "differs", "broken")


verdicts = st.lists(
    st.lists(st.lists(st.sampled_from([*VERDICTS, None]), min_size=1), max_size=3), min_size=1
)


@given(verdicts)
def test_every_question_has_exactly_one_of_the_exclusive_outcomes(arms):
    exclusive = {"right", "partly", "wrong", "mixed", "unjudged"}
    found = outcomes(arms, [False] * len(arms))
    for asked, names in zip([*arms, [v for arm in arms for v in arm]], found, strict=True):
        assert len(exclusive & set(names)) == bool(asked)
        assert len(set(names)) == len(names)
    counts = outcome_counts([("seen", found)])["seen"]
    assert all(count["all"] == sum(count[name] for name in exclusive) for count in counts)


@pytest.mark.parametrize(("right", "verdict"), [(True, "right"), (False, "wrong"), (None, None)])
def test_an_answer_that_breaks_its_format_is_listed_as_such_too(right, verdict, tmp_path):
    assert outcomes([[[verdict]]], [True])[0][-1] == "faulty"
    rows = [attempt("q0", right, fault="no answer"), attempt("q1", right)]
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
        ("right", "differs", "mended"),
        ("wrong", "differs", "broken"),
        ("wrong",),
    ]
    assert shown.counts["seen"][2] == {
        "all": 4,
        "right": 2,
        "partly": 0,
        "wrong": 2,
        "mixed": 0,
        "unjudged": 0,
        "unasked": 0,
        "differs": 2,
        "mended": 1,
        "broken": 1,
        "faulty": 0,
    }


def test_the_headline_part_decides_and_not_the_whole_score(tmp_path):
    row = attempt("q0", right=True, value=0.2)
    shown = build_gallery(write_arms(tmp_path, {"base": [row]}), tmp_path, "correct")
    assert shown.cards[0].answers[0].verdict == "right"


def test_a_score_without_the_headline_part_is_taken_as_a_whole(tmp_path):
    row = attempt("q0", value=None, parts={})
    shown = build_gallery(write_arms(tmp_path, {"base": [row]}), tmp_path, "correct")
    assert shown.cards[0].outcomes == (("unjudged",), ("unjudged",))


def test_of_several_attempts_at_a_question_the_first_counts(tmp_path):
    rows = [attempt("q0", right=False), attempt("q0", right=True)]
    shown = build_gallery(write_arms(tmp_path, {"base": rows}), tmp_path, "correct")
    assert [answer.verdict for answer in shown.cards[0].answers] == ["wrong"]
    assert shown.counts["seen"][0]["all"] == 1


def test_a_question_that_only_one_arm_answered_is_shown(tmp_path):
    arms = write_arms(tmp_path, {"base": [attempt("q0")], "grpo": [attempt("q1")]})
    shown = build_gallery(arms, tmp_path, "correct")
    assert {card.id: [answer.name for answer in card.answers] for card in shown.cards} == {
        "q0": ["base"],
        "q1": ["grpo"],
    }


def test_the_sample_includes_rare_outcomes_first_and_keeps_its_bounds():
    common, rare = [("wrong",), ("right", "mended")], [("right",), ("wrong", "broken")]
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
