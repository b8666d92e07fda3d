"""Each measure of a completion, on texts whose number is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seethink import verify
from seethink.attempt import agreement, judge
from seethink.formats import THINK_ANSWER, stated
from seethink.train.diagnosis import MEASURES, REFLECTION, measured
from seethink.types import Completion, CoordinateFrame, Example, Response, Rollout, Score, Task, Verifier

FRAME = CoordinateFrame("thousandths", (200, 100), (1000, 1000))


def rollout(
    thought: str,
    answer: str,
    verifier: Verifier = verify.same_answer,
    frame: CoordinateFrame | None = None,
    gold: str = "5",
    choices: tuple[str, ...] = (),
) -> tuple[Rollout, Task]:
    asked = Example("e", "?", answer=gold, choices=choices)
    parts = verify.weighted(correct=(verifier, 1.0), format=(verify.well_formed, 0.5))
    task = Task("t", [asked], THINK_ANSWER, parts)
    return judge(task, asked, Completion(THINK_ANSWER.write(thought, answer), frame=frame)), task


def number(measure: str, text: str) -> float | None:
    found, task = rollout("I see", "5")
    return measured(replace(found, response=replace(found.response, text=text)), task)[
        f"completions/{measure}"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Wait, that is 4.",
        "Let me check it.",
        "Checking again",
        "Aha!",
        "Possibly 4",
        "it is possible",
        "to verify",
    ],
)
def test_a_word_of_the_list_is_a_reflection(text: str) -> None:
    assert number("reflection_ratio", text) == 1


@pytest.mark.parametrize(
    "text", ["The waiter has a bow.", "Ahab", "yeti", "unchecked", "", "There are 4 dogs."]
)
def test_another_word_is_none(text: str) -> None:
    assert number("reflection_ratio", text) == 0


def test_the_words_are_those_of_visualthinker() -> None:
    words = ("aha", "check", "possibl", "verify", "wait", "yet")
    assert (
        all(REFLECTION.fullmatch(word) for word in words) and REFLECTION.pattern.count("|") == len(words) - 1
    )


def test_repetition_is_the_share_of_runs_of_six_words_that_occurred_before() -> None:
    once = "one two three four five six"
    assert number("repeated_ratio", once) == 0
    assert number("repeated_ratio", f"{once} {once}") == pytest.approx(1 / 7)
    assert number("repeated_ratio", "no " * 105) == pytest.approx(0.99)


BOXES = '[{"bbox_2d": [0, 0, 500, 500]}, {"bbox_2d": [0, 0, 9, 9]}]'


@pytest.mark.parametrize(
    ("answer", "gold", "given", "wanted"),
    [
        (BOXES, "[0, 0, 100, 50]", 2, 1),
        ("none", "[0, 0, 100, 50]", 0, 1),
        (BOXES, "a dog", 2, None),
        ("a dog", "[0, 0, 100, 50]", None, None),
        ("5", "5", None, None),
        ("none", "5", None, None),
    ],
)
def test_boxes_are_counted_where_there_are_any(answer, gold, given, wanted) -> None:
    one, task = rollout("I look", answer, frame=FRAME, gold=gold)
    numbers = measured(one, task)
    assert (numbers["completions/mean_boxes"], numbers["completions/mean_reference_boxes"]) == (given, wanted)


# Thought and answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thought", "said"),
    [
        ("2 + 3 = 5.", "5"),
        ("So the answer is 7. Wait, it is 8.", "8"),
        ("Therefore \\boxed{12}.", "12"),
        ("Count the dogs. There are four.", "four"),
        ("I see 3 dogs and 4 cats.", None),
        ("Yes, the sky is blue", None),
        ("", None),
    ],
)
def test_what_a_thought_states(thought, said) -> None:
    assert stated(thought) == said


def never(example: Example, response: Response) -> Score:
    """A user's verifier that knows another reference, and must not be asked about this one."""
    assert example.answer == "5"
    return Score(float(response.answer == example.answer))


@pytest.mark.parametrize(
    ("verifier", "thought", "answer", "agrees"),
    [
        (verify.same_number, "2 + 3 = 5.", "5", True),
        (verify.same_number, "2 + 3 = 5.", "6", False),
        (verify.same_number, "So the answer is seven.", "7.0", True),
        (verify.same_number, "The answer is a dog.", "6", None),
        (verify.same_number, "I count them.", "6", None),
        (verify.yes_no, "So the answer is no.", "yes", False),
        (verify.same_choice, "The answer is B because it is red.", "B", True),
        (verify.same_choice, "So option (A) is right.", "B", False),
        (verify.same_choice, "The answer is cat.", "B", True),
        (never, "So the answer is 6", "6", True),
        (never, "So the answer is 5", "6", False),
        (verify.only_if(never, verify.same_number), "So the answer is 6", "6", True),
    ],
)
def test_the_answer_is_compared_with_what_the_thought_states_by_the_tasks_rules(
    verifier, thought, answer, agrees
) -> None:
    """Whatever is right, here 5 or the second option."""
    options = dict(choices=("dog", "cat"), gold="B") if verifier is verify.same_choice else {}
    one, task = rollout(thought, answer, verifier, **options)
    value = agreement(task, one).value
    assert value == (None if agrees is None else float(agrees))
    assert MEASURES["completions/thought_agrees_ratio"](one, task) == value


def test_boxes_of_a_thought_are_compared_where_they_lie() -> None:
    task_verifier = verify.VERIFIERS["box_iou"]
    for said, agrees in (("[0, 0, 500, 500]", 1.0), ("[0, 0, 500, 450]", 1.0), ("[600, 0, 900, 90]", 0.0)):
        thought = f"The answer is {said}."
        one, task = rollout(thought, "[0, 0, 500, 500]", task_verifier, FRAME, gold="[0, 0, 9, 9]")
        assert MEASURES["completions/thought_agrees_ratio"](one, task) == agrees


def test_a_judge_is_not_asked() -> None:
    class Judge:
        uses_judge = True

        def prefetch(self, pairs: Any) -> None:
            raise AssertionError("a question too many")

        def __call__(self, example: Example, response: Response) -> Score:
            return Score(1.0)

    one, task = rollout("So the answer is 6", "6", verify.first_of(verify.same_number, Judge()))
    assert verify.rules(task.verifier, "correct") == (verify.same_number,)
    assert agreement(task, one).value == 1.0
