"""Files and folders as people have them: tables, shards, splits, compressed text, and what programs leave in
them."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seethink.media import Image
from seethink.sources.dialects import dialect_of
from seethink.sources.records import read
from seethink.sources.row_reader import read_rows
from seethink.sources.writing import write
from seethink.types import InputError, Response
from seethink.verify import same_choice
from tests.sources.pictures import png


def text(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


# Tables


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_a_csv_with_a_header_is_read_as_spreadsheets_write_it(folder, separator, end, begin):
    lines = [
        ["id", "image", "question", "choices", "answer"],
        ["1", "a.png", f'"Is it{separator} ""red""?{end}Or not?"', "\"['yes', 'no']\"", "A"],
        ["", "", "", "", ""],
        ["", "b.png", "How many?", "", "3.0"],
        [],
    ]
    path = text(folder / "my.csv", begin + end.join(separator.join(line) for line in lines) + end)
    first, second = read(path)
    assert (first.id, first.answer, first.choices) == ("1", "A", ("yes", "no"))
    assert first.question == f'Is it{separator} "red"?{end}Or not?'
    assert (second.id, second.answer, second.choices) == ("my-3", "3.0", ())
    assert second.media == (Image.file(folder / "b.png"),)


def test_a_tsv_and_the_row_index_of_pandas(folder):
    path = text(folder / "my.tsv", "\tquestion\tanswer\n0\t1 + 2?\t3\n1\tline\u2028break?\tyes\n")
    first, second = read(path)
    assert (first.answer, second.question) == ("3", "line\u2028break?")


@pytest.mark.parametrize(("suffix", "between"), [(".csv", ","), (".tsv", "\t")])
@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "null", "None"])
def test_words_for_nothing_are_texts_of_a_table(folder, suffix, between, word):
    """pandas writes a missing value as an empty cell; SeeThink's own tables are read back unchanged."""
    lines = [between.join(line) for line in (("question", "answer"), (word, word))]
    (example,) = read(text(folder / f"my{suffix}", "\n".join(lines)))
    assert (example.question, example.answer) == (word, word)
    dialect = suffix[1:]
    write([example], folder / dialect, dialect)
    assert read(folder / dialect) == (example,)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            "question,answer\n1 + 2?,\n",
            "my.csv, row 1: there is no answer; give the correct text or number",
        ),
        (
            "question,answer\n1 + 2?,3,4\n",
            "my.csv, row 1: the row has 3 cells for 2 columns; quote the cells that",
        ),
        ("question,answer,answer\n?,3,4\n", "my.csv has the column 'answer' twice; rename one of them"),
        ('question,answer\n?,3\n"open,4\n', "my.csv, line 3: not a table (unexpected end of data)"),
        ("question,answer\n", "my.csv has no rows"),
        ("", "my.csv has no rows"),
        ("question,anwser\n?,3\n", "my.csv, row 1: unknown column 'anwser'; did you mean 'answer'?"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(folder, content, why):
    assert refused(text(folder / "my.csv", content)).startswith(why)


def picture_cell(colour=(200, 10, 10)):
    return base64.b64encode(png(colour)).decode()


def test_mmbench_has_options_in_columns_and_a_hint(folder):
    head = "index\timage\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\tl2-category\tsplit\tsource\n"
    rows = [
        [
            "7",
            picture_cell(),
            "Which one?",
            "Look left.",
            "cup",
            "pen",
            "",
            "",
            "B",
            "c",
            "l2",
            "dev",
            "x",
        ],
        ["8", "7", "How many?", "", "1", "2", "3", "4", "C", "c", "", "dev", ""],
    ]
    path = text(folder / "MMBench.tsv", head + "".join("\t".join(row) + "\n" for row in rows))
    assert dialect_of(read_rows(path)).name == "vlmevalkit"
    first, second = read(path)
    assert first.question == "Hint: Look left.\nWhich one?\nA. cup\nB. pen"
    assert (first.id, first.answer, first.choices) == ("7", "B", ("cup", "pen"))
    assert first.meta == {"category": "c", "l2-category": "l2", "split": "dev", "source": "x"}
    assert (second.answer, second.choices, second.media) == ("C", ("1", "2", "3", "4"), first.media)


def test_options_that_are_letters_are_told_by_their_place(folder):
    path = text(folder / "my.csv", "index,question,A,B,C,answer\n1,Which vitamin?,D,A,C,B\n")
    (example,) = read(path)
    paid = {said: same_choice(example, Response(said, answer=said)).value for said in ("B", "A", "B. A")}
    assert paid == {"B": 1.0, "A": 0.0, "B. A": 1.0}


def test_a_test_split_without_answers_is_read_for_an_evaluation_only(folder):
    path = text(folder / "t.tsv", f"index\timage\tquestion\tA\tB\n1\t{picture_cell()}\tWhich?\tcup\tpen\n")
    (example,) = read(path, answered=False)
    assert (example.answer, example.choices) == (None, ("cup", "pen"))
    assert refused(path).startswith("t.tsv, row 1: there is no answer; give the correct text or number")


def test_numbered_marks_place_each_picture_and_may_repeat_it(folder):
    a, b = (Image.file(folder / name) for name in ("a.png", "b.png"))
    row = {
        "images": ["a.png", "b.png"],
        "question": "Is <image 2> like <image 1>? A. <image 2>",
        "answer": "A",
    }
    path = text(folder / "my.jsonl", json.dumps(row) + "\n")
    (example,) = read(path)
    assert example.question == "Is <image> like <image>? A. <image>"
    assert example.media == (b, a, b)
    part = {"image": "a.png", "question": "In <image1>, and <image2>?", "answer": "A"}
    (example,) = read(text(folder / "my.jsonl", json.dumps(part) + "\n"))
    assert example.parts() == [a, "In <image1>, and <image2>?"]


def test_options_with_a_gap_are_refused(folder):
    assert "row 1: the options AB have a gap; name them from A on" in refused(
        text(folder / "my.csv", "index,question,A,C,answer\n1,Which?,cup,pen,A\n")
    )


# LLaVA's questions


QUESTIONS = [
    {"image": "a.png", "text": "What is x?", "category": "conv", "question_id": 0},
    {"image": "b.png", "text": "What is d?", "category": "conv", "question_id": 1},
]


def test_llavas_questions_are_recognised_and_have_no_answers(folder):
    path = text(folder / "question.jsonl", "".join(json.dumps(row) + "\n" for row in QUESTIONS))
    assert dialect_of(read_rows(path)).name == "llava questions"
    first, second = read(path, answered=False)
    assert (first.id, first.question, first.answer) == ("0", "What is x?", None)
    assert (second.media, second.meta) == ((Image.file(folder / "b.png"),), {"category": "conv"})
    assert refused(path) == (
        "question.jsonl, row 1: there is no answer; LLaVA's question.jsonl is answered by `seethink eval`, "
        "and training cannot use it"
    )


def test_a_file_with_some_answers_needs_all_of_them(folder):
    rows = [{"question": "1 + 2?", "answer": "3"}, {"question": "1 + 3?"}]
    path = text(folder / "my.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="row 2: there is no answer"):
        read(path, answered=False)


def test_raw_text_is_no_question(folder):
    path = text(folder / "c4.jsonl", json.dumps({"text": "Once upon a time."}) + "\n")
    why = "the column 'text' is raw text, which no method here learns; leave the row out"
    assert refused(path) == f"c4.jsonl, row 1: {why}"


# Compressed text, broken JSON


def test_text_may_be_compressed(folder):
    row = {"image": "a.png", "question": "How many?", "answer": "3"}
    for name, content in (
        ("my.jsonl.gz", json.dumps(row)),
        ("my.json.gz", json.dumps([row])),
        ("my.csv.gz", "image,question,answer\na.png,How many?,3\n"),
    ):
        (folder / name).write_bytes(gzip.compress(content.encode()))
        (example,) = read(folder / name)
        assert (example.id, example.answer, len(example.media)) == ("my-1", "3", 1)
    (folder / "my.jsonl.gz").write_bytes(gzip.compress(b"{}" * 1000)[:20])
    assert refused(folder / "my.jsonl.gz").startswith("my.jsonl.gz cannot be read: ")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('[{"question": "?", "answer": "3"},]', "my.json, line 1, column 35: not JSON ("),
        ('[{"question": "?", "answer": ' + "9" * 5000 + "}]", "my.json, line 1: JSON cannot be read ("),
        ("[" * 100_000, "my.json, line 1: JSON cannot be read ("),
    ],
)
def test_json_that_cannot_be_read_is_refused(folder, content, why):
    assert refused(text(folder / "my.json", content)).startswith(why)


