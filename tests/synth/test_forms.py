"""Descriptions of every kind: the form is checked, and nothing in it is run."""

from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.boxes import Box, write_boxes
from seethink.engines.scripted import seen
from seethink.engines.scripted.truth import Truth
from seethink.sources.drawn import WORLDS, by_name
from seethink.synth.draft import Dropped
from seethink.synth.forms import FORMS, NO_TEXT, read_form, texts_in
from seethink.synth.tongue import scripts_of, tongue_of

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
    *((kind, " \n", "is empty") for kind in FORMS),
    ("boxes", "A dog at 1, 2, 3, 4", "no boxes"),
    ("boxes", '[{"bbox_2d": [1, 2, 3]}]', "no boxes"),
    ("ocr", "SALE\nnow @ [1, 2, 3, 4]", "a line that is not"),
    ("ocr", "SALE @ [1, 2, 3]", "a line that is not"),
    ("table", "a,b\n1,2,3", "2 and 3 columns"),
    ("table", "There is no table.", "one column"),
    ("table", 'a,b\n"1,2', "no CSV"),
    ("chart", "a bar chart", "SyntaxError"),
    ("chart", "x = 1", "draws nothing"),
    ("chart", "plt.bar('\0')", "no Python"),
    ("circuit", "R1 a b 10k", ".end"),
    ("flow", "a --> b", "neither graph"),
    ("flow", "graphs", "neither graph"),
    ("ui", "<main><p></main></p>", "closes <main>"),
    ("ui", "<main><p></p>", "never closes <main>"),
    ("ui", "a screen", "no tag"),
    ("ui", "<![foo[", "no HTML"),
    ("score", "{ c4", "open"),
    ("score", "} c4 {", "not open"),
    ("score", "c4 d4 % { }", "no braces"),
    ("geometry", "A triangle is given.", "Given:"),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_a_text_of_its_form_is_taken_as_it_is(kind: str, text: str) -> None:
    assert read_form(kind, f"\n{text} ") == text


@pytest.mark.parametrize(("kind", "text", "why"), FAULTY)
def test_a_text_of_another_form_is_named(kind: str, text: str, why: str) -> None:
    found = read_form(kind, text)
    assert isinstance(found, Dropped) and why in found.why
    assert found.reason == ("not JSON" if kind == "boxes" and text.strip() else "invalid")


@pytest.mark.parametrize(("kind", "text"), [pair for pair in GOOD if pair[0] != "caption"])
def test_a_form_is_taken_out_of_its_fence(kind: str, text: str) -> None:
    assert read_form(kind, f"Here it is:\n```lang\n{text}\n```\nDone.") == text


@given(st.sampled_from([*FORMS]), st.text(st.characters(codec="utf-8")) | st.text("<>{}[]!/-ab\"'\n,.%\\@`"))
def test_any_text_is_read_and_what_is_taken_is_taken_again(kind: str, text: str) -> None:
    found = read_form(kind, text)
    if not isinstance(found, Dropped) and "```" not in found:
        assert read_form(kind, found) == found and found in text


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1)


@given(st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1)))
def test_every_table_that_is_written_as_csv_is_one(rows: list[list[str]]) -> None:
    told = io.StringIO()
    csv.writer(told, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    assert not isinstance(read_form("table", told.getvalue()), Dropped)
    short = io.StringIO()
    csv.writer(short, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([*rows, rows[0][1:]])
    assert isinstance(read_form("table", short.getvalue()), Dropped)


@given(st.lists(st.tuples(*[st.integers(0, 999)] * 4, st.text(st.characters(codec="utf-8")))))
def test_all_boxes_are_boxes(boxes: list[tuple[int, int, int, int, str]]) -> None:
    assert not isinstance(read_form("boxes", write_boxes(Box(*box) for box in boxes)), Dropped)


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(WORD, min_size=1), st.tuples(*[st.integers(-9, 999)] * 4))
def test_texts_come_back_in_order(words: list[str], box: tuple[int, ...]) -> None:
    assert texts_in("\n".join(f"{word} @ {[*box]}" for word in words)) == words


def test_no_text_is_none_and_another_form_is_unknown() -> None:
    assert texts_in(NO_TEXT) == [] and texts_in("SALE") is None and texts_in("") is None


@pytest.mark.parametrize("world", [*WORLDS])
def test_the_oracle_describes_every_world_in_every_form(world: str) -> None:
    for example in by_name(world, 6):
        for kind in FORMS:
            text = seen.described(Truth(example), kind, random.Random(0))
            assert read_form(kind, text) == text


@pytest.mark.parametrize(
    ("text", "tongue"),
    [
        ("How many dots?", "en"), ("有几个点？", "zh"), ("What does 出口 mean?", "en"),
        ("EXIT是什么意思呢？", "zh"),
        ("Сколько точек?", "en"), ("1 + 1 = ?", "en"), ("", "en"),
    ],
)  # fmt: skip
def test_a_text_is_chinese_if_most_of_its_letters_are(text: str, tongue: str) -> None:
    assert tongue_of(text) == tongue


def test_scripts_are_told_by_letters_alone() -> None:
    assert scripts_of("Ab, 12 出口 Ж ＥＸ") == {"LATIN": 4, "CJK": 2, "CYRILLIC": 1}


@given(st.text())
def test_every_letter_has_a_script(text: str) -> None:
    assert all(count > 0 for count in scripts_of(text).values())
