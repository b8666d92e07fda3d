"""Drawn shapes: answers follow from the formal description, colours from the picture."""

from __future__ import annotations

import re

from seethink.sources.drawn.grid import CELL_PX, COLOURS, SHAPES, ShapeGrids

WORLD = ShapeGrids(300, "test")


def test_answers_follow_from_the_formal_description() -> None:
    for example in WORLD:
        objects = [part.split()[1:] for part in example.meta["formal"].split("; ")]
        words = example.question.removeprefix("How many ").removesuffix(" are there?").split()
        colour = words[0] if words[0] in COLOURS else None
        shape = words[-1].removesuffix("s") if words[-1] != "objects" else None
        assert shape is None or shape in SHAPES
        right = [o for o in objects if colour in (None, o[0]) and shape in (None, o[1])]
        assert example.answer == str(len(right)), example.question


def test_steps_judge_every_object_and_end_with_the_answer() -> None:
    for example in WORLD:
        title, judged = example.steps
        entries = [re.fullmatch(r"(r\dc\d \w+ \w+) (yes|no) (\d+)", one) for one in judged[:-1].split("; ")]
        assert "; ".join(one[1] for one in entries) == example.meta["formal"]
        words, count = {word.removesuffix("s") for word in title[:-1].lower().split()} - {"object"}, 0
        for one in entries:
            fits = words <= {*one[1].split()}
            count += fits
            assert one[2] == ("yes" if fits else "no") and int(one[3]) == count
        assert example.answer == str(count)


def test_objects_are_drawn_in_their_cells_and_colours() -> None:
    for example in WORLD[:20]:
        picture = example.media[0].load()
        for row, column, colour, _ in example.meta["objects"]:
            box = (column * CELL_PX, row * CELL_PX, (column + 1) * CELL_PX, (row + 1) * CELL_PX)
            assert COLOURS[colour] in {rgb for _, rgb in picture.crop(box).getcolors(CELL_PX**2)}


def test_items_are_distinct_and_seeds_disjoint() -> None:
    ids = {example.id for example in ShapeGrids(2000, "train", 0)}
    assert len(ids) == 2000 and ids.isdisjoint(example.id for example in ShapeGrids(2000, "train", 1))
