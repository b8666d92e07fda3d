from __future__ import annotations

import pytest

from seethink.synth.draft import Draft, Dropped, Path
from seethink.synth.steps.answer import Answer
from seethink.types import Example
from tests.synth.steps.teaching import drafted, taught, told


def unasked(call):
    raise AssertionError("rules can tell")


@pytest.mark.parametrize(
    "final", ["Answer: 3", "So there are three.\n\n**The answer is 3**", r"Thus \boxed{3}", "3"]
)
def test_a_right_answer_is_kept_in_whatever_form_it_is_said(final):
    after, _ = taught(Answer(), drafted(final=final), unasked)
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed


@pytest.mark.parametrize(
    "final", ["Answer: 4", "There are 3 red ones.\nAnswer: 4", "Answer: 3 or 4", "Answer:"]
)
def test_a_wrong_answer_drops_its_example(final):
    after, _ = taught(Answer(), drafted(final=final), unasked)
    assert isinstance(after, Dropped) and after.reason == "wrong answer"


def test_without_a_reference_nobody_judges_and_the_verdict_says_so():
    after, _ = taught(Answer(), drafted(answer=None, final="Answer: 4"), unasked)
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed is None


@pytest.mark.parametrize(
    ("verdict", "reason"), [("right", None), ("wrong", "wrong answer"), ("perhaps", "not judged")]
)
def test_a_judge_is_asked_only_where_rules_cannot_tell(verdict, reason):
    step = Answer(verifier="same_choice")  # no choices: the rules cannot judge
    draft = drafted(question="Which?", answer="the larger one", final="Answer: the big one")
    after, calls = taught(step, draft, lambda call: f"VERDICT: {verdict}")
    assert [call.role for call in calls] == ["judge"]
    assert "the larger one" in told(calls[0]) and "the big one" in told(calls[0])
    assert (after.reason if isinstance(after, Dropped) else None) == reason
    blind, calls = taught(Answer(verifier="same_choice", judged=False), draft, unasked)
    assert isinstance(blind, Dropped) and blind.reason == "not judged"


@pytest.mark.parametrize(("verdict", "reason"), [("right", None), ("wrong", "wrong answer")])
def test_what_a_gold_says_in_a_sentence_is_put_to_the_judge(verdict, reason):
    draft = drafted(answer="There are 3 dots.", final="So I count three.\n\nAnswer: 3")
    after, calls = taught(Answer(), draft, lambda call: f"VERDICT: {verdict}")
    assert [call.role for call in calls] == ["judge"]
    assert (after.reason if isinstance(after, Dropped) else None) == reason


def test_a_no_about_short_golds_and_lists_is_the_rules_own():
    for gold, said in (
        ("3", "4"),
        ("milk", "cake"),
        ("red dot, blue dot, pink dot", "blue dot, red dot, pink dot"),
    ):
        after, _ = taught(Answer(), drafted(answer=gold, final=f"Answer: {said}"), unasked)
        assert isinstance(after, Dropped) and after.reason == "wrong answer"


@pytest.mark.parametrize(
    ("said", "right"),
    [("B", True), ("(B) seven", True), ("seven", True), ("A", False), ("six or seven", False)],
)
def test_an_option_is_named_by_its_letter_or_its_text(said, right):
    example = Example("one", "How many?\nA. six\nB. seven", answer="B", choices=("six", "seven"))
    after, _ = taught(Answer(), Draft(example, paths=(Path(("I count.",), said),)), unasked)
    assert isinstance(after, Draft) and after.paths[0].correct is right


def test_every_path_is_marked_and_none_is_lost():
    paths = (Path(("I count.",), "3"), Path(("I guess.",), "5"), Path(("I stop.",), None))
    after, _ = taught(Answer(), drafted(paths=paths), unasked)
    assert isinstance(after, Draft)
    assert [path.correct for path in after.paths] == [True, False, False]
    assert after.verdict and after.verdict.why == "1 of 3 paths are right"
