import io
import json

import PIL.Image
import pytest

from seethink.sources.published import CLEVR_COUNTING_ROWS, SUPERCLEVR_FILE, clevr_counting, superclevr_200
from seethink.types import InputError

ROWS = 5


def scene(number):
    return PIL.Image.new("RGB", (48 + number, 32))


@pytest.fixture
def clevr():
    """A small copy in the published layout: `image problem solution`, pictures inside."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "problem": datasets.Value("string"), "solution": datasets.Value("string")}
    )
    rows = {
        "image": [scene(i) for i in range(ROWS)],
        "problem": [f"How many of scene {i}?" for i in range(ROWS)],
        "solution": [f"<answer> {i + 3} </answer>" for i in range(ROWS)],
    }
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture(params=["saved", "parquet"])
def copy(request, clevr, tmp_path, monkeypatch):
    """The copy on disk, as `save_to_disk` writes it or as the hub's parquet files."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "clevr"
    if request.param == "saved":
        clevr.save_to_disk(folder)
    else:
        (folder / "data").mkdir(parents=True)
        clevr.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    return str(folder)


def test_clevr_counting_is_as_long_as_published_before_anything_is_loaded():
    assert len(clevr_counting()) == CLEVR_COUNTING_ROWS == 70_000
    assert len(clevr_counting(n=2_000)) == 2_000


def test_clevr_counting_reads_its_rows_when_asked(copy):
    examples = clevr_counting(n=ROWS, source=copy)
    assert [example.answer for example in examples] == ["3", "4", "5", "6", "7"]
    assert [example.media[0].load().size for example in examples] == [scene(i).size for i in range(ROWS)]
    assert examples[1].question == "How many of scene 1?"
    assert examples[-1] == examples[ROWS - 1] == examples[3:][-1]
    assert len({example.id for example in examples}) == ROWS
    with pytest.raises(IndexError):
        examples[ROWS]


def test_clevr_counting_has_the_identity_of_its_source_and_length():
    assert clevr_counting(n=3).identity == clevr_counting(n=3).identity
    assert clevr_counting(n=3).identity != clevr_counting(n=4).identity
    assert clevr_counting(n=3, split="test").identity != clevr_counting(n=3).identity


def test_more_rows_than_there_are_cannot_be_had(copy):
    with pytest.raises(InputError, match="has 5 rows, not 70,000; ask for at most n=5"):
        clevr_counting(source=copy)[0]
    with pytest.raises(InputError, match="ask for at least 1"):
        clevr_counting(n=0)


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"neither a saved dataset \(state.json\) nor train\*\.parquet"):
        clevr_counting(source=str(tmp_path))[0]


def superclevr(folder, rows=200, **changes):
    (folder / "images").mkdir()
    buffer = io.BytesIO()
    scene(0).save(buffer, "PNG")
    with open(folder / SUPERCLEVR_FILE, "w") as file:
        for i in range(rows):
            (folder / "images" / f"{i}.png").write_bytes(buffer.getvalue())
            row = {"image_path": f"./images/{i}.png", "question": "How many?", "ground_truth": 3 + i % 8}
            file.write(json.dumps(row | changes) + "\n")


def test_superclevr_200_is_read_from_its_folder(tmp_path):
    superclevr(tmp_path)
    examples = list(superclevr_200(tmp_path))
    assert len(examples) == len({example.id for example in examples}) == 200
    assert (examples[0].question, examples[0].answer) == ("How many?", "3")
    assert examples[199].media[0].load().size == scene(0).size


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (199, {}, "has 199 rows, not 200; copy it whole"),
        (200, {"answer": 3}, "row 1: must have the columns image_path, question, ground_truth, not"),
        (200, {"ground_truth": "3"}, "row 1: must hold a path, a question and a whole number"),
        (
            200,
            {"image_path": "gone.png"},
            "row 1: there is no picture at .*; unpack the pictures of SuperCLEVR",
        ),
    ],
)
def test_superclevr_200_in_another_layout_is_refused(tmp_path, rows, changes, message):
    superclevr(tmp_path, rows, **changes)
    with pytest.raises(InputError, match=message):
        list(superclevr_200(tmp_path))


def test_superclevr_200_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"there is no data at .*{SUPERCLEVR_FILE}"):
        list(superclevr_200(tmp_path))
