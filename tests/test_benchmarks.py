from __future__ import annotations

from pathlib import Path

import pytest

from seethink import benchmarks, formats, identity
from seethink.attempt import judge
from seethink.benchmarks import BENCHMARKS, Benchmark, Questions
from seethink.sources import published
from seethink.sources.published import DATA_SETS
from seethink.types import Completion, InputError
from tests.sources.published.files import whole, written
from tests.sources.published.seen import truths

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TESTS = list(BENCHMARKS.values())


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_a_benchmark_is_made_of_what_there_is(test: Benchmark):
    assert test.data in DATA_SETS and test.splits and set(test.splits) <= set(test.published.splits)
    assert test.form in formats.FORMATS and test.mode in ("suffix", "direct", "base")
    assert (test.mode == "direct") == (test.form == "answer_only")
    assert all(0 < value < 1 for value in test.claims.values())
    assert test.source and test.questions and test.decoding and test.seen
    boxes = "boxes" in test.verifier or "box_iou_50" in test.verifier
    assert not (boxes and test.view.picture_px), "golds in pixels demand whole pictures"


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_a_benchmark_becomes_a_task_without_opening_anything(test: Benchmark, tmp_path):
    task = test.task(tmp_path)
    assert task.name == test.name and task.format.name == test.form and task.headline == "correct"


def test_the_page_of_benchmarks_is_what_the_tables_say():
    assert PAGE.read_text() == benchmarks.page(), (
        "write it anew: python -m seethink.benchmarks > docs/benchmarks.md"
    )


def test_an_unknown_task_is_answered_with_a_near_one():
    with pytest.raises(InputError, match="unknown task 'mvbensh'; did you mean mvbench"):
        benchmarks.by_name("mvbensh")


def test_right_answers_earn_one_and_wrong_ones_nothing_whatever_their_form_costs(tmp_path):
    truths("superclevr_test200_counting_problems.jsonl", *[3] * 200)(tmp_path)
    task = BENCHMARKS["superclevr_200"].task(tmp_path)
    assert len(task.examples) == 200 and identity.of_task(task)["questions"] == 200
    example = task.examples[7]
    paid = {
        said: judge(task, example, Completion(said)).score.value
        for said in (
            "<think>One, two, three.</think><answer>3</answer>",
            "no thought <answer>3</answer>",
            "<think>One, two.</think><answer>2</answer>",
        )
    }
    assert list(paid.values()) == [1.0, 1.0, 0.0]


def test_another_format_may_be_asked_for(tmp_path):
    task = BENCHMARKS["superclevr_200"].task(tmp_path, "answer_only")
    assert task.format.name == "answer_only"


# Questions ------------------------------------------------------------------------------------------------


def expressions(folder: Path, split: str, n: int) -> None:
    written(folder, "train2014/0.png")
    row = {"image": "train2014/0.png", "solution": [1, 2, 3, 4]}
    rows = [row | {"problem": f"Where is {split} {i}?"} for i in range(n)]
    whole(folder / f"refcoco_{split}.json", rows)


def questions(folder: Path, *splits: str, at_most: int | None = None) -> Questions:
    return Questions(tuple(published.load("refcoco", split, folder) for split in splits), at_most)


def test_so_many_questions_are_drawn_and_always_the_same(tmp_path):
    expressions(tmp_path, "val", 30)
    drawn = [example.question for example in questions(tmp_path, "val", at_most=10)]
    assert len(set(drawn)) == 10 and drawn != [f"Where is val {i}?" for i in range(10)]
    assert drawn == [example.question for example in questions(tmp_path, "val", at_most=10)]
    assert drawn == sorted(drawn, key=lambda told: int(told.split()[-1][:-1]))
    assert len(questions(tmp_path, "val", at_most=40)) == len(questions(tmp_path, "val")) == 30


def test_several_splits_are_one_test_in_order(tmp_path):
    expressions(tmp_path, "val", 2)
    expressions(tmp_path, "train", 3)
    both = questions(tmp_path, "val", "train")
    asked = [f"Where is {name}?" for name in ("val 0", "val 1", "train 0", "train 1", "train 2")]
    assert [example.question for example in both] == asked
    assert [example.question for example in both[1:4]] == asked[1:4] and both[-1].question == asked[-1]
    assert len({example.id for example in both}) == 5
    with pytest.raises(IndexError):
        both[5]


def test_the_identity_of_questions_tells_parts_and_number(tmp_path):
    told = {
        questions(tmp_path, "val").identity,
        questions(tmp_path, "val", "train").identity,
        questions(tmp_path, "val", at_most=10).identity,
    }
    assert len(told) == 3
