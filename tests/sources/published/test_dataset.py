from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet
import pytest

from seethink.media import Frames
from seethink.sources.published import DATA_SETS, MediaView, clevr_counting, load, superclevr_200
from seethink.types import InputError, Response
from tests.sources.published import files, vision_layouts
from tests.sources.published.layouts import LAYOUTS, examples_of

NAMES = sorted(DATA_SETS)


# All data sets --------------------------------------------------------------------------------------------


def test_every_data_set_has_a_copy_here():
    assert sorted(LAYOUTS) == NAMES and len(NAMES) == 43


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_in_the_published_layout_becomes_examples_with_media(copy, name):
    examples = examples_of(copy(name), name)
    assert len({example.id for example in examples}) == 2
    for example in examples:
        assert example.question and example.answer
        assert all(isinstance(part, str) and part for part in (*example.choices, *example.steps))
        assert "<image" not in example.question.replace("<image>", "")
        for medium in example.media:
            loaded = medium.load()
            assert len(loaded.pictures) == 8 if isinstance(loaded, Frames) else loaded.size[1] == 40


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_answer_earns_one_under_the_data_sets_own_verifier(copy, name):
    judge = DATA_SETS[name].judge()
    for example in examples_of(copy(name), name):
        score = judge(example, Response(text=str(example.answer), answer=example.answer))
        assert score.value == 1.0, score.why


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_refused_in_one_sentence(tmp_path, name):
    with pytest.raises(InputError, match=r"has (neither|no)") as error:
        examples_of(tmp_path, name)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_says_where_it_comes_from(name):
    data = DATA_SETS[name]
    assert data.name == name and data.title and data.licence and data.splits and data.verifier
    assert data.address.startswith("https://")
    assert all(isinstance(rows, int) or rows for rows in data.splits.values())


@pytest.mark.parametrize("name", [name for name in NAMES if DATA_SETS[name].layout])
def test_archives_must_be_unpacked_first(name):
    with pytest.raises(
        InputError, match=r"there is no folder .*; download .* from https://.*, unpack .* give its path"
    ):
        load(name, n=1)[0]


def without(folder: Path, column: str) -> None:
    """Take a column out of all rows of the folder's only data file."""
    (file,) = [f for f in folder.rglob("*") if f.suffix in (".parquet", ".json", ".jsonl")]
    if file.suffix == ".parquet":
        table = pyarrow.parquet.read_table(file)
        pyarrow.parquet.write_table(table.drop_columns([column]), file)
        return
    text = file.read_text(encoding="utf-8")
    cut = [text] if file.suffix == ".json" else text.splitlines()
    values = [json.loads(part) for part in cut]
    for row in values[0] if file.suffix == ".json" else values:
        del row[column]
    file.write_text("\n".join(map(json.dumps, values)), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("refcoco", "solution"), ("clevr_counting", "problem"), ("superclevr_200", "ground_truth"),
        ("geo170k_qa", "conversations"), ("mathvista", "decoded_image"), ("mathvision", "answer"),
        ("mathverse", "problem_version"), ("sat", "image_bytes"), ("sat_15000", "images"),
        ("cv_bench", "prompt"), ("ai2d", "options"), ("scienceqa", "choices"), ("mmstar", "question"),
        ("mmmu", "image_1"), ("chartqa", "answer"), ("vrc_bench", "steps"), ("gui_defects", "image"),
        ("r1_onevision", "image"), ("pixmo_cap_qa", "image_url"), ("llava_cot_100k", "image"),
        ("stratos", "conversations"), ("open_r1_video_4k", "video"), ("longvideobench", "video_path"),
        ("mvbench", "candidates"), ("videomme", "videoID"),
    ],
)  # fmt: skip
def test_a_row_without_a_column_is_of_another_layout(copy, name, column):
    folder = copy(name)
    without(folder, column)
    with pytest.raises(
        InputError, match=f"row 1: has no column {column}, only .*; the data set or its layout differs"
    ) as error:
        examples_of(folder, name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["refcoco", "superclevr_200", "coco", "d3", "clevr_questions", "geo170k_qa"])
def test_a_missing_picture_is_named_with_its_row(copy, name):
    folder = copy(name)
    for picture in [*folder.rglob("*.png"), *folder.rglob("*.jpg")]:
        picture.unlink()
    with pytest.raises(InputError, match=r"row 1: there is no picture at .*; unpack the pictures into"):
        examples_of(folder, name)


