"""Examples written for other trainers are read again as they were; half of a writing never stays."""

import json
from dataclasses import replace

import pytest

from seethink.formats import THINK_ANSWER
from seethink.media import Image, Video
from seethink.sources import row_layouts, row_writers
from seethink.sources.dialects import dialect_of
from seethink.sources.preferences import read_pairs
from seethink.sources.records import read
from seethink.sources.row_reader import read_rows
from seethink.sources.row_writers import ROW_WRITERS
from seethink.sources.writing import write
from seethink.types import Example, InputError
from tests.films import clip
from tests.sources.test_dialects import ROWS, written

DIALECTS = {
    "ours": "plain",
    "csv": "plain",
    "llama-factory": "messages",
    "alpaca": "alpaca",
    "ms-swift": "messages",
    "ms-swift-objects": "messages",
    "query": "query",
    "openai": "messages",
    "trl": "trl",
    "trl-sft": "trl",
    "trl-messages": "messages",
    "easyr1": "easyr1",
    "llava": "conversations",
    "rl": "conversations",
    "hf": "hf columns",
    "vrc": "vrc",
    "tsv": "vlmevalkit",
}
PARQUET = ("trl", "trl-sft", "trl-messages", "easyr1", "hf")
EMBEDDED = ("tsv", "openai")
"""Those that hold copies of pictures in the file even by reference."""
HELD = (*PARQUET, *EMBEDDED)
"""Those that hold pictures in the file, and no clips."""


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
    return (*rest, example.history, pictures)


def same(dialect, again, before):
    """Equal examples; where pictures are always embedded, they are compared by their bytes."""
    if dialect in EMBEDDED:
        return [shown(example) for example in again] == [shown(example) for example in before]
    return tuple(again) == tuple(before)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_written_by_reference_is_read_as_equal_examples(folder, examples, dialect):
    write(examples, folder / "out", dialect, copy=False)
    again = read(folder / "out")
    if dialect in PARQUET:
        assert dialect_of(read_rows(folder / "out")).name == DIALECTS[dialect]
    assert same(dialect, again, examples)
    assert [example.meta for example in again] == [example.meta for example in examples]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_copies_do_not_need_the_originals(folder, examples, dialect):
    before = [shown(example) for example in examples]
    write(examples, folder / "out", dialect)
    for name in ("a.png", "b.png"):
        (folder / name).unlink()
    (folder / "out").rename(folder / "elsewhere")
    assert dialect_of(read_rows(folder / "elsewhere")).name == DIALECTS[dialect]
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
    filmed = Video(clip(folder / "c.mp4", seconds=1), num_frames=3)
    examples = [Example("one", "<video>What?", (filmed,), "a cup")]
    for dialect in ("ours", "llama-factory", "ms-swift", "llava", "rl", "vrc"):
        write(examples, folder / dialect, dialect)
        (again,) = read(folder / dialect, video_options={} if dialect == "ours" else {"num_frames": 3})
        assert again.media[0].frame_selection["count"] == 3
        assert again.media[0].path.read_bytes() == filmed.path.read_bytes()
    part = Video(filmed.path, num_frames=2, span_s=(0.2, 0.7))
    write([Example("one", "<video>What?", (part,), "a cup")], folder / "part")
    (again,) = read(folder / "part")
    assert again.media[0].span_s == (0.2, 0.7) and again.media[0].load().times_s == part.load().times_s
    for dialect in HELD:
        with pytest.raises(InputError, match="example one has a clip, for which this dialect has no column"):
            write(examples, folder / dialect, dialect)


def test_pairs_are_written_as_dpo_takes_them(folder, examples):
    pref = {"chosen": "<think>a</think>", "rejected": "b", "round": 2}
    paired = [replace(examples[0], meta={"level": 1, "pref": pref})]
    write(paired, folder / "out", "dpo", copy=False)
    (pair,) = read_pairs(folder / "out" / "data.jsonl", THINK_ANSWER)
    assert (pair.better, pair.worse) == ("<think>a</think>", "b")
    assert pair.example.media == examples[0].media
    assert pair.example.meta == {"answer": "3", "level": 1, "pref": {"round": 2}}
    with pytest.raises(InputError, match=r"example two has no pair of responses \(meta pref\); leave it out"):
        write(examples[1:2], folder / "none", "dpo")


