"""Scenes of coloured shapes at random positions, shared by several worlds."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

import PIL.Image
import PIL.ImageDraw

from seethink.boxes import Box
from seethink.sources.drawn.grid import COLOURS, SHAPES, STAR
from seethink.sources.drawn.world import Scene

Colour = tuple[int, int, int]


class ShapeObject(TypedDict):
    """One object. box: tight [x1, y1, x2, y2] in pixels; x2 and y2 are exclusive."""

    size: str
    colour: str
    shape: str
    box: list[int]


UNSEEN_COLOURS: Mapping[str, Colour] = {
    "orange": (245, 130, 20),
    "cyan": (30, 190, 210),
    "pink": (245, 130, 195),
    "brown": (125, 75, 35),
    "grey": (130, 130, 135),
    "navy": (20, 30, 110),
}
ALL_COLOURS = {**COLOURS, **UNSEEN_COLOURS}
UNSEEN_SHAPES = ("circle", "diamond", "cross", "hexagon")
GAP_PX = 4
BAND_PX = 28
"""Height of the bands that objects are listed by: one row of squares of the tiny model."""
_OUTLINES = {
    "triangle": [(0.0, 1.0), (1.0, 1.0), (0.5, 0.0)],
    "star": STAR,
    "diamond": [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)],
    "hexagon": [(0.25, 0.0), (0.75, 0.0), (1.0, 0.5), (0.75, 1.0), (0.25, 1.0), (0.0, 0.5)],
    "cross": [
        *((0.33, 0.0), (0.67, 0.0), (0.67, 0.33), (1.0, 0.33), (1.0, 0.67), (0.67, 0.67)),
        *((0.67, 1.0), (0.33, 1.0), (0.33, 0.67), (0.0, 0.67), (0.0, 0.33), (0.33, 0.33)),
    ],
}
PLACES = (
    ("top left", "top", "top right"),
    ("left", "middle", "right"),
    ("bottom left", "bottom", "bottom right"),
)


def kinds(shifted: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(colours, shapes) of the default or the shifted variant."""
    return (tuple(UNSEEN_COLOURS), UNSEEN_SHAPES) if shifted else (tuple(COLOURS), SHAPES)


