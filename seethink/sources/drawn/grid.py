"""Counting questions about coloured shapes in a grid of cells, similar to CLEVR (Johnson et al. 2017).

Like `handwritten`: each example is determined by a hash of (world, seed, index) and has answer, caption,
formal description and reasoning steps.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import PIL.Image
import PIL.ImageDraw

from seethink.media import Image
from seethink.sequences import LazySequence
from seethink.types import Example

CELL_PX = 28
COLOURS = {
    "red": (214, 40, 40),
    "blue": (44, 82, 222),
    "green": (38, 160, 70),
    "yellow": (236, 200, 40),
    "purple": (140, 60, 190),
    "black": (30, 30, 30),
}
SHAPES = ("circle", "square", "triangle", "star")
Placed = tuple[int, int, str, str]
"""(row, column, colour, shape)"""

STAR = [
    (0.5, 0.0),
    (0.62, 0.36),
    (1.0, 0.38),
    (0.7, 0.6),
    (0.8, 1.0),
    (0.5, 0.76),
    (0.2, 1.0),
    (0.3, 0.6),
    (0.0, 0.38),
    (0.38, 0.36),
]


def draw(objects: Sequence[Placed], cells: tuple[int, int], rng: random.Random) -> PIL.Image.Image:
    """RGB picture of rows x columns cells of `CELL_PX` pixels; size and position of each object vary in its
    cell."""
    picture = PIL.Image.new("RGB", (cells[1] * CELL_PX, cells[0] * CELL_PX), (rng.randint(228, 255),) * 3)
    pen = PIL.ImageDraw.Draw(picture)
    for row, column, colour, shape in objects:
        side = rng.randint(15, 23)
        x, y = column * CELL_PX + rng.randint(1, 27 - side), row * CELL_PX + rng.randint(1, 27 - side)
        box, fill = (x, y, x + side, y + side), COLOURS[colour]
        if shape == "circle":
            pen.ellipse(box, fill=fill)
        elif shape == "square":
            pen.rectangle(box, fill=fill)
        else:
            outline = [(0.0, 1.0), (1.0, 1.0), (0.5, 0.0)] if shape == "triangle" else STAR
            pen.polygon([(x + u * side, y + v * side) for u, v in outline], fill=fill)
    return picture


@dataclass(frozen=True)
class ShapeGrids(LazySequence[Example]):
    """`n` questions such as "How many red circles are there?", each about a picture of its own.

    cells: (rows, columns) of the grid. objects: (minimum, maximum) per picture.
    """

    n: int
    split: str = "train"
    seed: int = 0
    cells: tuple[int, int] = (4, 4)
    objects: tuple[int, int] = (3, 10)

    @property
    def identity(self) -> str:
        return f"counting/{self.split}/{self.seed}/{self.cells}/{self.objects}"

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> Example:
        key = f"{self.identity}/{i}"
        rng = random.Random(key)
        rows, columns = self.cells
        cells = sorted(
            rng.sample([(r, c) for r in range(rows) for c in range(columns)], rng.randint(*self.objects))
        )
        objects = [(r, c, rng.choice(list(COLOURS)), rng.choice(SHAPES)) for r, c in cells]
        question, answer, steps = ask(rng, objects)
        picture = Image.drawn(key, lambda: draw(objects, self.cells, random.Random(f"{key}/ink")))
        return Example(
            id=key,
            question=question,
            media=(picture,),
            answer=answer,
            steps=steps,
            meta={
                "kind": "count",
                "objects": objects,
                "caption": f"A picture with {len(objects)} coloured shapes.",
                "formal": formal(objects),
            },
        )


def ask(rng: random.Random, objects: Sequence[Placed]) -> tuple[str, str, tuple[str, ...]]:
    """(question, answer, steps) about some of the objects."""
    name, chosen = _choose(rng, objects)
    counts = itertools.accumulate(map(int, chosen))
    steps = [
        f"{formal([thing])} {'yes' if fits else 'no'} {count}"
        for thing, fits, count in zip(objects, chosen, counts, strict=True)
    ]
    return f"How many {name} are there?", str(sum(chosen)), (f"{name.capitalize()}:", f"{'; '.join(steps)}.")


def formal(objects: Sequence[Placed]) -> str:
    """ "r1c2 red circle; r3c1 blue star"."""
    return "; ".join(f"r{row + 1}c{column + 1} {colour} {shape}" for row, column, colour, shape in objects)


def _choose(rng: random.Random, objects: Sequence[Placed]) -> tuple[str, list[bool]]:
    """(a kind of objects in words, whether each object is of that kind)."""
    colour, shape = rng.choice(list(COLOURS)), rng.choice(SHAPES)
    kind = rng.choice(["shape", "colour", "both"])
    if kind == "shape":
        return f"{shape}s", [o[3] == shape for o in objects]
    if kind == "colour":
        return f"{colour} objects", [o[2] == colour for o in objects]
    if rng.random() < 0.7:
        _, _, colour, shape = rng.choice(list(objects))
    return f"{colour} {shape}s", [o[2:] == (colour, shape) for o in objects]