# Values that programs leave in rows


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (3, "3"),
        (3.0, "3.0"),
        (-0.5, "-0.5"),
        (["B"], "B"),
        ([7], "7"),
        ([1, 2, 3, 4], "[1, 2, 3, 4]"),
        (" x ", "x"),
    ],
)
def test_an_answer_may_be_a_number_or_a_list_of_one(folder, answer, said):
    path = text(folder / "my.jsonl", json.dumps({"question": "?", "answer": answer}) + "\n")
    assert read(path)[0].answer == said


@pytest.mark.parametrize(
    "columns",
    [
        {"images": None},
        {"images": []},
        {"images": [None]},
        {"image": {"bytes": None, "path": None}},
        {"images": [{"bytes": None, "path": None}]},
        {"image": None, "images": None, "video": None},
        {"image": "", "images": []},
    ],
)
def test_nulls_of_a_picture_column_are_no_picture(folder, columns):
    path = text(folder / "my.jsonl", json.dumps({"question": "1 + 2?", "answer": 3, **columns}) + "\n")
    if columns.get("image") == "":
        assert "a picture must be the path of a file, not ''" in refused(path)
    else:
        assert read(path)[0].media == ()


def test_paths_may_be_absolute_or_written_on_windows(folder):
    (folder / "images").mkdir()
    (folder / "images" / "c.png").write_bytes(png((1, 2, 3)))
    paths = [
        str(folder / "a.png"),
        r"images\c.png",
        "./images/c.png",
        {"path": r"images\c.png", "bytes": None},
    ]
    rows = [{"image": path, "question": f"{i}?", "answer": "3"} for i, path in enumerate(paths)]
    path = text(folder / "my.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    shown = [example.media[0].load().getpixel((0, 0)) for example in read(path)]
    assert shown == [(200, 10, 10), (1, 2, 3), (1, 2, 3), (1, 2, 3)]
    gone = {"image": r"C:\data\a.png", "question": "?", "answer": "3"}
    assert r"there is no picture at C:\data\a.png" in refused(text(folder / "my.jsonl", json.dumps(gone)))


def test_a_row_of_another_layout_is_refused_with_its_number(folder):
    rows = [{"question": "?", "answer": "3"}] * 2 + [{"messages": [{"role": "user", "content": "?"}]}]
    path = text(folder / "my.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert refused(path).startswith("my.jsonl, row 3: unknown column 'messages'")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty; download or copy it again"),
        (
            b"<!DOCTYPE html><html>404</html>",
            "it is a web page, such as of an error; download the file itself",
        ),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer; run `git lfs pull`"),
        (bytes(500), "its first bytes are all zero, as an unfinished download leaves them"),
    ],
)
def test_what_holds_no_rows_is_named_with_its_mend(folder, content, why, suffix):
    path = folder / f"my{suffix}"
    path.write_bytes(content)
    assert refused(path).startswith(f"my{suffix} has no rows: {why}")


