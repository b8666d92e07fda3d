"""The pre-flight: each kind of fault is planted in one row, and found there and nowhere else."""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass

import PIL.Image
import pytest

from seethink import verify
from seethink.check import FAULTS, SUSPICIONS, Preflight, check
from seethink.check.gold import gold_faults
from seethink.cli import app as cli
from seethink.formats import THINK_ANSWER, TagFormat
from seethink.sources.dialects import DIALECTS
from seethink.types import Example, InputError, Response, Score
from tests.films import clip
from tests.test_media import png_that_claims


def picture(path, size=(64, 48), seed=0):
    """No two seeds give equal pictures."""
    drawn = PIL.Image.new("RGB", size, (40, 40, 40))
    drawn.putpixel((0, 0), (seed // 256, seed % 256, 200))
    drawn.save(path)
    return path.name


@pytest.fixture
def folder(tmp_path):
    """A folder with media that are well and media that are not."""
    for i in range(8):
        picture(tmp_path / f"{i}.png", seed=i)
    clip(tmp_path / "c.mp4", seconds=1)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "broken.mp4").write_bytes(b"no clip" * 30)
    (tmp_path / "huge.png").write_bytes(png_that_claims(20_000, 10_000))
    picture(tmp_path / "tiny.png", (20, 64))
    picture(tmp_path / "narrow.png", (28, 6_000))
    return tmp_path


CLEAN = (
    {"id": "n", "image": "0.png", "question": "How many dots?", "answer": 3, "steps": ["1 + 2"]},
    {"id": "t", "image": "1.png", "question": "<image>What is it?", "answer": "a cup"},
    {
        "id": "o",
        "image": "2.png",
        "question": "Which?\nA. cup\nB. pen",
        "answer": "B",
        "choices": ["cup", "pen"],
    },
    {"id": "b", "image": "3.png", "question": "Where?", "answer": [1, 2, 64, 48]},
    {"id": "v", "video": "c.mp4", "question": "What moves?", "answer": "nothing"},
    {"id": "x", "question": "1/2 + 1/2?", "answer": "1", "meta": {"accu_reward_method": "math"}},
    {"id": "e", "image": "4.png", "question": "Where are cups?", "answer": "None"},
)

PLANTED = {
    "no row": '{"question": "?", answer: 3}',
    "layout": {"image": "0.png", "images": ["1.png"]},
    "unknown column": {"anwser": "3"},
    "no question": {"question": " "},
    "no answer": {"answer": None},
    "unreadable answer": {"answer": "<answer></answer>"},
    "marks": {"image": "0.png", "question": "<image> and <image>?"},
    "missing picture": {"image": "gone.png"},
    "missing clip": {"video": "gone.mp4"},
    "broken picture": {"image": "broken.png"},
    "broken clip": {"video": "broken.mp4"},
    "huge picture": {"image": "huge.png"},
    "tiny picture": {"image": "tiny.png"},
    "narrow picture": {"image": "narrow.png"},
    "same id": {"id": "n", "question": "How many pens are there?"},
    "same row": {"image": "0.png", "question": "How many dots?", "answer": " 3 "},
    "two answers": {"image": "0.png", "question": "How many dots?", "answer": "4"},
    "tag leak": {"steps": ["so <answer>3</answer>"]},
    "tag in question": {"question": "How many? Answer in <answer> </answer>."},
    "mark in answer": {"answer": "the one in <image>"},
    "broken text": {"answer": "caf\ufffd"},
    "answer in question": {"question": "How many? Answer: 3"},
    "letter without options": {"question": "Which of the following is red?", "answer": "C"},
    "no such option": {"answer": "E", "choices": ["cup", "pen"]},
    "same option": {"answer": "A", "choices": ["cup", "pen", "Cup."]},
    "box outside picture": {"image": "0.png", "question": "Where now?", "answer": [1, 2, 65, 48]},
    "box of no size": {"image": "0.png", "question": "And where?", "answer": [30, 2, 10, 40]},
    "box from 0 to 1": {"image": "0.png", "question": "Whereabouts?", "answer": [0.1, 0.2, 0.9, 1]},
    "unknown method": {"meta": {"accu_reward_method": "magic"}},
    "gold not judged": {"answer": "about a dozen", "meta": {"accu_reward_method": "math"}},
    "answer named in question": {
        "question": "Is it a cup that stands on a table?", "answer": "A cup that stands on a table"
    },
    "empty medium": {"images": [{"bytes": None, "path": None}]},
    "lone letter": {"question": "At which point do they meet?", "answer": "D"},
}  # fmt: skip


def lines(path, *rows):
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def planted(folder):
    """(file, {(kind, row)}): the clean rows, then one row of each kind."""
    rows = [
        row if isinstance(row, str) else {"question": f"What is {kind}?", "answer": "3", **row}
        for kind, row in PLANTED.items()
    ]
    path = lines(folder / "my.jsonl", *CLEAN, *rows)
    return path, {(kind, row) for row, kind in enumerate(PLANTED, len(CLEAN) + 1)}


def found(report):
    return {(fault.kind, fault.row) for fault in report.faults}


def test_each_kind_of_fault_is_named_with_its_row_and_nothing_else(folder):
    path, expected = planted(folder)
    report = check(Preflight(path, THINK_ANSWER))
    assert found(report) == expected
    assert len(expected) >= 25 and not report.clean
    assert report.rows == len(CLEAN) + len(PLANTED)


def test_clean_rows_are_clean_decoded_too(folder):
    for decode in (False, True):
        report = check(Preflight(lines(folder / "my.jsonl", *CLEAN), THINK_ANSWER, decode=decode))
        assert report.clean and not report.faults


def test_every_kind_has_a_fix():
    assert not FAULTS.keys() & SUSPICIONS.keys()
    assert PLANTED.keys() <= FAULTS.keys() | SUSPICIONS.keys()
    assert all(mend for mend in (*FAULTS.values(), *SUSPICIONS.values()))


def test_several_processes_find_what_one_finds(folder, monkeypatch):
    path, expected = planted(folder)
    monkeypatch.setattr("seethink.check.row_checks.MIN_ROWS_FOR_PROCESSES", 0)
    monkeypatch.setattr("seethink.check.row_checks.ROWS_PER_CHUNK", 7)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert found(check(Preflight(path, THINK_ANSWER))) == expected


# What needs the whole file, or another one


def row_of(number, image, **more):
    return {"id": str(number), "image": image, "question": f"Question {number}?", "answer": "3", **more}


def test_a_cut_picture_shows_only_when_it_is_decoded(folder):
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:60])
    path = lines(folder / "my.jsonl", row_of(1, "cut.png"))
    assert check(Preflight(path, THINK_ANSWER)).clean
    assert found(check(Preflight(path, THINK_ANSWER, decode=True))) == {("broken picture", 1)}


