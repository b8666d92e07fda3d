"""Pages of digits: pure functions of (world, seed, index), with answers that follow from what is drawn."""

from __future__ import annotations

import json
import random
import re
import typing

import numpy
import pytest

from seethink.formats import THINK_ANSWER, by_steps
from seethink.sources import handwritten
from seethink.sources.handwritten import QUESTIONS, Page, Pages
from seethink.types import Example

WORLDS = {
    "seen": Pages(300, "test"),
    "denser": Pages(300, "test", cells=(5, 5), digits=(13, 20)),
    "printed": Pages(300, "test", glyphs="fonts"),
}


def _digits(example: Example) -> list[int]:
    return [int(cell) for cell in example.meta["formal"].split() if cell.isdigit()]


def _answer(example: Example) -> str:
    """The answer, worked out anew from question and formal description."""
    digits, question = _digits(example), example.question
    if question.startswith("Are there more"):
        gap = sum(d % 2 for d in digits) - sum(1 - d % 2 for d in digits)
        return "equal" if gap == 0 else f"{'odd' if gap > 0 else 'even'} by {abs(gap)}"
    if one := re.fullmatch(r"How many (\d)s are there\?", question):
        return str(digits.count(int(one[1])))
    bound = int(found[0]) if (found := re.findall(r"\d", question)) else 0
    tests = {
        "even": lambda d: d % 2 == 0,
        "odd": lambda d: d % 2 == 1,
        "above": lambda d: d > bound,
        "below": lambda d: d < bound,
    }
    (test,) = (test for word, test in tests.items() if word in question)
    chosen = [d for d in digits if test(d)]
    return str(sum(chosen) if "sum" in question else len(chosen))


@pytest.mark.parametrize("name", WORLDS)
def test_answers_follow_from_what_is_on_the_page(name: str) -> None:
    for example in WORLDS[name]:
        assert example.answer == _answer(example), example.question


@pytest.mark.parametrize("name", WORLDS)
def test_steps_look_at_every_digit_and_end_with_the_answer(name: str) -> None:
    for example in WORLDS[name]:
        rows = example.steps[1 : 1 + len(example.meta["page"])]
        lines, looks = zip(*(step.rstrip(" /.").split(": ") for step in rows), strict=True)
        read = [line.removeprefix(f"r{row} ") for row, line in enumerate(lines, 1)]
        assert " / ".join(read) == example.meta["formal"], "every row is named and read first"
        entries = [entry.split() for row in looks for entry in row.split(", ")]
        judged = [int(digit) for digit, *rest in entries if rest and rest[0].isalpha()]
        assert judged == _digits(example), "every digit has a verdict"
        *_, last = entries
        if example.steps[0] != "Odd and even:":
            assert last[-1] == example.answer
        else:
            odd, even = map(int, last[-2:])
            gap, more = abs(odd - even), "odd" if odd > even else "even"
            assert example.answer == (f"{more} by {gap}" if gap else "equal")
            assert example.steps[-1].endswith(f" = {gap}.")
        assert by_steps(THINK_ANSWER.write(" ".join(example.steps), example.answer or ""))


def test_items_are_distinct_and_seeds_disjoint() -> None:
    first, other = Pages(10_000, "train", 0), Pages(10_000, "train", 1)
    ids = {example.id for example in first}
    assert len(ids) == 10_000 and ids.isdisjoint(example.id for example in other)
    formals = [example.meta["formal"] for example in first]
    assert len(set(formals)) > 9_990, "pages do not repeat"


def test_an_item_depends_only_on_its_index_and_is_reproducible() -> None:
    short, long = Pages(5, "train", 4), Pages(500, "train", 4)
    assert list(short) == long[:5] and short[-1] == short[4]
    assert short[3].media[0].load().tobytes() == long[3].media[0].load().tobytes()
    with pytest.raises(IndexError):
        short[5]


def test_held_out_pages_use_held_out_scans_and_fonts() -> None:
    train, test = handwritten.scans("train"), handwritten.scans("test")
    training = {scan.tobytes() for scans in train.values() for scan in scans}
    held = [scan.tobytes() for scans in test.values() for scan in scans]
    assert len(held) == handwritten.HELD_OUT_SCANS
    assert sum(map(len, train.values())) + len(held) == 1797
    assert sum(scan in training for scan in held) <= 2, "no more than the data set's own duplicates"
    assert not set(handwritten.FONTS["train"]) & set(handwritten.FONTS["test"])


@pytest.mark.parametrize("name", WORLDS)
def test_pictures_have_one_cell_for_each_place(name: str) -> None:
    world = WORLDS[name]
    rows, columns = world.cells
    picture = world[0].media[0].load()
    assert picture.size == (columns * handwritten.CELL_PX, rows * handwritten.CELL_PX)
    low, high = world.digits
    assert all(low <= len(_digits(example)) <= high for example in world)


@pytest.mark.parametrize("glyphs", typing.get_args(handwritten.Glyphs))
def test_every_digit_is_drawn_in_its_own_cell_and_blanks_stay_empty(glyphs) -> None:
    for i in range(30):
        page = handwritten.compose(random.Random(i), 4, 4, (4, 12))
        ink = 255 - numpy.asarray(handwritten.draw(page, random.Random(i), glyphs, "train").convert("L"))
        marks = ink > ink.min()  # paper is even
        cells = marks.reshape(4, handwritten.CELL_PX, 4, handwritten.CELL_PX).sum((1, 3))
        assert {(r, c) for r, c in numpy.argwhere(cells > 0).tolist()} == {*page.digits}
        assert cells[cells > 0].min() > 20


def test_varied_scans_differ_more_in_shape() -> None:
    def widths(glyphs) -> float:
        page = handwritten.Page(1, 1, {(0, 0): 0})
        ink = [
            255 - numpy.asarray(handwritten.draw(page, random.Random(i), glyphs, "train").convert("L"))
            for i in range(200)
        ]
        across = [numpy.flatnonzero((picture > picture.min() + 60).any(0)) for picture in ink]
        return float(numpy.std([columns[-1] - columns[0] for columns in across]))

    assert widths("varied") > 1.15 * widths("scans")


def test_every_kind_of_question_is_asked() -> None:
    assert {example.meta["kind"] for example in WORLDS["seen"]} == set(QUESTIONS)


def test_identity_tells_worlds_apart() -> None:
    assert len({world.identity for world in WORLDS.values()}) == 3
    assert Pages(5, "train", 1).identity != Pages(5, "train", 2).identity


def test_a_page_is_read_back_from_its_row_which_is_json() -> None:
    for example in Pages(20, "test", seed=3):
        page = Page.of(example)
        assert json.loads(json.dumps(example.meta)) == example.meta
        assert page.formal() == example.meta["formal"] and Page.of(example).cells == example.meta["page"]
