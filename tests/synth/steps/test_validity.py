from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest

from seethink.media import Image
from seethink.synth.chain import version_of
from seethink.synth.draft import Draft, Dropped
from seethink.synth.steps.validity import CRITERIA, Validity, read_criteria
from seethink.types import Example
from tests.synth.steps.teaching import json_of, taught, told

PICTURE = Image.drawn("p", lambda: PIL.Image.new("RGB", (64, 48)))
DRAFT = Draft(
    Example("one", "How many dots are there?", (PICTURE,), "3"), thought="One, two.", final="Answer: 2"
)
GOOD = dict.fromkeys(CRITERIA, True)


def test_a_judge_sees_picture_gold_thought_and_answer() -> None:
    after, (call,) = taught(Validity(), DRAFT, lambda call: json_of(**GOOD))
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed
    assert replace(after, verdict=None) == DRAFT
    assert (call.step, call.role) == ("validity", "judge")
    assert call.messages[0]["content"][0] == {"type": "image", "image": PICTURE}
    assert "Reference answer:\n<<<\n3\n>>>" in told(call)
    assert "Response:\n<<<\nOne, two.\n\nAnswer: 2\n>>>" in told(call)
    assert all(f"\n{name}: {what}" in told(call) for name, what in CRITERIA.items())
    assert call.schema and call.schema["required"] == [*CRITERIA]


@pytest.mark.parametrize("name", CRITERIA)
def test_one_no_drops_the_example_and_is_named(name: str) -> None:
    after, calls = taught(
        Validity(), DRAFT, lambda call: f"So: ```json\n{json_of(**{**GOOD, name: False})}\n```"
    )
    assert isinstance(after, Dropped) and after.reason == "invalid" and len(calls) == 1
    assert after.why == f"the judge says no to {name}"


@pytest.mark.parametrize(
    "reply",
    [
        "All is well.",
        json_of(**GOOD)[:-9],
        json_of(steps_correct=True),
        json_of(**{**GOOD, "grounded": "yes"}),
    ],
)
def test_what_cannot_be_read_is_asked_for_again_and_then_dropped(reply: str) -> None:
    step = Validity(retries=1)
    after, calls = taught(step, DRAFT, lambda call: reply)
    assert isinstance(after, Dropped) and after.reason == "not JSON" and len(calls) == 2
    assert step.reminder in told(calls[1])
    replies = iter([reply, json_of(**GOOD)])
    assert isinstance(taught(step, DRAFT, lambda call: next(replies))[0], Draft)


def test_without_a_gold_agreement_is_not_asked_for() -> None:
    draft = replace(DRAFT, example=replace(DRAFT.example, answer=None))
    said = {name: True for name in CRITERIA if name != "answer_agrees"}
    after, (call,) = taught(Validity(), draft, lambda call: json_of(**said))
    assert isinstance(after, Draft) and "Reference" not in told(call) and "answer_agrees" not in told(call)
    assert after.verdict and "answer_agrees" not in after.verdict.why


def test_refusals_and_missing_thoughts_are_named() -> None:
    after, _ = taught(Validity(), DRAFT, lambda call: "I'm sorry, but I can't.")
    assert isinstance(after, Dropped) and after.reason == "refused"
    after, calls = taught(Validity(), replace(DRAFT, final=None), lambda call: json_of(**GOOD))
    assert isinstance(after, Dropped) and after.reason == "no answer" and not calls


def test_other_criteria_are_another_version_and_whole_numbers_are_no_verdict() -> None:
    assert version_of(Validity()) != version_of(Validity(criteria={**CRITERIA, "grounded": "seen"}))
    assert isinstance(read_criteria('{"a": 1}', ["a"]), Dropped)
    assert read_criteria('{"a": true, "b": false}', ["a"]) == {"a": True}
