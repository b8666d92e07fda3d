import io
import json

import PIL.Image
import pytest

from seethink.attempt import judge
from seethink.evaluate.attempts import attempt_row
from seethink.formats import ANSWER_ONLY
from seethink.media import Image, Video
from seethink.sources.records import DECODE_BELOW_BYTES, read
from seethink.types import Completion, InputError, Score, Task
from tests.films import clip


def png(size=(32, 32), colour=(200, 10, 10)):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A user's folder with two pictures."""
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(png(colour=(10, 200, 10)))
    return tmp_path


def lines(folder, *rows, name="my.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(path, **arguments):
    with pytest.raises(InputError) as caught:
        read(path, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{path.parent}/", "")


GOOD = {"image": "a.png", "question": "How many?", "answer": "3"}


# What is read


def test_plain_rows_are_read_with_all_that_is_known_about_them(folder):
    row = {**GOOD, "id": 7, "steps": ["1 + 2", "= 3"], "choices": ["2", "3"], "meta": {"caption": "red"}}
    (example,) = read(lines(folder, row))
    assert (example.id, example.question, example.answer) == ("7", "How many?", "3")
    assert (example.steps, example.choices, example.meta) == (
        ("1 + 2", "= 3"),
        ("2", "3"),
        {"caption": "red"},
    )
    assert example.media == (Image.file(folder / "a.png"),)


@pytest.mark.parametrize(("gold", "choices"), [("B", ("2", "3")), ("3", ("2", "3")), ("4", ())])
def test_options_that_only_the_question_lists_are_choices_if_the_answer_is_one(folder, gold, choices):
    (example,) = read(lines(folder, {**GOOD, "question": "How many?\nA. 2\nB. 3", "answer": gold}))
    assert example.choices == choices
    assert example.question == "How many?\nA. 2\nB. 3"


def test_rows_keep_their_order_and_are_named_after_file_and_row(folder):
    examples = read(lines(folder, *({**GOOD, "answer": number} for number in (4, 2.5, "odd"))))
    assert [(e.id, e.answer) for e in examples] == [("my-1", "4"), ("my-2", "2.5"), ("my-3", "odd")]


def test_blank_lines_are_no_rows_but_count_as_lines(folder):
    path = folder / "my.jsonl"
    path.write_text(f"\n{json.dumps(GOOD)}\r\n\n{json.dumps(GOOD)}", encoding="utf-8")
    assert [example.id for example in read(path)] == ["my-2", "my-4"]


@pytest.mark.parametrize("value", ["a.png", ["a.png"], {"path": "a.png", "bytes": None}])
@pytest.mark.parametrize("column", ["image", "images"])
def test_a_picture_may_be_given_alone_or_in_a_list(folder, column, value):
    (example,) = read(lines(folder, {column: value, "question": "?", "answer": "3"}))
    assert example.media == (Image.file(folder / "a.png"),)


@pytest.mark.parametrize("none", [{}, {"image": None}, {"images": []}])
def test_a_row_without_a_picture_is_a_question_in_text_alone(folder, none):
    (example,) = read(lines(folder, {"question": "1 + 2?", "answer": "3", **none}))
    assert example.media == ()


def test_pictures_may_stand_in_another_folder(folder, tmp_path_factory):
    path = lines(tmp_path_factory.mktemp("elsewhere"), GOOD)
    assert read(path, media_root=folder)[0].media == (Image.file(folder / "a.png"),)


def test_hf_columns_give_the_answer_between_the_tags_and_keep_the_rest(folder):
    extras = {"original_question": "q", "original_answer": "a", "accu_reward_method": "default"}
    row = {"image": "a.png", "problem": "How many?", "solution": "<answer> 3 </answer>", **extras}
    bare, thinking, whole = read(
        lines(
            folder,
            row,
            {**row, "thinking": "<think>1 + 2</think>"},
            {"problem": "?", "solution": "<think>1 + 2</think>\n\n<answer>3</answer>"},
        )
    )
    assert (bare.question, bare.answer, bare.steps, bare.meta) == ("How many?", "3", (), extras)
    assert (thinking.steps, whole.steps, whole.answer) == (("1 + 2",), ("1 + 2",), "3")


def test_a_solution_without_tags_is_the_answer(folder):
    assert read(lines(folder, {"problem": "?", "solution": " 3 "}))[0].answer == "3"


def test_llava_conversations_keep_where_each_picture_stands(folder):
    row = {
        "id": "x1",
        "image": ["a.png", "b.png"],
        "conversations": [
            {"from": "human", "value": "In <image> and in <image>, how many?"},
            {"from": "gpt", "value": 3},
        ],
    }
    (example,) = read(lines(folder, row))
    a, b = (Image.file(folder / name) for name in ("a.png", "b.png"))
    assert (example.id, example.answer) == ("x1", "3")
    assert example.parts() == ["In ", a, " and in ", b, ", how many?"]


def test_messages_with_images_are_read_from_a_json_array(folder):
    messages = [{"role": "user", "content": "<image>How many?"}, {"role": "assistant", "content": "3"}]
    path = folder / "my.json"
    path.write_text(json.dumps([{"messages": messages, "images": ["a.png"]}]), encoding="utf-8")
    (example,) = read(path)
    assert (example.id, example.question, example.answer) == ("my-1", "<image>How many?", "3")
    assert example.media == (Image.file(folder / "a.png"),)


def test_parquet_rows_hold_their_pictures(folder):
    import pyarrow
    from pyarrow import parquet

    rows = [
        {"image": {"bytes": png((20, 10)), "path": None}, "problem": "?", "solution": "<answer>3</answer>"},
        {"image": {"bytes": None, "path": "a.png"}, "problem": "?", "solution": "4"},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "my.parquet")
    held, beside = read(folder / "my.parquet")
    assert (held.answer, held.media[0].load().size) == ("3", (20, 10))
    assert beside.media == (Image.file(folder / "a.png"),)


def test_a_saved_dataset_is_read_with_its_pictures(tmp_path):
    import datasets

    rows = {
        "image": [PIL.Image.new("RGB", (20, 10))],
        "problem": ["How many?"],
        "solution": ["<answer>3</answer>"],
    }
    features = datasets.Features(
        {"image": datasets.Image(), "problem": datasets.Value("string"), "solution": datasets.Value("string")}
    )
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    (example,) = read(tmp_path / "saved")
    assert (example.question, example.answer) == ("How many?", "3")
    assert example.media[0].load().size == (20, 10)


def test_a_folder_stands_for_its_only_data_file(folder):
    lines(folder, GOOD)
    assert [example.id for example in read(folder)] == ["my-1"]
    lines(folder, GOOD, name="data.jsonl")
    assert [example.id for example in read(folder)] == ["data-1"]


def test_equal_files_give_equal_examples(folder):
    path = lines(folder, GOOD, {**GOOD, "answer": "4"})
    assert read(path) == read(path)


# Refused rows and their messages


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"image": "a.png", "question": "?", "anwser": "3"},
            "unknown column 'anwser'; did you mean 'answer'? Rename it, or move it into 'meta'",
        ),
        ({"image": "a.png", "question": "?"}, "there is no answer; give the correct text or number"),
        ({**GOOD, "answer": None}, "there is no answer; give the correct text or number"),
        ({**GOOD, "answer": "  "}, "there is no answer; give the correct text or number"),
        ({**GOOD, "answer": float("nan")}, "there is no answer; give the correct text or number"),
        ({**GOOD, "answer": True}, "the answer must be a text or a number, not True"),
        ({**GOOD, "answer": [1, 2]}, "the answer must be a text or a number, not [1, 2]"),
        ({**GOOD, "answer": "<answer>3</answer><answer>4</answer>"}, "<answer> occurs 2 times, not once"),
        ({**GOOD, "answer": "<answer></answer>"}, "the answer cannot be read: the answer is empty"),
        (
            {**GOOD, "steps": ["so <answer>3</answer>"]},
            "a step or the answer contains one of <think> </think>",
        ),
        ({**GOOD, "steps": [1]}, "steps must be a list of texts, not [1]"),
        ({**GOOD, "choices": {"A": "3"}}, "choices must be a list of texts"),
        ({"image": "a.png", "answer": "3"}, "there is no question"),
        ({**GOOD, "image": "gone.png"}, "there is no picture at gone.png; correct the path"),
        ({**GOOD, "image": ""}, "a picture must be the path of a file, not ''"),
        ({**GOOD, "image": 5}, "a picture must be the path of a file, not 5"),
        ({**GOOD, "images": ["b.png"]}, "both 'image' and 'images' are given; keep one"),
        (
            {**GOOD, "question": "<image> or <image>?"},
            "the question marks <image> <image>, but the row has 1 picture(s) and 0 clip(s)",
        ),
        (
            {"question": "<image>?", "answer": "3"},
            "the question marks <image>, but the row has 0 picture(s) and 0 clip(s)",
        ),
        ({**GOOD, "question": "<video>?"}, "the question marks <video>, but"),
    ],
)
def test_a_bad_row_is_refused_with_file_row_and_fix(folder, row, message):
    refusal = refused(lines(folder, GOOD, GOOD, row))
    assert refusal.startswith("my.jsonl, row 3: ") and message in refusal


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        (
            [{"from": "human", "value": "?"}],
            "there is no answer; add the assistant's turn (gpt) to conversations",
        ),
        ("How many?", "conversations must be messages, [{role: user, content: ...}, {role: assistant, ...}]"),
        ([], "conversations has no turns; give at least a question"),
        ([{"from": "gpt", "value": "3"}], "there is no question before the last answer; add the user's turn"),
        (
            [{"from": "gpt", "value": "3"}, {"from": "human", "value": "?"}],
            "there is no answer; add the assistant's turn",
        ),
        (
            [{"from": "human", "value": "?"}, {"from": "function_call", "value": "{}"}],
            "turn 2 of conversations has the role 'function_call'; the roles are system, user",
        ),
        (
            [{"from": "human", "value": " "}, {"from": "gpt", "value": "3"}] * 2,
            "turn 1 (user) must be a text, not ' '",
        ),
        ([{"from": "human", "value": "?"}, {"from": "gpt"}], "there is no answer"),
    ],
)
def test_conversations_without_a_question_and_an_answer_are_refused(folder, turns, message):
    refusal = refused(lines(folder, {"image": "a.png", "conversations": turns}))
    assert refusal.startswith("my.jsonl, row 1: ") and message in refusal