@pytest.mark.parametrize("name", ["longvideobench", "mvbench", "videomme", "open_r1_video_4k"])
def test_a_missing_clip_is_named_with_its_row(copy, name):
    folder = copy(name)
    for file in folder.rglob("*.mp4"):
        file.unlink()
    with pytest.raises(InputError, match=r"row 1: there is no clip at .*; unpack the clips into"):
        examples_of(folder, name)


# Lengths, splits, laziness --------------------------------------------------------------------------------


def test_a_data_set_is_as_long_as_published_before_anything_is_opened():
    assert len(clevr_counting()) == 70_000 and len(clevr_counting(n=2_000)) == 2_000
    assert len(load("cv_bench")) == 2_638 and len(load("mathvista", "test")) == 5_141


def test_without_an_exact_published_number_the_data_are_counted(copy):
    assert len(load("sat", source=copy("sat"))) == 2


@pytest.mark.parametrize("rows", [199, 201])
def test_a_copy_of_another_length_than_published_is_refused(tmp_path, rows):
    vision_layouts.truths("superclevr_test200_counting_problems.jsonl", *[3] * rows)(tmp_path)
    with pytest.raises(InputError, match=f"has {rows} rows, not 200; copy SuperCLEVR-200 as published"):
        superclevr_200(tmp_path)[0]
    assert len(list(load("superclevr_200", source=tmp_path, n=rows))) == rows


def test_more_rows_than_the_data_have_are_refused(copy):
    folder = copy("clevr_counting")
    with pytest.raises(InputError, match=r"has 2 rows, not 3; .*set n to at most 2"):
        clevr_counting(n=3, source=str(folder))[0]
    with pytest.raises(InputError, match="set it to at least 1"):
        clevr_counting(n=0)
    with pytest.raises(IndexError):
        clevr_counting(n=2, source=str(folder))[2]


def test_an_unknown_name_or_split_lists_the_known_ones():
    with pytest.raises(InputError, match="unknown data set 'coca'; the data sets are refcoco, "):
        load("coca")
    with pytest.raises(InputError, match="mmmu has no split 'val'; it has validation, dev, test"):
        load("mmmu", "val")


def test_the_identity_depends_on_everything_that_decides_the_questions():
    identities = {
        load("mmmu", n=3).identity,
        load("mmmu", n=4).identity,
        load("mmmu", "dev", n=3).identity,
        load("mmmu", source="copy", n=3).identity,
        load("mmmu", n=3, view=MediaView(max_image_px=1_000)).identity,
    }
    assert len(identities) == 5 and load("mmmu", n=3).identity in identities


def test_a_slice_and_a_negative_index_are_as_of_a_list(copy):
    examples = clevr_counting(n=2, source=str(copy("clevr_counting")))
    assert examples[-1] == examples[1] == examples[1:][0]
    assert examples[1].media[0].load().size == (61, 40)


def test_a_dataset_that_was_saved_is_read_too(tmp_path):
    import datasets

    rows = {"question": ["Who?"], "options": [["a", "b"]], "answer": ["1"], "image": [files.held(60)]}
    features = datasets.Features(
        {
            "question": datasets.Value("string"),
            "options": datasets.List(datasets.Value("string")),
            "answer": datasets.Value("string"),
            "image": datasets.Image(),
        }
    )
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    (example,) = examples_of(tmp_path / "saved", "ai2d", n=1)
    assert example.answer == "B" and example.media[0].load().size == (60, 40)


def test_a_failure_of_the_hub_is_one_sentence(monkeypatch):
    def refuse(*names, **more):
        raise ConnectionError("Couldn't reach the hub\nand more")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(InputError, match=r"the hub cannot load it: Couldn't reach the hub; give a local"):
        load("cv_bench", n=1)[0]


def test_the_hub_is_asked_for_the_split_and_the_part(monkeypatch):
    calls = []

    def give(*names, **more):
        calls.append((names, more))
        raise ValueError("nothing")

    monkeypatch.setattr("datasets.load_dataset", give)
    with pytest.raises(InputError):
        load("mathverse", n=1)[0]
    assert calls == [(("AI4Math/MathVerse", "testmini"), {"split": "testmini"})]


def test_large_pictures_are_shrunk_where_the_view_says_so(copy):
    folder = copy("cv_bench")
    (whole, _), (small, _) = (
        examples_of(folder, "cv_bench", view=MediaView(max_image_px=px)) for px in (None, 600)
    )
    assert whole.media[0].load().size == (60, 40) and small.media[0].load().size == (30, 20)
    assert whole.media[0].key != small.media[0].key
    assert whole.media[0].fit(2_400).load().size == (60, 40)
