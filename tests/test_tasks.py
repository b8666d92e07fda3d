"""Tasks from a user's file in Python: reward weights, and a judge beside the rules."""

from __future__ import annotations

import json

import pytest

from seethink import verify
from seethink.formats import THINK_ANSWER
from seethink.systems import verifier
from seethink.tasks import (
    GoldTraces,
    load_pairs,
    load_task,
    parse_reward_weights,
    weighted_reward,
    with_judge,
)
from seethink.types import Completion, Example, InputError, Response, Task
from seethink.verify.judge import Judge, StepsJudge

EXAMPLE = Example("a", "How many?", answer="3", steps=("I count 3.",))
RIGHT = Response("<think>I count.</think><answer>3</answer>", "I count.", "3")
BROKEN = Response("The answer is 3.", answer="3", fault="no tags")


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "my.jsonl"
    rows = [{"question": "How many?", "answer": answer, "steps": ["I count."]} for answer in ("3", "4")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_a_task_from_a_file_rewards_answer_and_format_as_the_command_line_does(data):
    task = load_task(data, verifier="same_number")
    assert (task.name, len(task.examples), task.format.name) == ("my", 2, "think_answer")
    assert [(name, weight) for name, _, weight in task.verifier.parts] == [("correct", 1.0), ("format", 0.5)]
    assert task.verifier(task.examples[0], RIGHT).value == 1.0
    assert task.verifier(task.examples[0], BROKEN).value == pytest.approx(1 / 1.5)


def test_a_task_takes_names_verifiers_and_options_of_media(data, tmp_path):
    published = verifier("same_math@open_r1_multimodal")
    options = {"media_root": tmp_path, "num_frames": 4, "frame_interval": 2.0}
    task = load_task(data, "answer_only", "system", published, {"correct": 1.0}, **options)
    assert (task.format.name, task.format.prompt_mode) == ("answer_only", "system")
    assert [part for name, part, _ in task.verifier.parts if name == "correct"] == [published]
    with pytest.raises(InputError, match="unknown verifier 'same_numbr'"):
        load_task(data, verifier="same_numbr")


def test_a_task_from_a_drawn_world():
    task = load_task("drawn:counting:5", verifier="same_number")
    assert (task.name, len(task.examples)) == ("drawn:counting:5", 5)


def test_an_unknown_method_of_a_row_is_refused_where_rows_choose_their_verifier(data):
    row = {"question": "?", "answer": "3", "meta": {"accu_reward_method": "guess"}}
    data.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(InputError, match="accu_reward_method 'guess'"):
        load_task(data)
    assert load_task(data, verifier="same_number").name == "my"


def test_pairs_from_a_file(data):
    data.write_text(
        json.dumps({"prompt": "How many?", "chosen": "Three.", "rejected": "Four."}), encoding="utf-8"
    )
    (pair,) = load_pairs(data, "answer_only")
    assert (pair.better, pair.worse, pair.format.name) == ("Three.", "Four.", "answer_only")


# Reward weights -------------------------------------------------------------------------------------------


def test_a_part_of_weight_0_is_a_metric():
    for weights in ({"correct": 1.0, "format": 0.0}, {"correct": 2.0}):
        score = weighted_reward(verify.same_number, weights)(EXAMPLE, BROKEN)
        assert score.value == 1.0 and score.parts["format"].value == 0.0


def test_reward_weights_are_read_from_text():
    assert parse_reward_weights("correct=1, format=0.5") == {"correct": 1.0, "format": 0.5}


@pytest.mark.parametrize("text", ["", "correct", "correct=", "=1", "correct=much", "correct=1,,format=1"])
def test_text_that_is_no_reward_weight_is_refused(text):
    with pytest.raises(InputError, match="no reward weight; write PART=NUMBER, PART one of correct, format"):
        parse_reward_weights(text)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"corect": 1.0}, "unknown part of the reward 'corect'; did you mean correct.*format"),
        ({"correct": -1.0}, "correct=-1.0 is not a finite number"),
        ({"correct": float("nan")}, "correct=nan is not a finite number"),
        ({"correct": float("inf")}, "correct=inf is not a finite number"),
        ({"correct": 0.0, "format": 0.0}, "no part has a positive reward weight; known parts: correct, form"),
        ({}, "no part has a positive reward weight"),
    ],
)
def test_impossible_reward_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        weighted_reward(verify.same_number, weights)


# A judge --------------------------------------------------------------------------------------------------


class RightJudge:
    """An engine whose verdict is always right, and whose grades are always 8."""

    def __init__(self) -> None:
        self.prompts = 0

    def generate(self, conversations, sampling):
        self.prompts += len(conversations)
        return [[Completion("VERDICT: right")] for _ in conversations]


def unjudged_task() -> Task:
    examples = [Example("a", "What?", answer="red"), Example("b", "How many?", answer="3")]
    return Task("t", examples, THINK_ANSWER, weighted_reward(verify.same_number))


def test_a_judge_decides_where_the_rules_cannot_and_the_rules_stay_as_a_metric():
    engine = RightJudge()
    task = with_judge(unjudged_task(), Judge("m", engine))
    text, number = task.examples
    judged = task.verifier(text, Response("", "t", "crimson"))
    ruled = task.verifier(number, Response("", "t", "4"))
    assert (judged.parts["correct"].value, judged.parts["rules"].value) == (1.0, None)
    assert (ruled.parts["correct"].value, ruled.parts["rules"].value) == (0.0, 0.0)
    assert engine.prompts == 1
    assert {name: weight for name, _, weight in task.verifier.parts} == {
        "correct": 1.0, "format": 0.5, "rules": 0.0,
    }  # fmt: skip


def test_a_judge_of_all_answers_overrules_the_rules_and_a_second_one_grades_steps():
    engine = RightJudge()
    task = with_judge(unjudged_task(), Judge("m", engine), "all", StepsJudge("m", engine))
    score = task.verifier(task.examples[1], Response("", "t", "4"))
    assert (score.parts["correct"].value, score.parts["rules"].value) == (1.0, 0.0)
    assert task.verifier.parts[-1][0] == "steps" and task.verifier.parts[-1][2] == 0.0


def test_a_verifier_without_parts_gets_them():
    task = with_judge(Task("t", [EXAMPLE], THINK_ANSWER, verify.same_number), Judge("m", RightJudge()))
    assert [name for name, _, _ in task.verifier.parts] == ["correct", "rules"]


# Gold traces ----------------------------------------------------------------------------------------------


def test_gold_traces_are_the_steps_and_answers_in_the_tasks_format(data):
    traces = GoldTraces(load_task(data))
    assert [trace.text for trace in traces[:1]] == ["<think>I count.</think><answer>3</answer>"]
    assert traces.identity is None
    assert GoldTraces(load_task("drawn:counting:5")).identity is not None
