"""Examples written for other trainers are read again as they were; half of a writing never stays."""

import json
from dataclasses import replace

import pytest

from seethink.formats import THINK_ANSWER
from seethink.media import Image, Video
from seethink.sources import layouts
from seethink.sources.dialects import dialect_of
from seethink.sources.layouts import LAYOUTS
from seethink.sources.pairs import read_pairs
from seethink.sources.records import read
from seethink.sources.rows import rows_of
from seethink.sources.writing import write
from seethink.types import Example, InputError
from tests.films import clip
from tests.sources.test_dialects import ROWS, png, written

DIALECTS = {
    "ours": "plain",
    "llama-factory": "messages",
    "ms-swift": "messages",
    "trl": "trl",
    "easyr1": "easyr1",
    "llava": "conversations",
    "rl": "conversations",
    "hf": "hf columns",
    "vrc": "vrc",
    "tsv": "r1-onevision-bench",
}
PARQUET = ("trl", "easyr1", "hf")
HELD = (*PARQUET, "tsv")
"""Those that hold pictures in the file, and no clips."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(png((10, 200, 10)))
    return tmp_path


@pytest.fixture
def examples(folder):
    a, b = (Image.file(folder / name) for name in ("a.png", "b.png"))
    return (
        Example("one", "<image>How many?", (a,), "3", ("2", "3"), ("1 + 2", "= 3"), {"level": 1, "why": "é"}),
        Example("two", "Is <image> like\n<image>?", (b, a), "no"),
        Example("three", "<image> <image>1/2 + 1/2?", (a, a), "1", steps=("Add.",)),
        Example("four", "1 + 2?", (), "3"),
        Example("five", "<image>Where?", (a,), '[{"bbox_2d": [1, 2, 30, 40], "label": "cup"}]'),
    )


def shown(example):
    """Everything of an example, its pictures by their bytes, its meta included."""
    pictures = [medium.encoded() for medium in example.media]
    rest = (example.id, example.question, example.answer, example.choices, example.steps, example.meta)
    return (*rest, pictures)


def same(dialect, again, before):
    """Equal examples; a TSV holds its pictures in cells, whatever was asked for, and is compared by them."""
    if dialect == "tsv":
        return [shown(example) for example in again] == [shown(example) for example in before]
    return tuple(again) == tuple(before)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_written_by_reference_is_read_as_equal_examples(folder, examples, dialect):
    write(examples, folder / "out", dialect, copy=False)
    again = read(folder / "out")
    if dialect in PARQUET:
        assert dialect_of(rows_of(folder / "out")).name == DIALECTS[dialect]
    assert same(dialect, again, examples)
    assert [example.meta for example in again] == [example.meta for example in examples]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_copied_needs_the_originals_no_more(folder, examples, dialect):
    before = [shown(example) for example in examples]
    write(examples, folder / "out", dialect)
    for name in ("a.png", "b.png"):
        (folder / name).unlink()
    (folder / "out").rename(folder / "elsewhere")
    assert dialect_of(rows_of(folder / "elsewhere")).name == DIALECTS[dialect]
    assert [shown(example) for example in read(folder / "elsewhere")] == before


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ROWS)
def test_every_dialect_goes_through_every_layout_unchanged(folder, name, dialect):
    first = read(written(folder, ROWS[name]))
    write(first, folder / "out", dialect, copy=False)
    assert same(dialect, read(folder / "out"), first)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_media_without_marks_stay_before_the_question(folder, dialect):
    unmarked = Example("one", "How many?", (Image.file(folder / "a.png"),), "3")
    write([unmarked], folder / "out", dialect, copy=False)
    (again,) = read(folder / "out")
    assert [getattr(part, "kind", part) for part in again.parts()] == ["image", "How many?"]
    assert same(dialect, [again], [replace(unmarked, question=again.question)])


def test_a_clip_keeps_its_frames_in_ours_and_its_path_elsewhere(folder):
    filmed = Video(clip(folder / "c.mp4", seconds=1), count=3)
    asked = [Example("one", "<video>What?", (filmed,), "a cup")]
    for dialect in ("ours", "llama-factory", "ms-swift", "llava", "rl", "vrc"):
        write(asked, folder / dialect, dialect)
        (again,) = read(folder / dialect, clips={} if dialect == "ours" else {"count": 3})
        assert again.media[0].choice["count"] == 3
        assert again.media[0].path.read_bytes() == filmed.path.read_bytes()
    part = Video(filmed.path, count=2, span_s=(0.2, 0.7))
    write([Example("one", "<video>What?", (part,), "a cup")], folder / "part")
    (again,) = read(folder / "part")
    assert again.media[0].span_s == (0.2, 0.7) and again.media[0].load().times_s == part.load().times_s
    for dialect in HELD:
        with pytest.raises(InputError, match="example one has a clip, which this dialect cannot hold"):
            write(asked, folder / dialect, dialect)


def test_pairs_are_written_as_dpo_takes_them(folder, examples):
    pref = {"chosen": "<think>a</think>", "rejected": "b", "round": 2}
    paired = [replace(examples[0], meta={"level": 1, "pref": pref})]
    write(paired, folder / "out", "dpo", copy=False)
    (pair,) = read_pairs(folder / "out" / "data.jsonl", THINK_ANSWER)
    assert (pair.better, pair.worse) == ("<think>a</think>", "b")
    assert pair.example.media == examples[0].media
    assert pair.example.meta == {"answer": "3", "level": 1, "pref": {"round": 2}}
    with pytest.raises(InputError, match=r"example two has no two responses \(meta pref\); leave it out"):
        write(examples[1:2], folder / "none", "dpo")


def test_imitation_learns_the_thought_and_reinforcement_the_answer_alone(folder, examples):
    judged = [replace(examples[0], meta={"accu_reward_method": "mcq"})]
    told = {}
    for dialect in ("llava", "rl"):
        write(judged, folder / dialect, dialect, copy=False)
        told[dialect] = json.loads((folder / dialect / "data.jsonl").read_text())
    assert told["llava"]["conversations"][1]["value"] == THINK_ANSWER.write("1 + 2 = 3", "3")
    assert told["rl"]["conversations"][1]["value"] == "3"
    assert told["rl"]["accu_reward_method"] == "mcq" and isinstance(told["rl"]["image"], str)
    write(judged, folder / "hf", "hf", copy=False)
    (row,) = rows_of(folder / "hf")
    assert row.values["solution"] == THINK_ANSWER.write("1 + 2 = 3", "3")


def test_a_benchmarks_table_has_level_and_category_as_columns(folder, examples):
    graded = [replace(examples[0], meta={"level": "grade 3", "category": "sums", "more": 1})]
    write(graded, folder / "out", "tsv")
    (row,) = rows_of(folder / "out")
    assert (row.values["level"], row.values["category"]) == ("grade 3", "sums")
    assert read(folder / "out")[0].meta == graded[0].meta


def test_llama_factory_finds_its_file_and_learns_thought_and_answer(folder, examples):
    write(examples, folder / "out", "llama-factory")
    (entry,) = json.loads((folder / "out" / "dataset_info.json").read_text()).values()
    rows = json.loads((folder / "out" / entry["file_name"]).read_text())
    for row, example in zip(rows, examples, strict=True):
        asked, said = (turn[entry["tags"]["content_tag"]] for turn in row[entry["columns"]["messages"]])
        assert asked.count("<image>") == len(row[entry["columns"]["images"]]) == len(example.media)
        assert said == (
            THINK_ANSWER.write(" ".join(example.steps), example.answer) if example.steps else example.answer
        )
        assert all((folder / "out" / path).is_file() for path in row["images"])


@pytest.mark.parametrize("copy", [True, False])
def test_datasets_decode_the_pictures_of_parquet_and_trl_places_them(folder, examples, copy):
    datasets = pytest.importorskip("datasets")
    placed = pytest.importorskip("trl.data_utils").prepare_multimodal_messages
    write(examples, folder / "out", "trl", copy)
    table = datasets.load_dataset(
        "parquet", data_files=str(folder / "out" / "data.parquet"), cache_dir=str(folder / "cache")
    )
    for row, example in zip(table["train"], examples, strict=True):
        (message,) = placed(row["prompt"], row["images"])
        pictures = [part["image"] for part in message["content"] if part["type"] == "image"]
        assert [picture.tobytes() for picture in pictures] == [m.load().tobytes() for m in example.media]


def test_a_drawn_picture_is_copied_but_cannot_be_referred_to(folder):
    drawn = Image.drawn("page/1", Image.file(folder / "a.png").load)
    asked = [Example("one", "<image>How many?", (drawn,), "3")]
    write(asked, folder / "out")
    assert read(folder / "out")[0].media[0].load().tobytes() == drawn.load().tobytes()
    with pytest.raises(InputError, match="is no file that a row could refer to; convert with --copy"):
        write(asked, folder / "referring", copy=False)


def test_nothing_half_written_stays(folder, examples, monkeypatch):
    def breaks_off(example, shelf):
        if example.id == "three":
            raise OSError("no space left on device")
        return whole(example, shelf)

    whole = layouts._ours
    monkeypatch.setitem(LAYOUTS, "ours", layouts.Layout(breaks_off, LAYOUTS["ours"].save))
    before = sorted(folder.iterdir())
    with pytest.raises(OSError, match="no space left"):
        write(examples, folder / "out")
    assert sorted(folder.iterdir()) == before


def test_a_folder_that_is_there_is_not_written_over(folder, examples):
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="out is there already; name a folder that is not, or empty it"):
        write(examples, folder / "out")
    assert [file.name for file in (folder / "out").iterdir()] == ["mine.txt"]


def test_what_cannot_be_written_is_named(folder):
    with pytest.raises(InputError, match="unknown dialect 'verl'; the dialects are ours, llama-factory"):
        write([Example("one", "?", (), "3")], folder / "out", "verl")
    with pytest.raises(InputError, match="example one has no answer"):
        write([Example("one", "?")], folder / "out")
    with pytest.raises(InputError, match=r"example one cannot be written as JSON: .*; mend it"):
        write([Example("one", "?", (), "3", meta={"raw": b""})], folder / "out")
    with pytest.raises(InputError, match=r"example one cannot be written as JSON: .* mend it"):
        write([Example("one", "\ud800?", (), "3")], folder / "out")
    assert not (folder / "out").exists()
