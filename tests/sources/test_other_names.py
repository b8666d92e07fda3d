"""Columns that a dialect does not name: renamed where they are known, kept in meta where they do no harm,
refused where they may be meant for something."""

from __future__ import annotations

import base64
import datetime
import json

import pyarrow
import pyarrow.parquet
import pytest

from seethink.check import Preflight, check
from seethink.formats import THINK_ANSWER
from seethink.media import Image
from seethink.sources.records import read
from seethink.types import InputError
from tests.sources.pictures import png

ASKED = [{"role": "user", "content": "<image>How many?"}]
SAID = {"role": "assistant", "content": "3"}
PICTURE = base64.b64encode(png()).decode()


def turn(content):
    return {"role": "user", "content": content}


GOOD = {"image": "a.png", "question": "How many?", "answer": "3"}


def written(folder, *rows):
    path = folder / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(folder, row):
    with pytest.raises(InputError) as caught:
        read(written(folder, row))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "row",
    [
        {"message": json.dumps(ASKED), "images": ["a.png"], "answer": "3"},
        {"message": ASKED, "images": ["a.png"], "label": "3"},
        {"input": ASKED, "image_url": "a.png", "label": ["3"]},
        {"context_messages": ASKED, "image": "a.png", "answer": "3"},
        {"conversations": ASKED, "answer": "3", "image_urls": ["a.png"]},
        {"conversations": json.dumps(ASKED), "answer": "3", "image_urls": '["a.png"]'},
        {"texts": [{"user": "<image>How many?", "assistant": "3", "source": "x"}], "images": ["a.png"]},
        {"prompt": "<image>How many?", "response": "3", "image": "a.png"},
        {"prompt": json.dumps(ASKED), "ground_truth": "3", "image": "a.png"},
        {"problem": "<image>How many?", "ground_truth": "3", "image": "a.png"},
        {"query": "<image>How many?", "answer": "3", "image": "a.png"},
        {"query": "<image>How many?", "label": ["3"], "image": "a.png"},
        {"problem": "<image>How many?", "data_type": "image", "path": "a.png", "solution": "3"},
        {"query": "<img>a.png</img>How many?", "response": "3"},
        {"messages": [turn([{"image": "a.png"}, {"text": "How many?"}])], "solution": "3"},
        {"messages": [turn([{"type": None, "image": "a.png"}, {"text": "How many?"}])], "solution": "3"},
        {"messages": [{"role": "user", "content": "<image>a.png</image>How many?"}], "solution": "3"},
    ],
)  # fmt: skip
def test_one_question_under_the_names_of_other_trainers(folder, row):
    (example,) = read(written(folder, row))
    assert (example.question, example.answer) == ("<image>How many?", "3")
    assert example.media == (Image.file(folder / "a.png"),)


@pytest.mark.parametrize(
    "options",
    [
        *(["cat", "dog"], "['cat', 'dog']", ["A. cat", "B. dog"], ["(A) cat", "(B) dog"]),
        *(
            {"A": "cat", "B": "dog"},
            '{"A": "cat", "B": "dog"}',
            {"text": ["cat", "dog"], "label": ["A", "B"]},
        ),
    ],
)
def test_options_in_any_layout_are_choices(folder, options):
    (example,) = read(written(folder, {"question": "Which?", "options": options, "answer": "B"}))
    assert example.choices == ("cat", "dog")


def test_options_without_all_their_letters_are_as_they_are(folder):
    row = {"question": "Which?", "options": ["A. cat", "C. dog"], "answer": "A. cat"}
    assert read(written(folder, row))[0].choices == ("A. cat", "C. dog")


def test_a_medium_named_in_the_text_has_its_place_among_those_of_columns(folder):
    row = {"query": "<image> or <img>b.png</img>?", "response": "left", "images": ["a.png"]}
    (example,) = read(written(folder, row))
    assert example.question == "<image> or <image>?"
    assert [medium.where for medium in example.media] == [str(folder / name) for name in ("a.png", "b.png")]


def test_a_url_of_a_file_that_is_there_is_its_path(folder):
    (folder / "with space.png").write_bytes(png())
    rows = [{**GOOD, "image": f"file://{folder}/{name}"} for name in ("a.png", "with%20space.png")]
    assert [one.media[0].where for one in read(written(folder, *rows))] == [
        str(folder / name) for name in ("a.png", "with space.png")
    ]


def test_verdicts_and_classes_are_no_answers(folder):
    assert "the column 'label' is a verdict" in refused(folder, {"prompt": "?", "label": True})
    assert "the column 'label' is a verdict" in refused(folder, {"prompt": "?", "label": 1})


