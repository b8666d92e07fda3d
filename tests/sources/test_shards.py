"""Folders of parquet shards, and splits of saved data sets."""

from __future__ import annotations

import io
import json

import PIL.Image
import pytest

from seethink.sources.records import read
from tests.sources.pictures import png
from tests.sources.test_files import refused, text


def shard(path, *rows):
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(exist_ok=True)
    held = [
        {"image": {"bytes": png(), "path": None}, "problem": f"{row}?", "solution": str(row)} for row in rows
    ]
    parquet.write_table(pyarrow.Table.from_pylist(held), path)


@pytest.mark.parametrize("where", [".", "data"])
def test_shards_of_one_split_are_one_table(tmp_path, where):
    hub = tmp_path / "hub"
    hub.mkdir()
    for i in range(3):
        shard(hub / where / f"train-{i:05}-of-00003.parquet", i, i + 10)
    examples = read(hub)
    assert [example.answer for example in examples] == ["0", "10", "1", "11", "2", "12"]
    assert [example.id for example in examples][::5] == ["hub-1", "hub-6"]
    assert examples[0].media[0].load().size == (64, 48)


def test_of_several_splits_one_is_named_as_a_path(tmp_path):
    shard(tmp_path / "hub" / "train-00000-of-00001.parquet", 1, 2)
    shard(tmp_path / "hub" / "test-00000-of-00001.parquet", 3)
    message = refused(tmp_path / "hub")
    assert message == "hub has the splits test, train; name one of them, as in hub/train"
    assert [example.answer for example in read(tmp_path / "hub" / "train")] == ["1", "2"]
    assert [example.id for example in read(tmp_path / "hub" / "test")] == ["test-1"]
    assert refused(tmp_path / "hub" / "validation") == "there is no data at validation"
    shard(tmp_path / "other" / "validation-00000-of-00001.parquet", 1)
    shard(tmp_path / "other" / "dev-00000-of-00001.parquet", 2)
    advice = "name one of them, as in other/dev"
    assert refused(tmp_path / "other") == f"other has the splits dev, validation; {advice}"


def test_a_missing_shard_is_named(tmp_path):
    shard(tmp_path / "hub" / "train-00001-of-00002.parquet", 1)
    assert refused(tmp_path / "hub") == "hub has 1 of the 2 shards of train; copy all of them"


def test_other_parquet_files_are_no_shards(tmp_path):
    shard(tmp_path / "hub" / "data-2024.parquet", 1)
    assert read(tmp_path / "hub")[0].answer == "1"


def test_a_saved_dataset_of_several_splits_wants_one_of_them(tmp_path):
    import datasets

    def saved(*answers):
        columns = {"question": [f"{answer}?" for answer in answers], "answer": [*answers]}
        return datasets.Dataset.from_dict(columns)

    datasets.DatasetDict({"train": saved("1", "2"), "test": saved("3")}).save_to_disk(tmp_path / "two")
    assert refused(tmp_path / "two") == "two has the splits test, train; name one of them, as in two/train"
    assert [example.answer for example in read(tmp_path / "two" / "train")] == ["1", "2"]
    datasets.DatasetDict({"train": saved("1")}).save_to_disk(tmp_path / "one")
    assert [example.answer for example in read(tmp_path / "one")] == ["1"]


def test_pictures_as_datasets_encodes_them(tmp_path):
    import datasets

    pictures = [PIL.Image.open(io.BytesIO(png())), PIL.Image.open(io.BytesIO(png((10, 200, 10))))]
    table = datasets.Dataset.from_dict(
        {"images": [pictures, []], "prompt": ["Alike?", "1 + 2?"], "solution": ["no", "3"]},
        features=datasets.Features(
            {
                "images": datasets.Sequence(datasets.Image()),
                "prompt": datasets.Value("string"),
                "solution": datasets.Value("string"),
            }
        ),
    )
    table.to_parquet(tmp_path / "my.parquet")
    first, second = read(tmp_path / "my.parquet")
    assert [medium.load().getpixel((0, 0)) for medium in first.media] == [(200, 10, 10), (10, 200, 10)]
    assert (second.media, second.answer) == ((), "3")


def test_a_description_beside_the_data_is_no_data(tmp_path):
    row = {"question": "1 + 2?", "answer": "3"}
    text(tmp_path / "train.json", json.dumps([row]))
    text(tmp_path / "dataset_info.json", "{}")
    assert [example.id for example in read(tmp_path)] == ["train-1"]