def test_a_column_of_another_dialect_is_unknown(folder):
    message = refused(lines(folder, {"problem": "?", "solution": "3", "question": "?"}))
    assert message.startswith("my.jsonl, row 1: unknown column 'question'")


@pytest.mark.parametrize("content", [b"no picture", png()[:60], b""])
def test_a_broken_picture_is_refused(folder, content):
    (folder / "a.png").write_bytes(content)
    message = refused(lines(folder, {**GOOD, "image": "b.png"}, GOOD))
    assert message.startswith("my.jsonl, row 2: a.png ") and message.endswith(
        "replace the picture or remove the row"
    )


def test_a_large_picture_is_opened_but_not_decoded(folder):
    (folder / "a.png").write_bytes(png()[:60].ljust(DECODE_BELOW_BYTES, b"\0"))
    ((picture,),) = (example.media for example in read(lines(folder, GOOD)))
    with pytest.raises(InputError, match="is cut short"):
        picture.load()


def test_an_id_used_twice_is_refused(folder):
    message = refused(lines(folder, {**GOOD, "id": 1}, {**GOOD, "id": "1"}))
    assert message == "my.jsonl, row 2: the id '1' was used before; make ids unique or leave the column out"


def test_text_that_is_not_json_is_refused_with_its_place(folder):
    path = folder / "my.jsonl"
    path.write_text(json.dumps(GOOD) + '\n{"question": "?", answer: 3}\n', encoding="utf-8")
    assert refused(path).startswith("my.jsonl, line 2, column 19: not JSON (")
    path = folder / "my.json"
    path.write_text('[\n {"question": "?"},\n]', encoding="utf-8")
    assert refused(path).startswith("my.json, line ")
    path.write_text(f"{json.dumps(GOOD)}\n{{3}}", encoding="utf-8")
    assert refused(path).startswith("my.json, line 2, column 2: not JSON (")