# verl


def verl(truth, **columns):
    return {"data_source": "x", "prompt": ASKED, "images": ["a.png"], "reward_model": truth, **columns}


@pytest.mark.parametrize(
    "truth",
    [
        *({"ground_truth": 3}, {"ground_truth": ["3"]}, {"ground_truth": {"target": ["3"]}}),
        *('{"ground_truth": "3"}', "{'style': 'rule', 'ground_truth': '3'}"),
    ],
)
def test_the_truth_of_verl_is_the_answer(folder, truth):
    (example,) = read(written(folder, verl(truth, ability="math", agent_name="tool_agent")))
    assert (example.answer, example.question) == ("3", "<image>How many?")
    assert example.meta == {"data_source": "x", "ability": "math", "agent_name": "tool_agent"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (verl({"style": "model"}), "there is no answer; give the ground_truth in reward_model"),
        (verl("3"), "reward_model must be {ground_truth: ...}, not '3'"),
        (
            verl({"ground_truth": "3"}, prompt=[*ASKED, {"role": "assistant", "content": "3"}]),
            "the prompt ends",
        ),
    ],
)
def test_rows_of_verl_that_cannot_be_read_are_refused(folder, row, why):
    assert why in refused(folder, row)


# Further columns


def test_further_columns_are_kept_in_meta_and_named_by_check(folder):
    beside = {"model": "x", "width": 640, "image_id": 5, "question_type": "count", "filename": "COCO_1.jpg"}
    rows = [{**GOOD, **beside}, {**GOOD, "question": "How old?", "model": "y", "note": "", "tools": "[]"}]
    path = written(folder, *rows)
    first, second = read(path)
    assert first.meta == beside and second.meta == {"model": "y"}
    report = check(Preflight(path, THINK_ANSWER))
    assert report.clean and report.further == {"model": 2, **dict.fromkeys([*beside][1:], 1)}


def test_the_whole_prompt_beside_alpacas_columns_is_kept(folder):
    row = {"instruction": "How many?", "input": "", "output": "3", "text": "### Instruction"}
    assert read(written(folder, row))[0].meta == {"text": "### Instruction"}


def test_dates_of_tables_are_kept_as_text(folder):
    row = {**GOOD, "made": datetime.datetime(2026, 1, 2), "weights": [0.5], "none": None}
    path = folder / "my.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    assert read(path)[0].meta == {"made": "2026-01-02 00:00:00", "weights": [0.5]}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**GOOD, "anwser": "4"}, "unknown column 'anwser'; did you mean 'answer'?"),
        ({"question": "?", "gold": "4"}, "unknown column 'gold'; the columns are id"),
        ({**GOOD, "messages": ASKED}, "unknown column 'messages'"),
        ({**GOOD, "rationale": "1 + 2"}, "unknown column 'rationale'; did you mean 'steps'?"),
        ({**GOOD, "second": "b.png"}, "unknown column 'second'; it holds a picture or a clip"),
        ({"question": "?", "answer": "3", "img": "gone.jpg"}, "unknown column 'img'; it holds a picture"),
        ({"question": "?", "answer": "3", "img_key": "000017"}, None),
        ({"question": "?", "answer": "3", "img_key": "part/17"}, "unknown column 'img_key'; it holds a pict"),
        (
            {**GOOD, "other": f"data:image/png;base64,{base64.b64encode(png()).decode()}"},
            "it holds a picture",
        ),
    ],
)
def test_a_column_that_may_be_meant_for_something_is_refused(folder, row, why):
    if why is None:
        assert read(written(folder, row))
    else:
        assert why in refused(folder, row)


def test_a_second_column_of_pictures_in_parquet_is_refused(folder):
    picture = {"bytes": png(), "path": None}
    row = {"question": "?", "answer": "3", "image": picture, "image_2": picture}
    path = folder / "my.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    with pytest.raises(InputError, match="unknown column 'image_2'; it holds a picture or a clip"):
        read(path)


def test_pairs_under_the_names_of_ms_swift_can_be_checked(folder):
    said = [{"role": "assistant", "content": "Two."}]
    row = {"messages": [*ASKED, *said], "images": ["a.png"], "margin": 0.5}
    worse = {"rejected_response": "Three."}, {"rejected_messages": [*ASKED, said[0] | {"content": "Four."}]}
    report = check(Preflight(written(folder, *({**row, **one} for one in worse)), THINK_ANSWER))
    assert (report.dialect, report.rows, report.further) == ("preferences", 2, {"margin": 2})
    assert report.clean
