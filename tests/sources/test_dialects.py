"""Every dialect of the field: one row of each as its authors write it, what it becomes, what is refused."""

import base64
import json

import pytest

from seethink.boxes import Box, read_boxes
from seethink.media import Image
from seethink.sources import dialects
from seethink.sources.records import read
from seethink.sources.row_reader import read_rows
from seethink.types import InputError, Turn
from tests.sources.pictures import png


def written(folder, *rows):
    path = folder / "my.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def turn(role, content):
    return {"role": role, "content": content}


ASKED = turn("user", "<image>How many?")
SAID = "<think>1 + 2</think><answer>3</answer>"

ROWS = {
    "plain": {"image": "a.png", "question": "<image>How many?", "answer": 3, "steps": ["1 + 2"]},
    "hf columns": {"image": "a.png", "problem": "<image>How many?", "solution": SAID},
    "easyr1": {"images": ["a.png"], "problem": "<image>How many?", "answer": "3", "steps": "1 + 2"},
    "conversations": {
        "image": "a.png",
        "conversations": [
            {"from": "human", "value": "<image>How many?"},
            {"from": "gpt", "value": SAID},
        ],
    },
    "messages": {"images": ["a.png"], "messages": [ASKED, turn("assistant", SAID)]},
    "query": {"images": ["a.png"], "query": "<image>How many?", "response": SAID, "history": []},
    "trl": {
        "images": ["a.png"],
        "prompt": [turn("user", [{"type": "image"}, {"type": "text", "text": "How many?"}])],
        "solution": SAID,
    },
    "verl": {
        "data_source": "hiyouga/geometry3k",
        "prompt": [ASKED],
        "images": [{"image": "a.png"}],
        "reward_model": {"style": "rule", "ground_truth": "3"},
        "extra_info": {"index": 0},
        "steps": "1 + 2",
    },
    "eval": {"image_path": "a.png", "question": "<image>How many?", "ground_truth": 3, "steps": ["1 + 2"]},
    "vrc": {
        "idx": 7,
        "image": "a.png",
        "question": "<image>How many?",
        "final_answer": "3",
        "steps": "1 + 2",
    },
}


@pytest.mark.parametrize("name", ROWS)
def test_one_question_in_any_dialect_is_one_example(folder, name):
    path = written(folder, ROWS[name])
    assert dialects.dialect_of(read_rows(path)).name == name
    (example,) = read(path)
    assert (example.question, example.answer, example.steps) == ("<image>How many?", "3", ("1 + 2",))
    assert example.media == (Image.file(folder / "a.png"),)
    assert example.id == ("7" if name == "vrc" else "my-1")


def test_ms_swift_may_put_the_solution_beside_the_turns(folder):
    beside = {"messages": [ASKED], "images": ["a.png"], "solution": "3"}
    thinking = {"messages": [ASKED, turn("assistant", SAID)], "images": ["a.png"], "solution": "3"}
    first, second = read(written(folder, beside, thinking))
    assert (first.answer, first.steps) == ("3", ())
    assert (second.answer, second.steps) == ("3", ("1 + 2",))


def test_a_system_turn_or_column_is_the_first_turn_of_the_history(folder):
    said = [turn("system", "Be brief."), turn("user", "1 + 2?"), turn("assistant", "3")]
    in_turns, in_column, both = read(
        written(
            folder,
            {"messages": said},
            {"messages": said[1:], "system": "Be brief."},
            {"messages": said, "system": "Be long."},
        )
    )
    for example in (in_turns, in_column, both):
        assert (example.question, example.answer, example.meta) == ("1 + 2?", "3", {})
        assert example.history == (Turn("system", "Be brief."),)


def test_parts_of_a_turn_keep_the_place_of_each_picture(folder):
    parts = [
        {"type": "text", "text": "Is "},
        {"type": "image", "text": None},
        {"type": "text", "text": " like "},
        {"type": "image", "text": None},
        {"type": "text", "text": "?"},
    ]
    row = {"messages": [turn("user", parts), turn("assistant", "no")], "images": ["b.png", "a.png"]}
    (example,) = read(written(folder, row))
    a, b = (Image.file(folder / name) for name in ("a.png", "b.png"))
    assert example.parts() == ["Is ", b, " like ", a, "?"]


def test_llava_rows_take_one_picture_or_several_and_a_method_of_their_own(folder):
    turns = [{"from": "human", "value": "How many?"}, {"from": "gpt", "value": 3}]
    one = {"id": 1, "image": "a.png", "conversations": turns, "accu_reward_method": "mcq"}
    two = {"id": 2, "image": ["a.png", "b.png"], "conversations": turns}
    first, second = read(written(folder, one, two))
    assert (len(first.media), len(second.media)) == (1, 2)
    assert (first.meta, second.meta) == ({"accu_reward_method": "mcq"}, {})


def test_legacy_boxes_are_an_answer_that_the_verifiers_read(folder):
    row = {
        "image": "a.png",
        "problem": "Where is the cup?",
        "solution": [1, 2, 30, 40.5],
        "normal_caption": "the cup",
        "normalized_solution": [16, 42, 469, 844],
    }
    (example,) = read(written(folder, row))
    assert read_boxes(example.answer) == (Box(1, 2, 30, 40.5),)
    assert example.meta == {"normal_caption": "the cup", "normalized_solution": [16, 42, 469, 844]}


