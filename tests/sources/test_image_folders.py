"""Image folders as `datasets` reads them: a metadata file beside the pictures, or one for each split."""

from __future__ import annotations

import csv
import json

import pyarrow
import pyarrow.parquet
import pytest

from seethink.check import Preflight, check
from seethink.formats import THINK_ANSWER
from seethink.media import Image
from seethink.sources.records import read
from seethink.types import InputError
from tests.films import clip
from tests.sources.pictures import png

ROWS = (
    {"file_name": "a.png", "question": "How many?", "answer": "3"},
    {"file_name": "deep/b.png", "question": "What is it?", "answer": "a cup"},
)


def put(folder, rows=ROWS, suffix="jsonl"):
    """A folder with the pictures of these rows and their metadata file."""
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "a.png").write_bytes(png())
    (folder / "deep" / "b.png").write_bytes(png((10, 200, 10)))
    file = folder / f"metadata.{suffix}"
    if suffix == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif suffix == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), file)
    else:
        with file.open("w", encoding="utf-8", newline="") as out:
            table = csv.DictWriter(out, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    return file


def refused(path, **how):
    with pytest.raises(InputError) as caught:
        read(path, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_the_folder_and_its_metadata_file_are_the_same_data(tmp_path, suffix):
    file = put(tmp_path / "mine", suffix=suffix)
    first, second = read(tmp_path / "mine")
    assert read(file) == (first, second)
    assert first.media == (Image.file(tmp_path / "mine" / "a.png"),)
    assert second.media == (Image.file(tmp_path / "mine" / "deep" / "b.png"),)
    assert (first.id, first.question, second.answer) == ("metadata-1", "How many?", "a cup")
    report = check(Preflight(tmp_path / "mine", THINK_ANSWER))
    assert (report.dialect, report.missing, report.pictures) == ("plain, image folder", 0, 2)


@pytest.mark.parametrize(
    ("media", "names"),
    [
        ({"image_file_name": "a.png"}, ["a.png"]),
        ({"left_file_name": "deep/b.png", "right_file_name": "a.png"}, ["deep/b.png", "a.png"]),
        ({"file_names": ["deep/b.png", "a.png"]}, ["deep/b.png", "a.png"]),
        ({"file_names": '["deep/b.png", "a.png"]'}, ["deep/b.png", "a.png"]),
        ({"image_file_names": ["a.png"]}, ["a.png"]),
        ({"file_name": "a.png", "mask_file_name": None}, ["a.png"]),
        ({"file_name": "deep\\b.png"}, ["deep/b.png"]),
        ({"file_name": None}, []),
    ],
)
def test_all_columns_of_file_names_are_pictures_in_their_order(tmp_path, media, names):
    put(tmp_path, [{**media, "question": "Same?", "answer": "no"}])
    (example,) = read(tmp_path)
    assert example.media == tuple(Image.file(tmp_path / name) for name in names)


@pytest.mark.parametrize("column", ["file_name", "video_file_name"])
def test_a_video_folder_has_clips(tmp_path, column):
    clip(tmp_path / "c.mp4", seconds=1)
    put(tmp_path, [{column: "c.mp4", "question": "What moves?", "answer": "a dot"}])
    (example,) = read(tmp_path)
    assert [medium.kind for medium in example.media] == ["video"]


def test_sound_is_refused(tmp_path):
    put(tmp_path, [{"audio_file_name": "c.wav", "question": "What?", "answer": "a dot"}])
    assert "the column 'audio' is sound, which no model here can hear" in refused(tmp_path)


def test_other_layouts_may_stand_in_an_image_folder(tmp_path):
    messages = [{"role": "user", "content": "<image>How many?"}, {"role": "assistant", "content": "3"}]
    put(tmp_path, [{"file_name": "a.png", "messages": messages}])
    (example,) = read(tmp_path)
    assert (example.question, example.answer, len(example.media)) == ("<image>How many?", "3", 1)
    assert check(Preflight(tmp_path, THINK_ANSWER)).dialect == "messages, image folder"


def test_a_row_with_a_picture_of_its_own_keeps_its_file_name_as_it_is(tmp_path):
    row = {"index": 1, "image": "a.png", "file_name": "old.png", "question": "?", "A": "3", "answer": "A"}
    put(tmp_path, [row])
    (example,) = read(tmp_path)
    assert example.meta["file_name"] == "old.png"
    assert example.media == (Image.file(tmp_path / "a.png"),)


def test_a_picture_that_is_missing_is_named_with_its_whole_path(tmp_path):
    put(tmp_path, [{"file_name": "gone.png", "question": "?", "answer": "3"}])
    assert f"{tmp_path / 'gone.png'}" in refused(tmp_path)


# Splits


def test_of_several_splits_one_is_named_as_a_path(tmp_path):
    for split in ("train", "test"):
        put(tmp_path / split, [{**ROWS[0], "id": split}])
    assert [example.id for example in read(tmp_path / "test")] == ["test"]
    assert refused(tmp_path).endswith(f"name the folder of one of them, as in {tmp_path / 'train'}")


@pytest.mark.parametrize("below", ["train", "data/train"])
def test_a_single_split_needs_no_name(tmp_path, below):
    put(tmp_path / below)
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    assert [example.answer for example in read(tmp_path)] == ["3", "a cup"]


def test_one_metadata_file_above_the_splits_gives_each_its_rows(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.png").write_bytes(png())
    rows = [{**ROWS[0], "id": split, "file_name": f"{split}/a.png"} for split in ("train", "test", "train")]
    rows[2]["id"] = "more"
    put(tmp_path, rows)
    assert [example.id for example in read(tmp_path / "train")] == ["train", "more"]
    assert [example.id for example in read(tmp_path / "test")] == ["test"]
    why = f"has rows of the splits test, train; name one of them, as in {tmp_path / 'train'}"
    assert why in refused(tmp_path)
    assert why in refused(tmp_path / "metadata.jsonl")


def test_two_metadata_files_in_one_folder_are_refused(tmp_path):
    put(tmp_path, suffix="csv")
    put(tmp_path)
    assert "has metadata.csv, metadata.jsonl; give the path of the file" in refused(tmp_path)


# Without questions


def test_folders_by_label_have_no_questions_and_are_told_how_to_give_one(tmp_path):
    for label in ("cat", "dog", "emu", "fox"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.JPG").write_bytes(png())
    why = refused(tmp_path)
    assert why.startswith(
        f"{tmp_path} has pictures in folders (cat, dog, emu, ...), but no questions; write "
    )
    given = json.loads(why[why.index('{"file_name"') :])
    assert given == {"file_name": "cat/1.JPG", "question": "What is this?", "answer": "cat"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(given), encoding="utf-8")
    (example,) = read(tmp_path)
    assert (example.answer, example.media) == ("cat", (Image.file(tmp_path / "cat" / "1.JPG"),))


def test_pictures_alone_have_no_questions(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    assert refused(tmp_path).startswith(f"{tmp_path} has pictures, but no questions; write ")


@pytest.mark.parametrize("columns", [{"text": "A red square."}, {"objects": {"bbox": []}}, {"label": 1}, {}])
def test_captions_and_labels_are_no_questions(tmp_path, columns):
    put(tmp_path, [{"file_name": "a.png", **columns}])
    for call in (read, lambda path: check(Preflight(path, THINK_ANSWER))):
        with pytest.raises(InputError, match=r"has the columns file_name.*understood: question and answer, "):
            call(tmp_path)