def test_sft_layouts_have_the_thought_and_rl_layouts_the_answer_only(folder, examples):
    judged = [replace(examples[0], meta={"accu_reward_method": "mcq"})]
    rows = {}
    for dialect in ("llava", "rl"):
        write(judged, folder / dialect, dialect, copy=False)
        rows[dialect] = json.loads((folder / dialect / "data.jsonl").read_text(encoding="utf-8"))
    assert rows["llava"]["conversations"][1]["value"] == THINK_ANSWER.write("1 + 2 = 3", "3")
    assert rows["rl"]["conversations"][1]["value"] == "3"
    assert rows["rl"]["accu_reward_method"] == "mcq" and isinstance(rows["rl"]["image"], str)
    write(judged, folder / "hf", "hf", copy=False)
    (row,) = read_rows(folder / "hf")
    assert row.values["solution"] == THINK_ANSWER.write("1 + 2 = 3", "3")


def test_a_benchmarks_table_has_level_and_category_as_columns(folder, examples):
    graded = [replace(examples[0], meta={"level": "grade 3", "category": "sums", "more": 1})]
    write(graded, folder / "out", "tsv")
    (row,) = read_rows(folder / "out")
    assert (row.values["level"], row.values["category"]) == ("grade 3", "sums")
    assert read(folder / "out")[0].meta == graded[0].meta


def test_llama_factory_finds_its_file_and_learns_thought_and_answer(folder, examples):
    write(examples, folder / "out", "llama-factory")
    (entry,) = json.loads((folder / "out" / "dataset_info.json").read_text(encoding="utf-8")).values()
    rows = json.loads((folder / "out" / entry["file_name"]).read_text(encoding="utf-8"))
    for row, example in zip(rows, examples, strict=True):
        question, target = (turn[entry["tags"]["content_tag"]] for turn in row[entry["columns"]["messages"]])
        assert question.count("<image>") == len(row[entry["columns"]["images"]]) == len(example.media)
        assert target == (
            THINK_ANSWER.write(" ".join(example.steps), example.answer) if example.steps else example.answer
        )
        assert all((folder / "out" / path).is_file() for path in row["images"])


@pytest.mark.parametrize("copy", [True, False])
def test_datasets_decode_the_pictures_of_parquet_and_trl_places_them(folder, examples, copy):
    import datasets
    from trl.data_utils import prepare_multimodal_messages as placed

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
    examples = [Example("one", "<image>How many?", (drawn,), "3")]
    write(examples, folder / "out")
    assert read(folder / "out")[0].media[0].load().tobytes() == drawn.load().tobytes()
    with pytest.raises(InputError, match="is not a file that a row can reference; convert with --copy"):
        write(examples, folder / "referring", copy=False)


def test_a_failed_export_leaves_nothing(folder, examples, monkeypatch):
    def breaks_off(example, shelf):
        if example.id == "three":
            raise OSError("no space left on device")
        return whole(example, shelf)

    whole = row_layouts.ours
    monkeypatch.setitem(ROW_WRITERS, "ours", row_writers.RowWriter(breaks_off, ROW_WRITERS["ours"].save))
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match=r"out cannot be written \(no space left on device\)"):
        write(examples, folder / "out")
    assert sorted(folder.iterdir()) == before


def test_a_folder_that_is_there_is_not_written_over(folder, examples):
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="out exists and is not empty; give a new folder, or empty it"):
        write(examples, folder / "out")
    assert [file.name for file in (folder / "out").iterdir()] == ["mine.txt"]


def test_what_cannot_be_written_is_named(folder):
    with pytest.raises(InputError, match="unknown dialect 'verl'; the dialects are ours, csv, llama-factory"):
        write([Example("one", "?", (), "3")], folder / "out", "verl")
    with pytest.raises(InputError, match="example one has no answer"):
        write([Example("one", "?")], folder / "out")
    with pytest.raises(InputError, match=r"example one cannot be written as JSON: .*; correct it"):
        write([Example("one", "?", (), "3", meta={"raw": b""})], folder / "out")
    with pytest.raises(InputError, match=r"example one cannot be written: .*half of a character"):
        write([Example("one", "\ud800?", (), "3")], folder / "out")
    assert not (folder / "out").exists()