# Whatever is in a file


WORDS = "question answer messages index A image , ; { } [ ] : null NaN 1e999 -0 <image> a.png user"
PIECES = [*WORDS.split(" "), '"', "\t", "\n", "\r\n", "\0", "\ufeff", "\u2028", "\\ud800", " "]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=40),
    st.sampled_from([".csv", ".tsv", ".json", ".jsonl"]),
)
def test_any_text_is_read_or_refused_in_one_sentence(folder, content, suffix):
    path = folder / f"any{suffix}"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    for answered in (True, False):
        try:
            read(path, answered=answered)
        except InputError as error:
            assert str(path) in str(error) and len(str(error)) < 1_000


# Encodings and separators


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("told", [False, True])
def test_a_csv_is_read_in_the_encodings_and_with_the_separators_of_spreadsheets(
    folder, encoding, separator, told
):
    begin = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    begin += f"sep={separator}\r\n" if told else ""
    lines = [["image", "question", "answer"], ["a.png", '"Größe, in cm; wie viel?"', '"3,5"']]
    content = begin + "\r\n".join(separator.join(line) for line in lines)
    (example,) = read(text(folder / "my.csv", content, encoding))
    assert (example.question, example.answer) == ("Größe, in cm; wie viel?", "3,5")
    assert example.media == (Image.file(folder / "a.png"),)


def test_a_quoted_column_name_decides_no_separator(folder):
    (example,) = read(text(folder / "my.csv", 'question;answer;"a, b, c and d"\n1 + 2?;3;\n'))
    assert example.answer == "3"


def test_a_file_in_another_encoding_is_refused(folder):
    assert "is not UTF-8 text (byte 18); save it as UTF-8" in refused(
        text(folder / "my.csv", "question,answer\nGröße?,3\n", "cp1252")
    )
    (folder / "my.csv").write_bytes("question,answer\n?,3\n".encode("utf-16") + b"x")
    assert "is not UTF-16 text" in refused(folder / "my.csv")
