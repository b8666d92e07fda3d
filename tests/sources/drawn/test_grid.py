"""Drawn shapes: answers follow from the formal description, colours from the picture."""

from __future__ import annotations

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


def test_steps_name_every_object_and_then_count_those_asked_for() -> None:
    for example in WORLD:
        named, found = example.steps
        assert named == f"{example.meta['formal']}."
        objects = {at: words for at, *words in (one.split() for one in named.rstrip(".").split("; "))}
        kind, _, places = found.removeprefix("The ").rstrip(".").partition(": ")
        counted = [] if places == "none" else [place.split(": ") for place in places.split(", ")]
        assert [int(i) for i, _ in counted] == list(range(1, int(example.answer or "") + 1))
        words = {word.removesuffix("s") for word in kind.split()} - {"object"}
        assert {at for _, at in counted} == {at for at, named in objects.items() if words <= {*named}}


def test_objects_are_drawn_in_their_cells_and_colours() -> None:
    for example in WORLD[:20]:
        picture = example.media[0].load()
        for row, column, colour, _ in example.meta["objects"]:
            box = (column * CELL_PX, row * CELL_PX, (column + 1) * CELL_PX, (row + 1) * CELL_PX)
            assert COLOURS[colour] in {rgb for _, rgb in picture.crop(box).getcolors(CELL_PX**2)}


def test_items_are_distinct_and_seeds_disjoint() -> None:
    ids = {example.id for example in ShapeGrids(2000, "train", 0)}
    assert len(ids) == 2000 and ids.isdisjoint(example.id for example in ShapeGrids(2000, "train", 1))
