"""The world `geometry`: labelled figures drawn to scale (angles, sides, perimeters, areas)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import PIL.Image
import PIL.ImageDraw

from seethink.boxes import Point
from seethink.sources.drawn import page_style, shapes
from seethink.sources.drawn.world import DrawnQuestion, Scene, SceneWorld, running_sum
from seethink.sources.fonts import font

TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29))
LARGE_PX = 240
"""Pages of at least this side have a larger font; those of level 1 have the largest."""


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    sides = (252, 280, 308, 336) if shifted else shapes.sides(level)
    size = [rng.choice(sides), rng.choice(sides)]
    figure = FIGURES[kind](rng, level)
    turn = rng.uniform(0, 2 * math.pi) if figure.pop("turns") else 0.0
    if level == 1 and "cells" in figure and not shifted:
        figure["points"] = _on_grid(rng, figure["points"], figure["cells"], size)
    else:
        figure["points"] = _placed(rng, figure["points"], size, turn)
    style = page_style.style(rng, shifted)
    letters = 20 if level == 1 else 13 if min(size) < LARGE_PX else 16
    return {"size": size, "style": style, "letters": letters, "stroke": 3 if shifted else 2, **figure}


# Figures: points in units of their own, labels and facts ----------------------------------------------------


def _angle(rng: random.Random, level: int) -> dict[str, Any]:
    """An angle between two rays, without labels."""
    degrees = 30 * rng.randint(1, 5) if level == 1 else 10 * rng.randint(2, 16)
    rays = [(math.cos(a), -math.sin(a)) for a in (0.0, math.radians(degrees))]
    return {
        "figure": "angle", "turns": True, "points": [rays[0], (0.0, 0.0), rays[1]],
        "open": True, "degrees": degrees,
    }  # fmt: skip


def _triangle(rng: random.Random, level: int) -> dict[str, Any]:
    """A triangle with two labelled angles."""
    step = (10, 5, 5, 1)[level - 1]
    a, b = (step * rng.randint(-(-35 // step), 75 // step) for _ in range(2))
    c = 180 - a - b
    height = math.sin(math.radians(a)) * math.sin(math.radians(b)) / math.sin(math.radians(c))
    apex = (height / math.tan(math.radians(a)), -height)
    angles = rng.sample([a, b, c], 3)
    unknown = angles[0]
    written = ["?" if i == [a, b, c].index(unknown) else f"{v}°" for i, v in enumerate((a, b, c))]
    return {
        "figure": "triangle", "turns": True, "points": [(0.0, 0.0), (1.0, 0.0), apex],
        "angles": [a, b, c], "at_corners": written,
    }  # fmt: skip


def _right_triangle(rng: random.Random, level: int) -> dict[str, Any]:
    """A right triangle with two labelled sides."""
    a, b, c = rng.choice(TRIPLES[: level + 1])
    k = rng.randint(1, max(1, (4 * level + 12) // c))
    a, b, c = (k * side for side in rng.choice([(a, b, c), (b, a, c)]))
    sides, missing = [a, c, b], rng.randrange(3)
    written = ["?" if i == missing else str(side) for i, side in enumerate(sides)]
    return {
        "figure": "right triangle", "turns": True, "points": [(0.0, 0.0), (a, 0.0), (0.0, -b)],
        "sides": sides, "at_sides": written, "right_angle": 0, "missing": missing,
    }  # fmt: skip


def _polygon(rng: random.Random, level: int) -> dict[str, Any]:
    """A polygon with all sides labelled, to scale up to rounding."""
    n = min(6, level + 2 + rng.randint(0, 1))
    unit = rng.uniform(5, 8 + 5 * level)
    points = [
        (unit * rng.uniform(0.8, 1.15) * math.cos(a), unit * rng.uniform(0.8, 1.15) * math.sin(a))
        for a in (2 * math.pi * (i + rng.uniform(-0.16, 0.16)) / n for i in range(n))
    ]
    sides = [max(1, round(math.dist(p, q))) for p, q in pairwise([*points, points[0]])]
    return {
        "figure": "polygon", "turns": True, "points": points,
        "sides": sides, "at_sides": list(map(str, sides)),
    }  # fmt: skip


def _area(rng: random.Random, level: int) -> dict[str, Any]:
    """A rectangle, right triangle or right trapezium, labelled with the sides that determine its area."""
    form = rng.choice(("rectangle", "right triangle", "trapezium")[: level + 1])
    base, height = (rng.randint(3, 6 + 3 * level) for _ in range(2))
    base, height = max(base, height // 2), max(height, base // 2)
    if form == "rectangle":
        points, written = [(0, 0), (base, 0), (base, -height), (0, -height)], [str(base), str(height), "", ""]
        facts = {"sides": [base, height, base, height]}
    elif form == "right triangle":
        height += base * height % 2 * 1
        points, written = [(0, 0), (base, 0), (0, -height)], [str(base), "", str(height)]
        facts = {"sides": [base, None, height]}
    else:
        top = rng.randint(max(2, base // 2), max(2, base - 1))
        height += (base + top) * height % 2
        points = [(0, 0), (base, 0), (top, -height), (0, -height)]
        written, facts = [str(base), "", str(top), str(height)], {"sides": [base, None, top, height]}
    scaled = [(float(x), float(y)) for x, y in points]
    return {
        "figure": form, "turns": False, "points": scaled, "at_sides": written, "right_angle": 0, **facts
    }  # fmt: skip


def _squares(rng: random.Random, level: int) -> dict[str, Any]:
    """A rectangle with a rectangular corner removed, on squared paper, without labels."""
    width, height = (rng.randint(3, 4 if level == 1 else 4 + level) for _ in range(2))
    cut = [rng.randint(1, width - 1), rng.randint(1, height - 1)]
    x, y = width - cut[0], height - cut[1]
    corners = [(0, 0), (width, 0), (width, -y), (x, -y), (x, -height), (0, -height)]
    points = [(float(p), float(q)) for p, q in corners]
    return {
        "figure": "squares", "turns": False, "points": points, "cells": [width, height], "cut": cut
    }  # fmt: skip


FIGURES = {
    "measure": _angle, "angle": _triangle, "side": _right_triangle,
    "perimeter": _polygon, "area": _area, "squares": _squares,
}  # fmt: skip


def _placed(
    rng: random.Random, points: Sequence[Point], size: Sequence[int], turn: float
) -> list[list[float]]:
    """The figure rotated and scaled to 85 to 100 % of the page, in pixels."""
    turned = [
        (x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)) for x, y in points
    ]
    xs, ys = zip(*turned, strict=True)
    margin = 30 if min(size) < LARGE_PX else 40  # for the labels
    room = [side - 2 * margin for side in size]
    wide, high = max(xs) - min(xs), max(ys) - min(ys)
    scale = min(room[0] / max(wide, 1e-9), room[1] / max(high, 1e-9)) * rng.uniform(0.85, 1)
    left = margin + rng.uniform(0, room[0] - scale * wide)
    top = margin + rng.uniform(0, room[1] - scale * high)
    return [
        [round(left + scale * (x - min(xs)), 1), round(top + scale * (y - min(ys)), 1)] for x, y in turned
    ]


def _on_grid(
    rng: random.Random, points: Sequence[Point], cells: Sequence[int], size: Sequence[int]
) -> list[list[float]]:
    """A figure of whole cells, each of which is almost a square of the tiny model."""
    side = shapes.BAND_PX
    left, top = (
        side * rng.randint(1, length // side - n - 1) + rng.randint(-4, 4)
        for length, n in zip(size, cells, strict=True)
    )
    return [[float(left + side * x), float(top + side * (y + cells[1]))] for x, y in points]


# Drawing ----------------------------------------------------------------------------------------------------


def draw(scene: Scene) -> list[PIL.Image.Image]:
    """The figure with its labels."""
    picture, pen = page_style.blank(scene)
    points = [tuple(point) for point in scene["points"]]
    inks = [tuple(ink) for ink in scene["style"]["inks"]]
    if "cells" in scene:
        _paper(pen, scene)
    outline = points if scene.get("open") else [*points, points[0]]
    pen.line(outline, inks[0], scene["stroke"], joint="curve")
    if scene.get("open"):
        _arc(pen, points, inks[1])
    if "right_angle" in scene:
        _square_mark(pen, points, scene["right_angle"], inks[0])
    for text, (x, y) in _written(scene):
        pen.text((x, y), text, inks[1] if text == "?" else inks[0], _letters(scene), anchor="mm")
    return [picture]


def _letters(scene: Scene) -> Any:
    return font(scene["style"]["font"], scene["letters"])


def labels(scene: Scene) -> list[str]:
    """What is written beside the figure, ninth by ninth."""
    written = sorted(_written(scene), key=lambda label: shapes.ninth_by_ninth(label[1], scene))
    return [text for text, _ in written]


def labels_around(scene: Scene) -> list[str]:
    """What is written in each ninth of the picture."""
    return shapes.around(_written(scene), scene)


def _written(scene: Scene) -> list[tuple[str, Point]]:
    """(label, centre of its text): outside beside the sides, inside at the corners."""
    points = [tuple(point) for point in scene["points"]]
    middle = (sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points))
    beside = []
    for text, (p, q) in zip(scene.get("at_sides", ()), pairwise([*points, points[0]]), strict=False):
        if text:
            away = 0.72 * _letters(scene).size + _letters(scene).getlength(text) / 2 * abs(
                q[1] - p[1]
            ) / math.dist(p, q)
            beside.append((text, _outwards(p, q, middle, away)))
    for i, text in enumerate(scene.get("at_corners", ())):
        p, q = points[i - 1], points[(i + 1) % len(points)]
        ways = [_unit(points[i], other) for other in (p, q)]
        between = tuple(a + b for a, b in zip(*ways, strict=True))
        half_sine = math.sqrt(max(0.0, 1 - (math.hypot(*between) / 2) ** 2))
        away = max(18.0, (8 + _letters(scene).getlength(text) / 2) / half_sine)
        x, y = _unit((0, 0), between)
        beside.append((text, (points[i][0] + away * x, points[i][1] + away * y)))
    return beside


def _outwards(p: Point, q: Point, middle: Point, away: float) -> Point:
    x, y = (p[0] + q[0]) / 2, (p[1] + q[1]) / 2
    normal = _unit((0, 0), (q[1] - p[1], p[0] - q[0]))
    sign = 1 if (x - middle[0]) * normal[0] + (y - middle[1]) * normal[1] > 0 else -1
    return x + sign * away * normal[0], y + sign * away * normal[1]


def _unit(p: Sequence[float], q: Sequence[float]) -> Point:
    length = math.dist(p, q) or 1.0
    return (q[0] - p[0]) / length, (q[1] - p[1]) / length


def _arc(pen: PIL.ImageDraw.ImageDraw, points: Sequence[Point], ink: Any) -> None:
    (x, y), ends = points[1], [points[0], points[2]]
    last, first = (math.degrees(math.atan2(q - y, p - x)) for p, q in ends)
    r = 28 if (last - first) % 360 < 50 else 18
    pen.arc((x - r, y - r, x + r, y + r), first, first + (last - first) % 360, ink, 2)


def _square_mark(pen: PIL.ImageDraw.ImageDraw, points: Sequence[Point], i: int, ink: Any) -> None:
    corner = points[i]
    a, b = (_unit(corner, points[j]) for j in (i - 1, (i + 1) % len(points)))
    steps = [a, (a[0] + b[0], a[1] + b[1]), b]
    pen.line([(corner[0] + 9 * x, corner[1] + 9 * y) for x, y in steps], ink, 1)


def _paper(pen: PIL.ImageDraw.ImageDraw, scene: Scene) -> None:
    """Squared paper, on whose grid the first point of the figure lies."""
    (x, y), cell = scene["points"][0], (scene["points"][1][0] - scene["points"][0][0]) / scene["cells"][0]
    width, height = scene["size"]
    for i in range(-int(x / cell), int((width - x) / cell) + 1):
        pen.line((x + i * cell, 0, x + i * cell, height), page_style.faint(scene))
    for i in range(-int(y / cell), int((height - y) / cell) + 1):
        pen.line((0, y + i * cell, width, y + i * cell), page_style.faint(scene))


# Questions --------------------------------------------------------------------------------------------------


def measure(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The size of an angle, to the nearest ten degrees."""
    degrees = scene["degrees"]
    than = "less than" if degrees < 90 else "exactly" if degrees == 90 else "more than"
    steps = (f"The angle is {than} a right angle.", f"It is about {degrees} degrees.")
    return DrawnQuestion("How many degrees has the marked angle, to the nearest ten?", str(degrees), steps)