def kinds_of(scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(colours, shapes) of the variant of a scene."""
    return kinds("outlined" in scene)


def sides(level: int) -> Sequence[int]:
    """Widths and heights of pictures. At level 1 each ninth has 2 x 2 squares of the tiny model."""
    return (168,) if level == 1 else (140, 168, 196, 224)


def canvas(rng: random.Random, shifted: bool, sides: Sequence[int]) -> dict[str, Any]:
    """An empty scene with size and paper. The shifted variant is larger and ruled, with outlined objects."""
    if not shifted:
        return {"size": [rng.choice(sides), rng.choice(sides)], "paper": [rng.randint(228, 255)] * 3}
    grown = [rng.randint(int(1.3 * min(sides)), 2 * max(sides)) for _ in range(2)]
    paper = [rng.randint(205, 235), rng.randint(215, 240), rng.randint(195, 225)]
    return {"size": grown, "paper": paper, "ruled": rng.randint(9, 15), "outlined": True}


def scattered(
    rng: random.Random, n: int, level: int, shifted: bool, distinct: bool = False
) -> dict[str, Any]:
    """A scene with up to `n` objects. At level 1, unless shifted, each is alone in its ninth of the picture,
    near its middle.

    distinct: no two objects share colour and shape.
    """
    scene = canvas(rng, shifted, sides(level))
    alone = level == 1 and not shifted
    return scene | {"things": _scatter(rng, n, scene, shifted, distinct, alone)}


def _scatter(
    rng: random.Random, n: int, scene: Scene, shifted: bool, distinct: bool, alone: bool
) -> list[ShapeObject]:
    """Up to `n` objects at least `GAP_PX` pixels apart, ninth by ninth; half of them are large."""
    width, height = scene["size"]
    unit = min(width, height) / 224
    colours, shapes = kinds(shifted)
    names = rng.sample([(c, s) for c in colours for s in shapes], n) if distinct else None
    things: list[ShapeObject] = []
    for i in range(n):
        colour, shape = names[i] if names else (rng.choice(colours), rng.choice(shapes))
        size = rng.choice(("small", "large"))
        low, high = (20, 26) if size == "small" else (38, 48)
        side = max(11, round(rng.uniform(low, high) * unit))
        for _ in range(20):
            x, y = (rng.randint(2, length - side - 2) for length in (width, height))
            if alone:
                x, y = (at + rng.randint(-2, 2) for at in in_middle_of_ninth((x, y), side, scene["size"]))
            box = [x, y, x + side, y + side]
            thing: ShapeObject = {"size": size, "colour": colour, "shape": shape, "box": box}
            taken = alone and place(thing, scene) in {place(other, scene) for other in things}
            if not taken and all(_apart(box, other["box"]) for other in things):
                things.append(thing)
                break
    return sorted(things, key=lambda thing: ninth_by_ninth(centre(thing), scene))


def in_middle_of_ninth(corner: Sequence[float], side: int, size: Sequence[int]) -> list[int]:
    """The top left corner of a square object after it is moved to the middle of the ninth of the picture that
    has its centre. side: of the object; size: of the picture."""
    return [
        round((int(3 * (at + side / 2) / length) + 0.5) * length / 3 - side / 2)
        for at, length in zip(corner, size, strict=True)
    ]


def reading_place(point: Sequence[float]) -> tuple[int, float]:
    """The key that points are sorted by in reading order: their band, then their x."""
    return int(point[1] // BAND_PX), point[0]


def _apart(a: Sequence[int], b: Sequence[int]) -> bool:
    return (
        a[2] + GAP_PX <= b[0] or b[2] + GAP_PX <= a[0] or a[3] + GAP_PX <= b[1] or b[3] + GAP_PX <= a[1]
    )  # fmt: skip


def draw(scene: Scene) -> list[PIL.Image.Image]:
    """The picture of the scene; later objects cover earlier ones."""
    picture = paper(scene)
    pen = PIL.ImageDraw.Draw(picture)
    for thing in scene["things"]:
        stamp(pen, thing, bool(scene.get("outlined")))
    return [picture]


def paper(scene: Scene) -> PIL.Image.Image:
    """The empty background."""
    width, height = scene["size"]
    picture = PIL.Image.new("RGB", (width, height), tuple(scene["paper"]))
    if step := scene.get("ruled"):
        pen, ink = PIL.ImageDraw.Draw(picture), tuple(c - 14 for c in scene["paper"])
        for x in range(0, width + height, step):
            pen.line((x, 0, x - height, height), fill=ink)
    return picture


def stamp(pen: PIL.ImageDraw.ImageDraw, thing: ShapeObject, outlined: bool) -> None:
    """Draw one object."""
    x1, y1, x2, y2 = thing["box"]
    fill = ALL_COLOURS[thing["colour"]]
    edge = tuple(c // 3 for c in fill) if outlined else None
    box = (x1, y1, x2 - 1, y2 - 1)
    if thing["shape"] == "circle":
        pen.ellipse(box, fill, edge, 2)
    elif thing["shape"] == "square":
        pen.rectangle(box, fill, edge, 2)
    else:
        side = x2 - x1 - 1
        corners = [(round(x1 + u * side), round(y1 + v * side)) for u, v in _OUTLINES[thing["shape"]]]
        pen.polygon(corners, fill, edge, 2 if outlined else 1)


def box_of(thing: ShapeObject, label: str = "") -> Box:
    """The object's box, labelled."""
    x1, y1, x2, y2 = thing["box"]
    return Box(x1, y1, x2, y2, label)


def is_like(thing: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    """Whether the object has all these attributes."""
    return all(thing[name] == value for name, value in attributes.items())


# Words ------------------------------------------------------------------------------------------------------


def name(thing: Mapping[str, Any]) -> str:
    """ "red circle"."""
    return f"{thing['colour']} {thing['shape']}"


def full_name(thing: ShapeObject) -> str:
    """ "small red circle"."""
    return f"{thing['size']} {name(thing)}"


def centre(thing: ShapeObject) -> tuple[float, float]:
    """(x, y) of the centre in pixels."""
    x1, y1, x2, y2 = thing["box"]
    return (x1 + x2) / 2, (y1 + y2) / 2


def place(thing: ShapeObject, scene: Scene) -> str:
    """The ninth of the picture that contains its centre: "top left", "middle"."""
    return part(*centre(thing), scene)


def part(x: float, y: float, scene: Scene) -> str:
    """The ninth of the picture that contains the point (x, y)."""
    row, column = _ninth(x, y, scene)
    return PLACES[row][column]


def _ninth(x: float, y: float, scene: Scene) -> tuple[int, int]:
    width, height = scene["size"]
    return min(2, int(3 * y / height)), min(2, int(3 * x / width))


def ninth_by_ninth(point: Sequence[float], scene: Scene) -> tuple[tuple[int, int], tuple[int, float]]:
    """The key that points are sorted by in the order of `around`."""
    x, y = point
    return _ninth(x, y, scene), reading_place(point)


def around(items: Iterable[tuple[str, Sequence[float]]], scene: Scene) -> list[str]:
    """For each of three rows, what its ninths of the picture hold: "left: small red circle. middle: none.
    right: none." items: (what is said, the point where it is)."""
    held: dict[str, list[str]] = {where: [] for where in itertools.chain(*PLACES)}
    for said, (x, y) in sorted(items, key=lambda item: ninth_by_ninth(item[1], scene)):
        held[part(x, y, scene)].append(said)
    return [" ".join(f"{where}: {'; '.join(held[where]) or 'none'}." for where in row) for row in PLACES]


def look_around(scene: Scene, say: Callable[[ShapeObject], str] | None = None) -> list[str]:
    """The objects of a scene, ninth by ninth. say: what is said of one; its size and name by default."""
    return around([((say or full_name)(thing), centre(thing)) for thing in scene["things"]], scene)


def sorted_out(words: str, scene: Scene, fits: Sequence[ShapeObject]) -> list[str]:
    """`look_around` with what is looked for, a verdict on each object, and their running count: "Each red
    circle: top left: small red circle yes 1. top: large blue star no 1." """
    count = 0

    def verdict(thing: ShapeObject) -> str:
        nonlocal count
        count += thing in fits
        return f"{full_name(thing)} {'yes' if thing in fits else 'no'} {count}"

    return [f"Each {words}:", *look_around(scene, verdict)]


def located_name(thing: ShapeObject, scene: Scene) -> str:
    """ "small red circle at top left"."""
    return f"{full_name(thing)} at {place(thing, scene)}"


def plural(shape: str) -> str:
    """ "circles", "crosses"."""
    return shape + ("es" if shape.endswith("s") else "s")


def listed(words: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def caption(scene: Scene) -> str:
    """All objects with their places."""
    things = scene["things"]
    names = listed(f"a {located_name(thing, scene)}" for thing in things)
    return f"A picture with {len(things)} objects: {names}."
