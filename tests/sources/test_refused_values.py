"""What no row of any file may contain, and what no file may be written with."""

from __future__ import annotations

import json

import PIL.Image
import pytest

from seethink.sources.drawn.sheets import write_gallery
from seethink.sources.records import read
from seethink.sources.row_writers import ROW_WRITERS
from seethink.sources.writing import write
from seethink.types import Example, InputError

GOOD = {"image": "a.png", "question": "How many?", "answer": "3"}


@pytest.fixture
def folder(tmp_path):
    PIL.Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    return tmp_path


def lines(folder, *rows, name="my.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{path.parent}/", "")


HALF = "q \ud800"
TURNS = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "3"}]


@pytest.mark.parametrize(
    "row",
    [
        {**GOOD, "question": HALF},
        {**GOOD, "answer": HALF},
        {**GOOD, "steps": ["1", HALF]},
        {**GOOD, "steps": json.dumps(["1", HALF])},
        {**GOOD, "choices": ["3", HALF]},
        {**GOOD, "history": [["?", HALF]]},
        {**GOOD, "system": HALF},
        {**GOOD, "id": HALF},
        {**GOOD, "image": HALF},
        {**GOOD, "meta": {"note": [{HALF: 1}]}},
        {**GOOD, "meta": json.dumps({"note": HALF})},
        {**GOOD, HALF: 1},
        {"messages": [TURNS[0], {"role": "assistant", "content": HALF}]},
        {"prompt": "?", "chosen": HALF, "rejected": "3"},
        {"prompt": TURNS[:1], "chosen": TURNS[1:], "rejected": [{"role": "assistant", "content": HALF}]},
    ],
)
@pytest.mark.parametrize("name", ["my.jsonl", "my.json"])
def test_half_a_character_is_refused_wherever_it_stands(folder, row, name):
    path = lines(folder, row, name=name)
    if name == "my.json":
        path.write_text(json.dumps([row]), encoding="utf-8")
    message = refused(path)
    assert message.startswith(f"{name}, row 1: ") and "U+D800, half of a character; restore" in message


def test_whole_characters_beyond_16_bits_are_read(folder):
    (example,) = read(lines(folder, {**GOOD, "question": "\U0001f600?", "steps": json.dumps(["\U0001f600"])}))
    assert (example.question, example.steps) == ("\U0001f600?", ("\U0001f600",))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"question": "?", "answer": "3", "answer": "4"}', "answer"),
        ('{"question": "?", "answer": "3", "meta": {"a": {"b": 1, "b": 1}}}', "b"),
        ('{"messages": [{"role": "user", "role": "assistant", "content": "?"}]}', "role"),
    ],
)
def test_a_key_given_twice_is_refused_with_its_row(folder, text, key):
    good = json.dumps(GOOD)
    for name, content in (("my.jsonl", f"{good}\n{text}\n"), ("my.json", f"[{good}, {text}]")):
        (folder / name).write_text(content, encoding="utf-8")
        assert refused(folder / name) == f"{name}, row 2: the key {key!r} is given twice; keep one"


def test_a_key_given_twice_in_the_meta_of_a_table_is_refused(folder):
    (folder / "my.csv").write_text('question,answer,meta\n?,3,"{""a"": 1, ""a"": 2}"\n', encoding="utf-8")
    assert refused(folder / "my.csv") == "my.csv, row 1: in meta, the key 'a' is given twice; keep one"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"choices": "A,B"}, "choices must be a list of texts, not 'A,B'"),
        ({"choices": {"A": "x"}}, "choices must be a list of texts, not {'A': 'x'}"),
        ({"meta": [1]}, "meta must be an object, not [1]"),
        ({"meta": "red"}, "meta must be an object, not 'red'"),
        ({"meta": 3}, "meta must be an object, not 3"),
        ({"id": ""}, "the id must be a text or a number, not ''"),
        ({"id": " "}, "the id must be a text or a number, not ' '"),
        ({"id": ["a"]}, "the id must be a text or a number, not ['a']"),
        ({"id": True}, "the id must be a text or a number, not True"),
    ],
)
def test_columns_of_another_type_are_refused(folder, wrong, why):
    assert refused(lines(folder, {**GOOD, **wrong})).startswith(f"my.jsonl, row 1: {why}")


def test_deep_values_are_searched_without_end_of_the_stack(folder):
    deep = "[" * 2_000 + '"\\ud800"' + "]" * 2_000
    (folder / "my.jsonl").write_text(
        f'{{"question": "?", "answer": "3", "meta": {deep}}}\n', encoding="utf-8"
    )
    assert refused(folder / "my.jsonl").startswith("my.jsonl, ")


# Writing


PAIR = {"chosen": "Yes.", "rejected": "No."}


@pytest.mark.parametrize("dialect", ROW_WRITERS)
def test_no_writer_writes_half_a_character(folder, dialect):
    for example in (
        Example("one", f"{HALF}?", (), "3", meta={"pref": PAIR}),
        Example("one", "?", (), "3", meta={"pref": PAIR, "note": HALF}),
    ):
        with pytest.raises(
            InputError, match=r"^example one cannot be written.*(surrogate|half of a character)"
        ):
            write([example], folder / "out", dialect)
        assert not (folder / "out").exists()


@pytest.mark.parametrize("place", ["afile/x", "afile/x/y"])
@pytest.mark.parametrize("dialect", ["ours", "trl"])
def test_a_folder_that_cannot_be_made_is_refused_in_one_sentence(folder, dialect, place):
    (folder / "afile").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"afile/x.* cannot be written \(.*\); choose another folder"):
        write([Example("one", "?", (), "3")], folder / place, dialect)
    assert (folder / "afile").read_text(encoding="utf-8") == "mine"


def test_a_tsv_does_not_make_a_text_the_letter_of_a_place(folder):
    """VLMEvalKit's golds are letters of places; among choices that are letters, "B" may be a text."""
    example = Example("one", "Which?", (), "B", ("B", "A"))
    with pytest.raises(InputError, match="example one has choices that are letters"):
        write([example], folder / "tsv", "tsv")
    known = Example("one", "Which?", (), "B", ("B", "A"), meta={"answer_is_letter": True})
    write([known], folder / "tsv", "tsv")
    (read_back,) = read(folder / "tsv")
    assert (read_back, read_back.meta) == (known, known.meta)
    write([example], folder / "csv", "csv")
    assert [one.meta for one in read(folder / "csv")] == [{}]


def test_a_gallery_that_cannot_be_written_is_refused_in_one_sentence(folder):
    (folder / "afile").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"afile/page\.md cannot be written \(.*\); choose another --out"):
        write_gallery(folder / "afile" / "page.md")
