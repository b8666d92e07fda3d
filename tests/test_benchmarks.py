from __future__ import annotations

from pathlib import Path

import pytest

from seethink import benchmarks, formats, identity
from seethink.attempt import judge
from seethink.benchmarks import BENCHMARKS, Benchmark, BenchmarkExamples
from seethink.sources import published
from seethink.sources.published import DATA_SETS
from seethink.types import Completion, InputError
from tests.sources.published.files import whole, written
from tests.sources.published.vision_layouts import truths

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TESTS = list(BENCHMARKS.values())


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_a_benchmark_names_existing_data_formats_and_verifiers(test: Benchmark):
    assert test.data in DATA_SETS and test.splits and set(test.splits) <= set(test.published.splits)
    assert test.format in formats.FORMATS and test.prompt_mode in ("suffix", "direct", "base")
    assert (test.prompt_mode == "direct") == (test.format == "answer_only")
    assert all(0 < value < 1 for value in test.claims.values())
    assert test.source and test.questions and test.decoding and test.resolution
    boxes = "boxes" in test.verifier or "box_iou_50" in test.verifier
    assert not (boxes and test.view.max_image_px), "golds in pixels demand whole pictures"


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_a_benchmark_becomes_a_task_without_opening_anything(test: Benchmark, tmp_path):
    task = test.task(tmp_path)
    assert task.name == test.name and task.format.name == test.format and task.headline == "correct"


def test_the_page_of_benchmarks_is_what_the_tables_say():
    assert PAGE.read_text(encoding="utf-8") == benchmarks.page(), (
        "generate it again: python -m seethink.benchmarks > docs/benchmarks.md"
    )


def test_an_unknown_benchmark_is_answered_with_a_near_one():
    with pytest.raises(InputError, match="unknown benchmark 'mvbensh'; did you mean mvbench"):
        benchmarks.by_name("mvbensh")


def test_correct_answers_score_one_and_wrong_ones_zero_whatever_their_format(tmp_path):
    truths("superclevr_test200_counting_problems.jsonl", *[3] * 200)(tmp_path)
    task = BENCHMARKS["superclevr_200"].task(tmp_path)
    assert len(task.examples) == 200 and identity.of_task(task)["questions"] == 200
    example = task.examples[7]
    scores = {
        text: judge(task, example, Completion(text)).score.value
        for text in (
            "<think>One, two, three.</think><answer>3</answer>",
            "no thought <answer>3</answer>",
            "<think>One, two.</think><answer>2</answer>",
        )
    }
    assert list(scores.values()) == [1.0, 1.0, 0.0]


def test_another_format_can_be_chosen(tmp_path):
    task = BENCHMARKS["superclevr_200"].task(tmp_path, "answer_only")
    assert task.format.name == "answer_only"


# Questions ------------------------------------------------------------------------------------------------


def expressions(folder: Path, split: str, n: int) -> None:
    written(folder, "train2014/0.png")
    row = {"image": "train2014/0.png", "solution": [1, 2, 3, 4]}
    rows = [row | {"problem": f"Where is {split} {i}?"} for i in range(n)]
    whole(folder / f"refcoco_{split}.json", rows)


def questions(folder: Path, *splits: str, max_examples: int | None = None) -> BenchmarkExamples:
    return BenchmarkExamples(
        tuple(published.load("refcoco", split, folder) for split in splits), max_examples
    )


def test_a_larger_set_is_sampled_always_the_same_way(tmp_path):
    expressions(tmp_path, "val", 30)
    drawn = [example.question for example in questions(tmp_path, "val", max_examples=10)]
    assert len(set(drawn)) == 10 and drawn != [f"Where is val {i}?" for i in range(10)]
    assert drawn == [example.question for example in questions(tmp_path, "val", max_examples=10)]
    assert drawn == sorted(drawn, key=lambda question: int(question.split()[-1][:-1]))
    assert len(questions(tmp_path, "val", max_examples=40)) == len(questions(tmp_path, "val")) == 30


def test_several_splits_are_one_test_in_order(tmp_path):
    expressions(tmp_path, "val", 2)
    expressions(tmp_path, "train", 3)
    both = questions(tmp_path, "val", "train")
    expected = [f"Where is {name}?" for name in ("val 0", "val 1", "train 0", "train 1", "train 2")]
    assert [example.question for example in both] == expected
    assert [example.question for example in both[1:4]] == expected[1:4] and both[-1].question == expected[-1]
    assert len({example.id for example in both}) == 5
    with pytest.raises(IndexError):
        both[5]


def test_the_identity_of_questions_depends_on_parts_and_number(tmp_path):
    identities = {
        questions(tmp_path, "val").identity,
        questions(tmp_path, "val", "train").identity,
        questions(tmp_path, "val", max_examples=10).identity,
    }
    assert len(identities) == 3