def angle(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The third angle of a triangle."""
    known = [text.removesuffix("°") for text in labels(scene) if text != "?"]
    both = sum(map(int, known))
    answer = 180 - both
    given = f"Two angles are {known[0]} and {known[1]} degrees."
    steps = (*labels_around(scene), given, f"{known[0]} + {known[1]} = {both}.", f"180 - {both} = {answer}.")
    return DrawnQuestion("How many degrees has the angle marked with a question mark?", str(answer), steps)


def side(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The third side of a right triangle. The second side of the scene is the hypotenuse."""
    answer = scene["sides"][scene["missing"]]
    known = [value for i, value in enumerate(scene["sides"]) if i != scene["missing"]]
    a, b = sorted(known)
    squares = f"{a} x {a} = {a * a}, {b} x {b} = {b * b}."
    if scene["missing"] == 1:
        steps = ("The longest side is asked for.", squares, f"{a * a} + {b * b} = {answer**2}, so {answer}.")
    else:
        steps = (f"The longest side is {b}.", squares, f"{b * b} - {a * a} = {answer**2}, so {answer}.")
    question = "How long is the side marked with a question mark?"
    return DrawnQuestion(question, str(answer), (*labels_around(scene), *steps))


def perimeter(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The perimeter of a polygon."""
    sides = [int(text) for text in labels(scene)]
    steps = (*labels_around(scene), f"It has {len(sides)} sides.", running_sum(sides))
    return DrawnQuestion("What is the perimeter of the figure?", str(sum(sides)), steps)


def area(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The area of a figure, if it is a whole number."""
    figure, sides = scene["figure"], scene["sides"]
    if figure == "rectangle":
        a, b, added = sides[0], sides[1], ()
    elif figure == "right triangle":
        a, b, added = sides[0], sides[2], ()
    else:
        a, b = sides[0] + sides[2], sides[3]
        added = (f"{sides[0]} + {sides[2]} = {a}.",)
    halved = figure != "rectangle"
    if halved and a * b % 2:
        return None
    answer = a * b // 2 if halved else a * b
    half = (f"{a * b} / 2 = {answer}.",) if halved else ()
    steps = (*labels_around(scene), f"It is a {figure}.", *added, f"{a} x {b} = {a * b}.", *half)
    return DrawnQuestion("What is the area of the figure?", str(answer), steps)


def squares(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The number of squares that a figure covers."""
    (w, h), (a, b) = scene["cells"], scene["cut"]
    answer = w * h - a * b
    steps = (
        f"A rectangle of {w} x {h} squares = {w * h}.",
        f"{a} x {b} = {a * b} are missing.",
        f"{w * h} - {a * b} = {answer}.",
    )
    return DrawnQuestion("How many squares of the paper does the figure cover?", str(answer), steps)


def caption(scene: Scene) -> str:
    names = {"angle": "An angle", "area": "An area", "squares": "A figure on squared paper"}
    written = labels(scene)
    shown = names.get(scene["figure"], f"A {scene['figure']}")
    return f"{shown} with {', '.join(written)} written beside it." if written else f"{shown}."


GEOMETRY = SceneWorld(
    name="geometry",
    about="Measured and inferred angles, sides by Pythagoras' theorem, perimeters, areas, counted squares.",
    compose=compose,
    draw=draw,
    kinds={
        "measure": measure, "angle": angle, "side": side,
        "perimeter": perimeter, "area": area, "squares": squares,
    },
    caption=caption,
    verifier="same_number",
    blind=0.2,
    easy=("measure", "area", "squares"),
)  # fmt: skip
