from __future__ import annotations

import PIL.Image
import pytest

from seethink.engines.base import Request
from seethink.formats.agents import SUMMARY_PROMPT, summary_request
from seethink.media import Image
from seethink.synth.draft import Draft, Dropped, ReasoningPath
from seethink.synth.steps.summary import SummaryStep, general
from seethink.types import Example
from tests.synth.steps.run_step import make_draft, run_step, text_of

GOOD = "The picture shows three dots.\nAnswer: 3"
PATHS = tuple(
    ReasoningPath((f"{band} way",), "3" if band != "wrong" else "4", correct=band != "wrong", band=band)
    for band in ("high", "middling", "low", "wrong", "high")
)


def picture() -> Image:
    return Image.drawn("dots", lambda: PIL.Image.new("RGB", (40, 40)))


def test_one_path_of_each_band_gets_a_target() -> None:
    after, calls = run_step(SummaryStep(), make_draft(paths=PATHS), lambda call: GOOD)
    assert isinstance(after, Draft) and len(calls) == 4
    bands = [path.band for path in after.paths if path.summary == GOOD]
    assert sorted(map(str, bands)) == ["high", "low", "middling", "wrong"]
    assert sorted(call.step for call in calls) == ["summary/right"] * 3 + ["summary/wrong"]


def test_the_teacher_is_told_whether_the_path_is_right_and_the_learner_is_not() -> None:
    step = SummaryStep()
    _, calls = run_step(step, make_draft(paths=PATHS), lambda call: GOOD)
    for call in calls:
        wrong = call.step == "summary/wrong"
        assert (step.note_if_wrong in text_of(call)) is wrong and (
            step.note_if_correct in text_of(call)
        ) is not wrong
        assert ("wrong way" in text_of(call)) is wrong
    row = summary_request(make_draft().example, PATHS[3].steps)
    assert (
        step.note_if_wrong not in row.question
        and SUMMARY_PROMPT in row.question
        and "wrong way" in row.question
    )


def test_the_image_is_inside_the_question_field() -> None:
    for question in ("How many dots?", "<image>How many dots?"):
        row = summary_request(Example("one", question, (picture(),), "3"), ("look", "count"))
        before, shown, after = row.parts()
        assert str(before).endswith("QUESTION: ") and shown == picture()
        assert str(after).startswith("How many dots?") and "REASON PROCESS:\nlook\ncount" in str(after)


def reply_to(call: Request, wrong: str) -> str:
    return wrong if call.step == "summary/wrong" else GOOD


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("Four dots.\nAnswer: 4", "wrong answer"),
        ("Three dots, I should say.", "no answer"),
        ("The reasoning above is incorrect, there are three.\nAnswer: 3", "invalid"),
        ("I ignore the flawed process.\nAnswer: 3", "invalid"),
        ("I'm sorry, I cannot.", "refused"),
    ],
)
def test_a_target_that_is_wrong_or_mentions_the_judgement_is_rejected(target: str, reason: str) -> None:
    after, _ = run_step(SummaryStep(), make_draft(paths=PATHS), lambda call: reply_to(call, target))
    assert isinstance(after, Draft) and after.verdict
    assert f"none for a path: {reason}" in after.verdict.why
    assert all(path.summary is None for path in after.paths if path.band == "wrong")
    alone, _ = run_step(SummaryStep(), make_draft(paths=(PATHS[3],)), lambda call: reply_to(call, target))
    assert isinstance(alone, Dropped) and alone.reason == reason


def test_a_high_path_is_kept_without_a_summary() -> None:
    after, _ = run_step(SummaryStep(), make_draft(paths=PATHS), lambda call: "I cannot.")
    assert isinstance(after, Draft) and {path.summary for path in after.paths} == {None}
    assert after.verdict and after.verdict.passed is False and "summaries of no path" in after.verdict.why


def test_words_that_only_sound_like_a_judgement_are_accepted() -> None:
    for text in (
        "The path moves right of the correct shape.",
        "Counting gives three, without an error.",
    ):
        assert SummaryStep().parse(f"{text}\nAnswer: 3", make_draft().example) == f"{text}\nAnswer: 3"


def test_without_a_path_of_any_band_the_example_is_dropped() -> None:
    after, calls = run_step(SummaryStep(), make_draft(paths=(ReasoningPath(("?",)),)), lambda call: GOOD)
    assert isinstance(after, Dropped) and after.reason == "no good path" and not calls


def test_general_rows_pass_unchanged_and_are_the_same_every_time() -> None:
    rows = [Example(f"g{i}", f"question {i}", answer="a") for i in range(50)]
    drawn = [general(f"e{i}", rows, 5) for i in range(40)]
    assert all(len({row.id for row in some}) == 5 and {*map(id, some)} <= {*map(id, rows)} for some in drawn)
    assert drawn == [general(f"e{i}", rows, 5) for i in range(40)]
    assert len({row.id for some in drawn for row in some}) > 40
    assert general("e", rows, 0) == [] and len(general("e", rows[:2], 5)) == 2