def test_open_r1_video_rows_are_hf_columns_with_a_clip(folder):
    from tests.films import clip

    clip(folder / "c.mp4", seconds=1)
    row = {
        "problem": "Who pours?\nA. she\nB. he",
        "solution": "<answer>A.</answer>",
        "video": "c.mp4",
        "original_question": "Who pours? Please answer.",
        "original_answer": "A. she",
    }
    (example,) = read(written(folder, row))
    assert (example.answer, [medium.kind for medium in example.media]) == ("A.", ["video"])
    assert example.meta["original_answer"] == "A. she"


def test_cv_bench_asks_the_prompt_that_holds_the_options(folder):
    row = {
        "idx": 12,
        "type": "2D",
        "task": "Count",
        "image": "a.png",
        "question": "How many?",
        "choices": ["2", "3"],
        "answer": "(B)",
        "prompt": "How many?\n(A) 2\n(B) 3",
    }
    (example,) = read(written(folder, row))
    assert (example.id, example.question) == ("12", "How many?\n(A) 2\n(B) 3")
    assert (example.answer, example.choices) == ("B", ("2", "3"))
    assert example.meta == {"type": "2D", "task": "Count"}


BENCH = "index\timage\tquestion\tchoices\tanswer\tlevel\tcategory\n"


def tsv(folder, *lines):
    path = folder / "bench.tsv"
    path.write_text(BENCH + "".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_r1_onevision_bench_is_a_tsv_with_pictures_in_its_cells(folder):
    picture = base64.b64encode(png()).decode()
    listed, lined = "['2', '3']", '"A. 2\nB. 3"'
    first, second = read(
        tsv(
            folder,
            ("4", picture, "How many? A. 2 B. 3", listed, "B", "High School", "Math"),
            ("5", "4", "How many?", lined, "(A)", "College", "Math"),
        )
    )
    assert (first.id, first.answer, first.choices) == ("4", "B", ("2", "3"))
    assert (second.answer, second.choices) == ("A", ("2", "3"))
    assert first.media[0].load().size == (64, 48)
    assert first.media == second.media
    assert second.meta == {"level": "College", "category": "Math"}


def refused(path):
    with pytest.raises(InputError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


WRONG = {
    "plain": ({"question": 5}, "there is no question; give a text"),
    "hf columns": ({"solution": None}, "there is no answer; give the correct text or number"),
    "easyr1": ({"answer": ["3", "4"]}, "the answer must be a text or a number, not ['3', '4']; a box is"),
    "conversations": (
        {"conversations": [{"from": "human", "value": "<image>?"}]},
        "add the assistant's turn",
    ),
    "messages": ({"messages": [ASKED]}, "add the assistant's turn to messages, or a column solution"),
    "query": (
        {"history": [["a", "b", "c"]]},
        "history must be pairs [question, answer], not ['a', 'b', 'c']",
    ),
    "trl": ({"prompt": [ASKED, turn("assistant", "3")]}, "the prompt ends with the assistant's turn"),
    "eval": ({"image": "a.png"}, "both 'image_path' and another column of pictures are given; keep one"),
    "vrc": ({"choices": "2 or 3"}, "choices must be a list, or lines that start with A., B., ..."),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_layout_is_refused_with_one_sentence(folder, name):
    changes, message = WRONG[name]
    refusal = refused(
        written(folder, ROWS[name], {**ROWS[name], "id" if name != "vrc" else "idx": 9, **changes})
    )
    assert refusal.startswith("my.json, row 2: ") and message in refusal


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([{"type": "audio"}], "a part of turn 1 of messages must be of type text, image or video"),
        (
            [{"type": "text", "text": None}],
            "a part of turn 1 of messages must be of type text, image or video",
        ),
        (["How many?"], "a part of turn 1 of messages must be of type text, image or video"),
    ],
)
def test_unknown_parts_of_a_turn_are_refused(folder, parts, message):
    refusal = refused(written(folder, {"messages": [turn("user", parts), turn("assistant", "3")]}))
    assert refusal.startswith(
        "my.json, row 1: a part of turn 1 of messages must be of type text, image or video, not "
    )


def test_a_tsv_with_broken_base64_or_more_cells_than_columns_is_refused(folder):
    picture = base64.b64encode(png()).decode()
    cells = ("4", picture[:-9] + "!" * 9, "How many?", "", "B", "High School", "Math")
    assert "row 1 is not base64" in refused(tsv(folder, cells))
    assert "row 1: there is no picture at" in refused(tsv(folder, ("4", "no picture", *cells[2:])))
    message = refused(tsv(folder, ("4", picture, *cells[2:], "and more")))
    assert message == (
        "bench.tsv, row 1: the row has 8 cells for 7 columns; quote the cells that contain a separator"
    )


def test_pairs_are_not_read_as_examples(folder):
    message = refused(written(folder, {"prompt": "How many?", "chosen": "3", "rejected": "4"}))
    assert message == (
        "my.json, row 1: it is a pair of responses, for `seethink train dpo` only; give an answer instead"
    )


def test_meta_may_be_json_text_but_then_it_must_be_json(folder):
    row = {"question": "?", "answer": "3", "meta": '{"level": 2}'}
    assert read(written(folder, row))[0].meta == {"level": 2}
    assert "meta starts like JSON but is invalid" in refused(written(folder, {**row, "meta": '{"level": '}))