def test_one_picture_under_two_names_is_suspected_once(folder):
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    rows = [row_of(1, "0.png"), row_of(2, "copy.png"), row_of(3, "copy.png"), row_of(4, "0.png")]
    report = check(Preflight(lines(folder / "my.jsonl", *rows), THINK_ANSWER))
    assert found(report) == {("same picture", 2)} and report.clean
    assert report.faults[0].message.endswith("0.png (row 1)")


def test_equal_pixels_in_another_file_are_the_same_picture_where_decoded(folder):
    PIL.Image.open(folder / "0.png").save(folder / "0.bmp")
    path = lines(folder / "my.jsonl", row_of(1, "0.png"), row_of(2, "0.bmp"))
    assert not check(Preflight(path, THINK_ANSWER)).faults
    assert found(check(Preflight(path, THINK_ANSWER, decode=True))) == {("same picture", 2)}


def test_pictures_of_the_test_data_are_found_by_path_and_by_content(folder):
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    train = lines(folder / "train.jsonl", *(row_of(i, f"{i}.png") for i in range(3)))
    test = lines(folder / "test.jsonl", row_of(7, "7.png"), row_of(8, "0.png"), row_of(9, "copy.png"))
    report = check(Preflight(train, THINK_ANSWER, decontaminate_against=test))
    assert found(report) == {("in the test data", 1), ("in the test data", 2)}
    assert [fault.message.split("/")[-1] for fault in report.faults] == [
        "test.jsonl, row 2",
        "test.jsonl, row 3",
    ]
    test = lines(folder / "t.jsonl", row_of(7, "7.png"))
    assert check(Preflight(train, THINK_ANSWER, decontaminate_against=test)).clean


def box_rows(folder, reach):
    for i in range(10):
        picture(folder / f"large{i}.png", (1600, 1200), seed=i)
        yield row_of(
            i, f"large{i}.png", answer=json.dumps([{"bbox_2d": [5, 5, reach, 900 + i], "label": "x"}])
        )


