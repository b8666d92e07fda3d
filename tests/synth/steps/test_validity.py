from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest

from seethink.media import Image
from seethink.synth.chain import step_version
from seethink.synth.draft import Draft, Dropped
from seethink.synth.steps.validity import CRITERIA, ValidityStep, read_criteria
from seethink.types import Example
from tests.synth.steps.run_step import as_json, run_step, text_of

PICTURE = Image.drawn("p", lambda: PIL.Image.new("RGB", (64, 48)))
DRAFT = Draft(
    Example("one", "How many dots are there?", (PICTURE,), "3"), thought="One, two.", final="Answer: 2"
)
GOOD = dict.fromkeys(CRITERIA, True)


def test_a_judge_sees_image_reference_thought_and_answer() -> None:
    after, (call,) = run_step(ValidityStep(), DRAFT, lambda call: as_json(**GOOD))
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed
    assert replace(after, verdict=None) == DRAFT
    assert (call.step, call.role) == ("validity", "judge")
    assert call.messages[0]["content"][0] == {"type": "image", "image": PICTURE}
    assert "Reference answer:\n<<<\n3\n>>>" in text_of(call)
    assert "Response:\n<<<\nOne, two.\n\nAnswer: 2\n>>>" in text_of(call)
    assert all(f"\n{name}: {what}" in text_of(call) for name, what in CRITERIA.items())
    assert call.schema and call.schema["required"] == [*CRITERIA]


@pytest.mark.parametrize("name", CRITERIA)
def test_one_failed_criterion_drops_the_example_and_is_named(name: str) -> None:
    after, calls = run_step(
        ValidityStep(), DRAFT, lambda call: f"So: ```json\n{as_json(**{**GOOD, name: False})}\n```"
    )
    assert isinstance(after, Dropped) and after.reason == "invalid" and len(calls) == 1
    assert after.why == f"the judge says no to {name}"


@pytest.mark.parametrize(
    "reply",
    [
        "All is well.",
        as_json(**GOOD)[:-9],
        as_json(steps_correct=True),
        as_json(**{**GOOD, "grounded": "yes"}),
    ],
)
def test_an_unreadable_reply_is_retried_and_then_dropped(reply: str) -> None:
    step = ValidityStep(retries=1)
    after, calls = run_step(step, DRAFT, lambda call: reply)
    assert isinstance(after, Dropped) and after.reason == "not JSON" and len(calls) == 2
    assert step.reminder in text_of(calls[1])
    replies = iter([reply, as_json(**GOOD)])
    assert isinstance(run_step(step, DRAFT, lambda call: next(replies))[0], Draft)


def test_without_a_reference_answer_agreement_is_no_criterion() -> None:
    draft = replace(DRAFT, example=replace(DRAFT.example, answer=None))
    reply = {name: True for name in CRITERIA if name != "answer_agrees"}
    after, (call,) = run_step(ValidityStep(), draft, lambda call: as_json(**reply))
    assert (
        isinstance(after, Draft) and "Reference" not in text_of(call) and "answer_agrees" not in text_of(call)
    )
    assert after.verdict and "answer_agrees" not in after.verdict.why


def test_refusals_and_missing_thoughts_are_named() -> None:
    after, _ = run_step(ValidityStep(), DRAFT, lambda call: "I'm sorry, but I can't.")
    assert isinstance(after, Dropped) and after.reason == "refused"
    after, calls = run_step(ValidityStep(), replace(DRAFT, final=None), lambda call: as_json(**GOOD))
    assert isinstance(after, Dropped) and after.reason == "no answer" and not calls


def test_other_criteria_are_another_version_and_whole_numbers_are_no_verdict() -> None:
    assert step_version(ValidityStep()) != step_version(
        ValidityStep(criteria={**CRITERIA, "grounded": "seen"})
    )
    assert isinstance(read_criteria('{"a": 1}', ["a"]), Dropped)
    assert read_criteria('{"a": true, "b": false}', ["a"]) == {"a": True}