def test_files_that_hold_something_else_are_refused(folder):
    path = folder / "my.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    assert refused(path) == "my.json must be an array of rows, not one dict"
    path.write_text("[]", encoding="utf-8")
    assert refused(path) == "my.json has no rows"
    path.write_text("[3]", encoding="utf-8")
    assert refused(path) == "my.json, row 1: the row must be an object of named columns, not 3"
    path.write_bytes(b'[{"question": "\xff"}]')
    assert refused(path) == "my.json is not UTF-8 text (byte 15); save it as UTF-8"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert refused(path) == (
        "my.json has no rows: it is a picture or a clip; give the file of the rows that name it"
    )
    (folder / "my.xlsx").write_text("a,b", encoding="utf-8")
    assert refused(folder / "my.xlsx").startswith(
        "my.xlsx has no known suffix; give a file of .jsonl, .json, .parquet, .tsv, .csv"
    )
    (folder / "my.parquet").write_bytes(b"PAR1 and so on")
    assert refused(folder / "my.parquet").startswith("my.parquet cannot be read as parquet: ")
    assert refused(folder / "gone.jsonl") == "there is no data at gone.jsonl"


def test_a_folder_of_none_or_several_data_files_is_refused(folder):
    (folder / "empty").mkdir()
    assert "must contain one data file, but has no .jsonl, .json, .parquet, .tsv, .csv file" in refused(
        folder / "empty"
    )
    lines(folder, GOOD, name="train.jsonl")
    lines(folder, GOOD, name="test.jsonl")
    assert "has test.jsonl, train.jsonl; give the path of the file" in refused(folder)


