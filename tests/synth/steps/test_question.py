from __future__ import annotations

import PIL.Image
import pytest

from seethink.media import DrawnVideo, Frames, Image
from seethink.synth.clip_images import clips_as_images
from seethink.synth.draft import Draft, Dropped
from seethink.synth.steps.question import (
    QuestionStep,
    ReformatStep,
    checked,
    letter_of,
    problem_of,
    read_reply,
)
from seethink.types import Example
from tests.synth.steps.run_step import as_json, make_draft, run_step, text_of

GOOD = as_json(question="How many dots does it show?", thought="One, two, three.", answer="3")


def picture(side: int) -> Image:
    return Image.drawn(f"p{side}", lambda: PIL.Image.new("RGB", (side, 100)))


def clip(n: int) -> DrawnVideo:
    pictures = tuple(PIL.Image.new("RGB", (32, 32), (i, i, i)) for i in range(n))
    return DrawnVideo(f"clip{n}", lambda: Frames(pictures, tuple(float(i) for i in range(n)), float(n)))


def test_the_new_question_is_used_and_the_new_answer_is_judged_against_the_old() -> None:
    after, calls = run_step(QuestionStep(), make_draft("Dots?", "There are 3."), lambda call: GOOD)
    assert isinstance(after, Draft) and len(calls) == 1
    assert after.example.question == "How many dots does it show?"
    assert after.example.answer == "There are 3."
    assert (after.thought, after.final) == ("One, two, three.", "Answer: 3")
    assert after.example.meta["original_question"] == "Dots?"
    assert "Its answer:\n<<<\nThere are 3.\n>>>" in text_of(calls[0])


def test_a_rewritten_question_is_cleaned_as_by_open_r1_multimodal() -> None:
    text = "**Question:** How many?\nAnswer:\n<think>a</think> so <think>b</think>"
    text += "<answer>2</answer><answer>3</answer>"
    assert checked(text) == ("How many?", "a\n\nb", "3")
    assert read_reply(text) == ("How many?", "a\n\nb", "3")
    assert read_reply(as_json(question="Question: How many?", thought="a", answer=3)) == (
        "How many?",
        "a",
        "3",
    )
    tagged = as_json(question="How many?", thought="<think>a</think><think>b</think>", answer="3")
    assert read_reply(tagged) == ("How many?", "a\n\nb", "3")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("It shows three dots.", "not JSON"),
        (as_json(question="How many?", thought="", answer="3"), "empty tag"),
        ("How many? <think>a</think><answer> </answer>", "empty tag"),
        (as_json(question="How many? Answer: 3. Sure?", thought="a", answer="3"), "leak"),
        (as_json(question="Describe the picture.", thought="a", answer="3 dots"), "unverifiable question"),
        (as_json(question="What is it?", thought="a", answer="a " * 13), "unverifiable question"),
        (as_json(question="", thought="a", answer="3"), "no answer"),
        ("How many? <think>a</think> 3", "no answer"),
    ],
)
def test_a_reply_without_a_verifiable_row_is_retried_and_then_named(reply: str, reason: str) -> None:
    step = QuestionStep(retries=1)
    after, calls = run_step(step, make_draft(), lambda call: reply)
    assert isinstance(after, Dropped) and after.reason == reason and len(calls) == 2
    assert step.reminder in text_of(calls[1])


def test_many_boxes_are_one_answer() -> None:
    boxes = (
        '[{"bbox_2d": [1, 2, 30, 40], "label": "the red dot"}, {"bbox_2d": [5, 6, 70, 80], "label": "a b"}]'
    )
    assert read_reply(as_json(question="Where?", thought="There.", answer=boxes)) == (
        "Where?",
        "There.",
        boxes,
    )


def test_a_small_image_is_dropped_before_any_request() -> None:
    small = Draft(Example("s", "How many?", (picture(27),), "3"))
    after, calls = run_step(QuestionStep(), small, lambda call: GOOD)
    assert isinstance(after, Dropped) and after.reason == "invalid" and not calls
    assert "27 x 100 px" in after.why
    broken = Draft(Example("s", "How many?", (Image.data(b"no picture", "b.png"),), "3"))
    after, calls = run_step(QuestionStep(), broken, lambda call: GOOD)
    assert isinstance(after, Dropped) and after.reason == "invalid" and "b.png" in after.why and not calls
    fine, _ = run_step(
        QuestionStep(), Draft(Example("s", "How many?", (picture(28),), "3")), lambda call: GOOD
    )
    assert isinstance(fine, Draft)


def test_media_marks_are_kept_only_if_they_match() -> None:
    draft = Draft(Example("m", "<image> or <image>?", (picture(30), picture(31)), "3"))
    for question, kept in (("Is it <image> or <image>?", True), ("Is it <image>?", False)):
        after, _ = run_step(
            QuestionStep(), draft, lambda call, q=question: as_json(question=q, thought="t", answer="3")
        )
        assert isinstance(after, Draft) and ("<image>" in after.example.question) is kept


def test_a_clip_is_shown_as_evenly_spaced_frames_none_twice() -> None:
    draft = Draft(Example("c", "<video> How often?", (clip(10),), "3"))
    _, calls = run_step(QuestionStep(frames=4), draft, lambda call: GOOD)
    shown = [part["image"] for part in calls[0].messages[0]["content"] if part["type"] == "image"]
    assert [frame.load().getpixel((0, 0))[0] for frame in shown] == [0, 2, 5, 7]
    assert len({frame.key for frame in shown}) == 4
    few = clips_as_images(Example("c", "How often?", (clip(3),), "3"), 8)
    assert len(few) == 4 and few[-1] == "How often?"
    _, calls = run_step(QuestionStep(), draft, lambda call: GOOD)
    assert calls[0].messages[0]["content"][0]["type"] == "video"


QUERY = "<video>\nWhat happens?\nPlease answer with the letter of the right option.\nA. He runs.\nB. He sits."


def test_options_after_please_are_kept() -> None:
    after, calls = run_step(
        ReformatStep(), make_draft(QUERY.removeprefix("<video>\n"), "B. He sits."), lambda call: ""
    )
    assert isinstance(after, Draft) and not calls
    assert after.example.question == "What happens?\nA. He runs.\nB. He sits."
    assert (after.example.answer, after.example.choices) == ("B", ("He runs.", "He sits."))
    before = "What happens?\nA. He runs.\nB. He sits.\nPlease respond with a letter only."
    assert problem_of(before) == "What happens?\nA. He runs.\nB. He sits."
    assert problem_of("What pleases him?") == "What pleases him?"


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("B. He sits.", "B"), ("(B) He sits.", "B"), ("Option B", "B"), ("option (b)", "B"), ("B", "B"),
        ("The answer is B.", "B"), ("B: sits", "B"), ("A person sits.", "A person sits."),
        ("Because", "Because"), ("7", "7"),
    ],
)  # fmt: skip
def test_letters_are_read_as_they_are_written(response: str, letter: str) -> None:
    assert letter_of(response) == letter


def test_an_open_question_is_not_reformatted() -> None:
    after, _ = run_step(ReformatStep(), make_draft("Describe the clip.", "A man."), lambda call: "")
    assert isinstance(after, Dropped) and after.reason == "unverifiable question"
    same = make_draft("How many?", "3")
    assert run_step(ReformatStep(), same, lambda call: "")[0] == same