def test_boxes_that_never_pass_1000_in_larger_pictures_are_suspected(folder):
    report = check(Preflight(lines(folder / "my.jsonl", *box_rows(folder, 999)), THINK_ANSWER))
    assert found(report) == {("boxes from 0 to 1000", row) for row in range(1, 11)} and report.clean
    assert not check(Preflight(lines(folder / "my.jsonl", *box_rows(folder, 1500)), THINK_ANSWER)).faults


def test_pairs_are_checked_as_pairs(folder):
    good = THINK_ANSWER.write("1 + 2", "3")
    rows = [
        {"prompt": "1 + 2?", "chosen": good, "rejected": THINK_ANSWER.write("1 + 2", "4")},
        {"prompt": "1 + 2?", "chosen": good, "rejected": "4"},
        {"prompt": "1 + 2?", "chosen": good, "rejected": good},
        {"prompt": "1 + 2?", "chosen": good, "rejected": None},
    ]
    report = check(Preflight(lines(folder / "my.jsonl", *rows), THINK_ANSWER))
    assert report.dialect == "preferences"
    assert found(report) == {("response breaks the format", 2), ("equal pair", 3), ("layout", 4)}


# Gold


def test_a_gold_that_scores_below_one_is_at_fault(folder):
    def half(example: Example, response: Response) -> Score:
        return Score(0.5, "only half")

    path = lines(folder / "my.jsonl", row_of(1, "0.png"))
    (fault,) = check(Preflight(path, THINK_ANSWER, verifier=half)).faults
    assert (fault.kind, fault.row, fault.message) == ("gold not paid", 1, "half gives 0.5: only half")


def test_a_verifier_object_is_used_in_this_process_and_in_workers(folder, monkeypatch):
    def half(example, response):
        return Score(0.5, "only half")

    path = lines(folder / "my.jsonl", *[row_of(i, "0.png") for i in range(20)])
    expected = [("gold not paid", i + 1, "half gives 0.5: only half") for i in range(20)]
    for rows_for_processes in (1_000, 0):
        monkeypatch.setattr("seethink.check.row_checks.MIN_ROWS_FOR_PROCESSES", rows_for_processes)
        faults = check(Preflight(path, THINK_ANSWER, verifier=half)).faults
        assert [(f.kind, f.row, f.message) for f in faults if f.kind == "gold not paid"] == expected


def test_an_unknown_verifier_is_refused_before_any_row_is_checked(folder):
    with pytest.raises(InputError, match="unknown verifier 'best'"):
        check(Preflight(lines(folder / "my.jsonl", {"broken": 1}), THINK_ANSWER, verifier="best"))


def test_a_gold_that_the_format_cannot_hold_is_at_fault(folder):
    @dataclass(frozen=True)
    class Short(TagFormat):
        def write(self, thought, answer):
            raise ValueError("too long for this format")

    form = Short("short", "Be short.")
    (fault,) = check(Preflight(lines(folder / "my.jsonl", row_of(1, "0.png")), form)).faults
    message = "cannot be written: too long for this format"
    assert (fault.kind, fault.message) == ("not writable", message)


def test_a_row_has_the_verifier_of_its_method_unless_another_is_chosen():
    named = Example("1", "?", (), "a cup", meta={"accu_reward_method": "yes_no"})
    assert [kind for kind, _ in gold_faults(named, THINK_ANSWER, None)] == ["gold not judged"]
    assert [*gold_faults(named, THINK_ANSWER, verify.same_text)] == []


# Other files


def test_rows_in_parquet_are_checked_with_the_pictures_they_hold(folder):
    import pyarrow
    from pyarrow import parquet

    small = io.BytesIO()
    PIL.Image.new("RGB", (20, 20)).save(small, "PNG")
    held = [(folder / "0.png").read_bytes(), small.getvalue(), b"no picture"]
    rows = [
        {"images": [{"bytes": data, "path": None}], "problem": f"{i}?", "answer": "3"}
        for i, data in enumerate(held)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "my.parquet")
    report = check(Preflight(folder / "my.parquet", THINK_ANSWER))
    assert (report.dialect, found(report)) == ("easyr1", {("tiny picture", 2), ("broken picture", 3)})


def test_nothing_to_check_is_refused(folder):
    with pytest.raises(InputError, match="has no rows"):
        check(Preflight(lines(folder / "my.jsonl"), THINK_ANSWER))