# Clips


@pytest.fixture
def filmed(folder):
    clip(folder / "c.mp4", seconds=2)
    return folder


def test_a_clip_is_placed_at_its_mark_and_its_row_may_select_frames(filmed):
    both = {"image": "a.png", "video": "c.mp4", "question": "Is <video> like <image>?", "answer": "no"}
    own = {"videos": [{"path": "c.mp4", "count": 3, "max_px": 500}], "question": "What?", "answer": "1"}
    first, second = read(lines(filmed, both, own), video_options={"num_frames": 5})
    assert first.media == (Video(filmed / "c.mp4", num_frames=5), Image.file(filmed / "a.png"))
    assert second.media == (Video(filmed / "c.mp4", num_frames=3, max_px=500),)
    assert second.media[0].frame_selection["count"] == len(second.media[0].load().pictures) == 3


@pytest.mark.parametrize(
    ("video", "why"),
    [
        ("gone.mp4", "there is no clip at gone.mp4; correct the path"),
        ("bad.mp4", "bad.mp4 cannot be read as a clip"),
        (
            {"path": "c.mp4", "frames": 3},
            "a clip has path, count, every_s, max_px, start_s, end_s, not frames",
        ),
        ({"path": "c.mp4", "count": "three"}, "are numbers, not"),
        ({"path": "c.mp4", "count": 0}, "invalid frame selection"),
        ({"path": "c.mp4", "count": 1_000_000}, "1,000,000 frames of "),
        ({"path": "c.mp4", "every_s": 1e-5}, "a clip has at most 10,000; lower num_frames (count)"),
        ({"path": "c.mp4", "start_s": 0.2}, "a part of a clip has both start_s and end_s"),
        ({"path": "c.mp4", "start_s": 0.5, "end_s": 0.2}, "invalid part"),
        (7, "a clip must be the path of a file, not 7"),
    ],
)
def test_a_clip_that_cannot_be_used_is_refused_with_its_row(filmed, video, why):
    (filmed / "bad.mp4").write_bytes(b"no clip" * 30)
    message = refused(lines(filmed, GOOD, {"video": video, "question": "What?", "answer": "1"}))
    assert message.startswith("my.jsonl, row 2: ") and why in message


def test_a_clip_in_an_attempt_is_shown_as_its_frames_and_recorded(filmed, tmp_path):
    (example,) = read(lines(filmed, {"video": "c.mp4", "question": "What?", "answer": "1"}))
    task = Task("clips", [example], ANSWER_ONLY, lambda example, response: Score(1.0))
    row = attempt_row(task, judge(task, example, Completion("<answer>1</answer>")), tmp_path / "media")
    assert row["clips"] == [{"path": str(filmed / "c.mp4"), "count": 8, "every_s": None, "max_px": 401_408}]
    (strip,) = row["media"]
    assert PIL.Image.open(tmp_path / strip).size == (4 * 64, 2 * 48)
