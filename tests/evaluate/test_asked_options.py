"""Options that a question lists in its text, and those of an answer's own row in another order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seethink.evaluate.asked_options import in_own_order
from seethink.evaluate.importers import ImportedAnswer
from seethink.evaluate.matching import OTHER_OPTIONS, join
from seethink.types import Example, Response
from seethink.verify import same_choice
from seethink.verify.listed_options import listed_options, with_listed_options
from tests.cli.test_rescore import rescored, wide
from tests.evaluate.layouts import data_uri, inspect_members, lines, zstd_zip

__all__ = ["wide"]


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("What is it?\nA. cat\nB. dog", ("cat", "dog")),
        ("What is it?\n\n(A) cat\n(B) dog\n\nAnswer with the letter.", ("cat", "dog")),
        ("What is it?\nA) cat\nB) dog\nC) a cow", ("cat", "dog", "a cow")),
        ("Where?\nOptions: A: on it, B: under it\nAnswer with the letter.", ("on it", "under it")),
        ("Which? (A) 1 (B) 2 (C) 3", ("1", "2", "3")),
        ("Example\nA. x\nB. y\nAnswer: A\nNow you\nA. cat\nB. dog\nC. cow", ("cat", "dog", "cow")),
        ("How many dots are there?", ()),
        ("What did A. Smith paint?", ()),
    ],
)  # fmt: skip
def test_options_are_read_from_the_question(question, options):
    assert listed_options(question) == options


@pytest.mark.parametrize(
    ("gold", "is_choice"),
    [("B", True), ("(A)", True), ("dog", True), ("C", False), ("cow", False), (None, False)],
)
def test_a_question_is_one_of_choice_where_the_gold_is_an_option_that_it_lists(gold, is_choice):
    example = Example("1", "What is it?\nA. cat\nB. dog", answer=gold)
    assert with_listed_options(example).choices == (("cat", "dog") if is_choice else ())
    asked = with_listed_options(Example("1", "What is it?", answer=gold), "What is it? A. cat B. dog")
    assert bool(asked.choices) is is_choice


@pytest.mark.parametrize(
    ("texts", "gold", "own", "found"),
    [
        (("red", "blue"), "A", ("blue", "red"), "B"),
        (("red", "blue"), "A", ("A. blue", "B. Red"), "B"),
        (("red", "blue"), "(A)", ("red", "blue"), "(A)"),
        (("red", "blue"), "red", ("blue", "red"), "red"),
        (("1", "2", "3"), "C", ("3", "1", "2"), "A"),
        (("1", "2", "3"), "A, C", ("2", "3", "1"), "B, C"),
        (("a", "red", "z"), "B", ("red", "z", "a"), "A"),
        (("x", "x", "y"), "C", ("y", "x", "x"), "A"),
    ],
)
def test_the_gold_is_in_the_letters_of_the_rows_own_order(texts, gold, own, found):
    asked = in_own_order(Example("1", "?", answer=gold, choices=texts), own)
    assert asked is not None and asked.answer == found


@pytest.mark.parametrize("own", [("red", "green"), ("red",), ("red", "blue", "green"), ("red", "red")])
def test_a_row_with_other_options_is_refused_by_name(own):
    example = Example("1", "Which?", answer="A", choices=("red", "blue"))
    joined = join([ImportedAnswer("f, row 1", "A", "Which?", choices=own)], [example])
    assert joined.refused == {OTHER_OPTIONS: ["f, row 1"]} and not joined.pairs


def test_a_letter_of_a_prompt_that_lists_the_options_in_another_order_means_its_own():
    example = Example("1", "Which?", answer="A", choices=("red", "blue"))
    prompt = "Which?\nA. blue\nB. red\nAnswer with the letter."
    asked = in_own_order(example, (), prompt)
    assert asked is not None and (asked.choices, asked.answer) == (("blue", "red"), "B")
    assert in_own_order(example, (), "Which?\nA. blue\nB. green") == example


def test_letters_of_a_file_with_the_options_in_another_order_mean_its_own(capsys):
    """An .eval with shuffled choices, and a circular table."""
    data = lines(
        Path("data.jsonl"),
        {"question": "Which?", "image": data_uri("red"), "choices": ["red", "blue"], "answer": "B"},
    )  # fmt: skip
    members = {k: v for k, v in inspect_members().items() if not k.startswith("samples/")}
    picture = {"type": "image", "image": data_uri("red")}
    content = [picture, {"type": "text", "text": "Which?"}]
    for epoch, (said, right) in enumerate((("A", "C"), ("B", "I"), ("blue", "C")), 1):
        members[f"samples/1_epoch_{epoch}.json"] = {
            "id": 1,
            "input": [{"role": "user", "content": content}],
            "choices": ["blue", "red"],
            "target": "A",
            "output": {"completion": f"ANSWER: {said}"},
            "scores": {"choice": {"value": right}},
        }
    packed = {name: json.dumps(value).encode() for name, value in members.items()}
    rows, _, out = rescored(capsys, zstd_zip(Path("t.eval"), packed), "--data", data)
    assert [row["correct"] for row in rows] == [1.0, 0.0, 1.0]
    assert {(row["gold"], *row["choices"]) for row in rows} == {("A", "blue", "red")}
    assert "3 rows with the options in another order than in the data" in out
    assert "they disagree on 0" in out and "another gold" not in out


@pytest.mark.parametrize("said", ["B", "B. Right", "(B) right", "B: Right", "Option B is correct", "Right"])
def test_answers_to_a_question_that_lists_its_options_are_those_of_a_choice(said, capsys):
    row = {
        "doc_id": 0,
        "input": "Where?\n\nA. Left\nB. Right\nPlease answer with the letter.",
        "target": "B",
        "filtered_resps": said,
    }
    rows, _, out = rescored(capsys, lines(Path("x_samples_t.jsonl"), row))
    assert [row["correct"] for row in rows] == [1.0] and "a letter as the gold" not in out


def test_a_letter_of_options_that_are_nowhere_is_said_once(capsys):
    rows = [{"doc_id": i, "input": f"Which of {i}?", "target": "B", "filtered_resps": "B"} for i in range(4)]
    found, _, out = rescored(capsys, lines(Path("x_samples_t.jsonl"), *rows))
    assert [row["correct"] for row in found] == [1.0] * 4
    assert "4 rows with a letter as the gold and no options" in out


def test_options_that_are_letters_are_not_their_places():
    asked = in_own_order(Example("1", "?", answer="B", choices=("a", "red", "z")), ("red", "z", "a"))
    assert asked is not None
    scores = [same_choice(asked, Response(text, answer=text)).value for text in ("A", "red", "C")]
    assert scores == [1.0, 1.0, 0.0]
