from __future__ import annotations

import pytest

from seethink.synth.draft import Draft, Dropped, ReasoningPath
from seethink.synth.steps.answer import AnswerStep
from seethink.types import Example
from tests.synth.steps.run_step import make_draft, run_step, text_of


def unasked(call):
    raise AssertionError("rules can tell")


@pytest.mark.parametrize(
    "final", ["Answer: 3", "So there are three.\n\n**The answer is 3**", r"Thus \boxed{3}", "3"]
)
def test_a_correct_answer_is_kept_in_any_format(final):
    after, _ = run_step(AnswerStep(), make_draft(final=final), unasked)
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed


@pytest.mark.parametrize(
    "final", ["Answer: 4", "There are 3 red ones.\nAnswer: 4", "Answer: 3 or 4", "Answer:"]
)
def test_a_wrong_answer_drops_its_example(final):
    after, _ = run_step(AnswerStep(), make_draft(final=final), unasked)
    assert isinstance(after, Dropped) and after.reason == "wrong answer"


def test_without_a_reference_answer_there_is_no_judgement_and_the_verdict_says_so():
    after, _ = run_step(AnswerStep(), make_draft(answer=None, final="Answer: 4"), unasked)
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed is None


@pytest.mark.parametrize(
    ("verdict", "reason"), [("right", None), ("wrong", "wrong answer"), ("perhaps", "not judged")]
)
def test_a_judge_is_asked_only_where_rules_cannot_decide(verdict, reason):
    step = AnswerStep(verifier="same_choice")  # no choices: the rules cannot judge
    draft = make_draft(question="Which?", answer="the larger one", final="Answer: the big one")
    after, calls = run_step(step, draft, lambda call: f"VERDICT: {verdict}")
    assert [call.role for call in calls] == ["judge"]
    assert "the larger one" in text_of(calls[0]) and "the big one" in text_of(calls[0])
    assert (after.reason if isinstance(after, Dropped) else None) == reason
    blind, calls = run_step(AnswerStep(verifier="same_choice", use_judge=False), draft, unasked)
    assert isinstance(blind, Dropped) and blind.reason == "not judged"


@pytest.mark.parametrize(("verdict", "reason"), [("right", None), ("wrong", "wrong answer")])
def test_a_reference_that_is_a_sentence_goes_to_the_judge(verdict, reason):
    draft = make_draft(answer="The red dot is on the left.", final="So I look at it.\n\nAnswer: left")
    after, calls = run_step(AnswerStep(), draft, lambda call: f"VERDICT: {verdict}")
    assert [call.role for call in calls] == ["judge"]
    assert (after.reason if isinstance(after, Dropped) else None) == reason


def test_a_negative_result_on_short_references_and_lists_is_final():
    for gold, reply in (
        ("3", "4"),
        ("milk", "cake"),
        ("red dot, blue dot, pink dot", "blue dot, red dot, pink dot"),
    ):
        after, _ = run_step(AnswerStep(), make_draft(answer=gold, final=f"Answer: {reply}"), unasked)
        assert isinstance(after, Dropped) and after.reason == "wrong answer"


@pytest.mark.parametrize(
    ("reply", "right"),
    [("B", True), ("(B) seven", True), ("seven", True), ("A", False), ("six or seven", False)],
)
def test_an_option_is_named_by_its_letter_or_its_text(reply, right):
    example = Example("one", "How many?\nA. six\nB. seven", answer="B", choices=("six", "seven"))
    after, _ = run_step(AnswerStep(), Draft(example, paths=(ReasoningPath(("I count.",), reply),)), unasked)
    assert isinstance(after, Draft) and after.paths[0].correct is right


def test_every_path_is_marked_and_none_is_lost():
    paths = (
        ReasoningPath(("I count.",), "3"),
        ReasoningPath(("I guess.",), "5"),
        ReasoningPath(("I stop.",), None),
    )
    after, _ = run_step(AnswerStep(), make_draft(paths=paths), unasked)
    assert isinstance(after, Draft)
    assert [path.correct for path in after.paths] == [True, False, False]
    assert after.verdict and after.verdict.why == "1 of 3 paths are right"
