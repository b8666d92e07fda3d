"""Descriptions of every kind: the form is checked, and nothing in it is run."""

from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.boxes import Box, write_boxes
from seethink.engines.oracle import descriptions
from seethink.engines.oracle.truth import Truth
from seethink.sources.drawn import WORLDS, by_name
from seethink.synth.draft import Dropped
from seethink.synth.formal import NO_TEXT, SYNTAX_CHECKS, ocr_texts, read_formal
from seethink.synth.language import language_of, scripts_of

GOOD = [
    ("caption", "A dog. It says ```."),
    ("boxes", '[{"bbox_2d": [1, 2, 3, 4], "label": "dog"}]'),
    ("boxes", "None"),
    ("ocr", 'a @ b, "c" @ [1, 2, 3.5, 4]\n\nd@[1,2,3,4]'),
    ("ocr", NO_TEXT),
    ("table", 'name,value\n"a, b",3\n\nc,4'),
    ("chart", "import matplotlib.pyplot as plt\nplt.bar(['\\d'], [1])"),
    ("circuit", "* divider\nR1 a b 10k\n.END"),
    ("flow", "flowchart TD\n  a --> b"),
    ("flow", "graph LR; a --> b"),
    ("ui", '<main><input type="checkbox" checked><br/><p>On & off</p></main>'),
    ("score", '\\version "{" % {\n{ c4 { d4 } %{ } %} }'),
    ("geometry", "Given: a triangle."),
    ("geometry", "given：三角形"),
]
FAULTY = [
    *((kind, " \n", "is empty") for kind in SYNTAX_CHECKS),
    ("boxes", "A dog at 1, 2, 3, 4", "no boxes"),
    ("boxes", '[{"bbox_2d": [1, 2, 3]}]', "no boxes"),
    ("ocr", "SALE\nnow @ [1, 2, 3, 4]", "a line that is not"),
    ("ocr", "SALE @ [1, 2, 3]", "a line that is not"),
    ("table", "a,b\n1,2,3", "2 and 3 columns"),
    ("table", "There is no table.", "one column"),
    ("table", 'a,b\n"1,2', "not CSV"),
    ("chart", "a bar chart", "SyntaxError"),
    ("chart", "x = 1", "draws nothing"),
    ("chart", "plt.bar('\0')", "not Python"),
    ("circuit", "R1 a b 10k", ".end"),
    ("flow", "a --> b", "neither graph"),
    ("flow", "graphs", "neither graph"),
    ("ui", "<main><p></main></p>", "closes <main>"),
    ("ui", "<main><p></p>", "never closes <main>"),
    ("ui", "a screen", "no tag"),
    ("ui", "<![foo[", "not HTML"),
    ("score", "{ c4", "open"),
    ("score", "} c4 {", "not open"),
    ("score", "c4 d4 % { }", "no braces"),
    ("geometry", "A triangle is given.", "Given:"),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_a_text_of_its_form_is_taken_as_it_is(kind: str, text: str) -> None:
    assert read_formal(kind, f"\n{text} ") == text


@pytest.mark.parametrize(("kind", "text", "why"), FAULTY)
def test_a_syntax_error_is_named(kind: str, text: str, why: str) -> None:
    found = read_formal(kind, text)
    assert isinstance(found, Dropped) and why in found.why
    assert found.reason == ("not JSON" if kind == "boxes" and text.strip() else "invalid")


@pytest.mark.parametrize(("kind", "text"), [pair for pair in GOOD if pair[0] != "caption"])
def test_a_code_fence_is_removed(kind: str, text: str) -> None:
    assert read_formal(kind, f"Here it is:\n```lang\n{text}\n```\nDone.") == text


@given(
    st.sampled_from([*SYNTAX_CHECKS]),
    st.text(st.characters(codec="utf-8")) | st.text("<>{}[]!/-ab\"'\n,.%\\@`"),
)
def test_any_text_is_read_and_reading_is_idempotent(kind: str, text: str) -> None:
    found = read_formal(kind, text)
    if not isinstance(found, Dropped) and "```" not in found:
        assert read_formal(kind, found) == found and found in text


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1)


@given(st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1)))
def test_every_csv_table_is_accepted(rows: list[list[str]]) -> None:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    assert not isinstance(read_formal("table", table.getvalue()), Dropped)
    short = io.StringIO()
    csv.writer(short, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([*rows, rows[0][1:]])
    assert isinstance(read_formal("table", short.getvalue()), Dropped)


@given(st.lists(st.tuples(*[st.integers(0, 999)] * 4, st.text(st.characters(codec="utf-8")))))
def test_all_written_boxes_are_accepted(boxes: list[tuple[int, int, int, int, str]]) -> None:
    assert not isinstance(read_formal("boxes", write_boxes(Box(*box) for box in boxes)), Dropped)


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(WORD, min_size=1), st.tuples(*[st.integers(-9, 999)] * 4))
def test_ocr_texts_are_read_in_order(words: list[str], box: tuple[int, ...]) -> None:
    assert ocr_texts("\n".join(f"{word} @ {[*box]}" for word in words)) == words


def test_ocr_without_text_is_empty_and_a_syntax_error_is_none() -> None:
    assert ocr_texts(NO_TEXT) == [] and ocr_texts("SALE") is None and ocr_texts("") is None


@pytest.mark.parametrize("world", [*WORLDS])
def test_the_oracle_describes_every_world_in_every_kind(world: str) -> None:
    for example in by_name(world, 6):
        for kind in SYNTAX_CHECKS:
            text = descriptions.describe(Truth(example), kind, random.Random(0))
            assert read_formal(kind, text) == text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many dots?", "en"), ("有几个点？", "zh"), ("What does 出口 mean?", "en"),
        ("EXIT是什么意思呢？", "zh"),
        ("Сколько точек?", "en"), ("1 + 1 = ?", "en"), ("", "en"),
    ],
)  # fmt: skip
def test_a_text_is_chinese_if_most_of_its_letters_are(text: str, language: str) -> None:
    assert language_of(text) == language


def test_only_letters_count_for_scripts() -> None:
    assert scripts_of("Ab, 12 出口 Ж ＥＸ") == {"LATIN": 4, "CJK": 2, "CYRILLIC": 1}


@given(st.text())
def test_every_letter_has_a_script(text: str) -> None:
    assert all(count > 0 for count in scripts_of(text).values())