ODD = (
    *(
        None,
        True,
        3,
        -1.5,
        float("nan"),
        10**400,
        "",
        "x",
        "(A)",
        "0.png",
        "<image>",
        "<think>",
        "\ud800",
        "\0",
    ),
    *("/", "a\0b", "{", '{"a": 1}', "['a'", "A. x\nB. y", "[1, 2, 3, 4]", [], [[]], [None], [1, 2, 3, 4]),
    *([1, 2, 3, 1e308], ["a", "b"], {}, {"path": 3}, {"bytes": "x"}, [{"bbox_2d": [1, 2, 3, 4]}]),
    [{"role": "user", "content": "?"}, {"role": "assistant", "content": "3"}],
    [{"role": "user", "content": [{"type": "text"}]}, {"role": "assistant", "content": [{"type": "image"}]}],
    [{"from": "human", "value": "?"}, {"from": "gpt", "value": 3}],
    [{"role": "system", "content": "x"}, {"human": "<image>?", "gpt": "<bbox>"}],
    [["<image 1>?", "a"], ["b", None]],
    *({"ref": ["a"], "bbox": [[1, 2, 3, 4]], "bbox_type": "norm1"}, {"from": "gpt", "value": "3"}),
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "0.png"}}]}],
)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_row_that_anyone_can_write_stops_the_check(folder, dialect):
    drawn = random.Random(dialect.name)
    rows = [
        {column: drawn.choice(ODD) for column in dialect.columns if drawn.random() < 0.6} for _ in range(200)
    ]
    report = check(Preflight(lines(folder / "my.jsonl", *rows), THINK_ANSWER)).as_json()
    assert report["rows"] == 200 and report["faults"]
    json.dumps(report).encode()


# The command


def call(capsys, *words):
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    output = capsys.readouterr()
    return left.value.code or 0, output.out, output.err


def test_check_exits_with_1_and_names_every_row_as_json(folder, capsys):
    path, expected = planted(folder)
    code, out, _ = call(capsys, "check", path, "--json")
    report = json.loads(out)
    assert code == 1 and report["clean"] is False
    assert {(f["kind"], f["row"]) for f in report["faults"] + report["suspected"]} == expected
    code, out, _ = call(capsys, "check", path)
    assert code == 1 and all(f" {kind.split()[0]}" in out for kind in PLANTED)
    assert f"{len(PLANTED.keys() & FAULTS.keys())} of {len(CLEAN) + len(PLANTED)} rows are at fault" in out


HEADERS = "headers of the media are read, not their pixels; --decode finds what is broken inside"


def test_check_exits_with_0_on_clean_data_and_2_where_it_cannot_run(folder, capsys):
    path = lines(folder / "my.jsonl", *CLEAN)
    compared = "answers are compared by letters alone 3, same_math 2, same_number 1, same_choice 1"
    told = f"{path}: 7 rows (plain), 6 pictures and clips\n{compared}\n{HEADERS}\nno row is at fault\n"
    assert call(capsys, "check", path)[:2] == (0, told)
    code, _, err = call(capsys, "check", folder / "gone.jsonl")
    assert code == 2 and "there is no data at" in err
    code, _, err = call(capsys, "check", path, "--verifier", "magic")
    assert code == 2 and "unknown verifier 'magic'" in err


@pytest.mark.parametrize("command", ["check", "convert"])
def test_both_commands_have_help_with_an_example(capsys, command):
    code, out, _ = call(capsys, command, "--help")
    assert code == 0 and f"Example: seethink {command} my.jsonl" in out


def test_convert_writes_what_check_finds_clean(folder, capsys):
    path = lines(folder / "my.jsonl", *CLEAN[:4])
    code, out, _ = call(capsys, "convert", path, folder / "out", "--dialect", "trl")
    assert (code, out) == (0, f"4 rows: {folder / 'out'}\n")
    assert call(capsys, "check", folder / "out")[0] == 0
    code, _, err = call(capsys, "convert", path, folder / "out")
    assert code == 2 and "exists and is not empty" in err


def test_answers_that_are_equal_in_other_words_are_not_two(tmp_path):
    rows = [{"question": "How many?", "answer": text, "id": text} for text in ("2", "2.0", "two")]
    path = lines(tmp_path / "rows.jsonl", *rows)
    assert "two answers" not in check(Preflight(path, THINK_ANSWER)).counts
    path = lines(tmp_path / "more.jsonl", *rows, rows[0] | {"id": "other", "answer": "3"})
    assert check(Preflight(path, THINK_ANSWER)).counts["two answers"] == 1
