"""The world `spatial`: directions and distances between objects, and the depth order of overlapping ones."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import Any

from seethink.sources.drawn import shapes
from seethink.sources.drawn.grounding import distance
from seethink.sources.drawn.shapes import ShapeObject, centre, full_name, listed, name, place
from seethink.sources.drawn.world import DrawnQuestion, Scene, SceneWorld

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
CORNERED, UNSEEN_CORNERED = "square", "hexagon"
"""A pile has circles and at most one of these: with two collinear straight edges, the depth order would be
ambiguous."""


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    if kind in ("relation", "nearest"):
        n = level + rng.randint(2, 3) + (2 if shifted else 0)
        return shapes.scattered(rng, n, level, shifted, distinct=True)
    scene = shapes.canvas(rng, shifted, shapes.sides(level))
    alone = level == 1 and not shifted
    circles = _in_ninths(rng, scene) if alone else _ring(rng, 3 if level < 3 else 4, scene)
    return scene | {"piled": True, "things": _pile(rng, circles, shifted)}


Circle = tuple[float, float, float]
"""x and y of a centre, and a radius, in pixels."""


def _ring(rng: random.Random, n: int, scene: Scene) -> list[Circle]:
    """Circles around a point, of which neighbours overlap."""
    width, height = scene["size"]
    half = 0.2 * min(width, height)
    reach = half * (0.75 if n == 3 else 0.9)
    turn = rng.uniform(0, 2 * math.pi)
    x, y = (rng.uniform(half + reach + 4, side - half - reach - 4) for side in (width, height))
    angles = [turn + 2 * math.pi * i / n for i in range(n)]
    return [
        (x + reach * math.cos(a), y + reach * math.sin(a), half * rng.uniform(0.92, 1.08)) for a in angles
    ]


_TOUCHING = ((0.12, -0.12), (-0.22, -0.12), (-0.05, 0.2))
"""Where the circles of `_in_ninths` lie, from the picture's middle, as shares of its sides."""


def _in_ninths(rng: random.Random, scene: Scene) -> list[Circle]:
    """Three circles of which any two overlap, each with its centre in another ninth of the picture: the
    middle one, and two that touch it, in any of the eight ways."""
    width, height = scene["size"]
    across, down, turned = rng.choice((-1, 1)), rng.choice((-1, 1)), rng.random() < 0.5
    circles: list[Circle] = []
    for u, v in _TOUCHING:
        u, v = (across * v, down * u) if turned else (across * u, down * v)
        x, y = (0.5 + at + rng.uniform(-0.015, 0.015) for at in (u, v))
        circles.append((x * width, y * height, 0.26 * min(width, height)))
    return circles


def _pile(rng: random.Random, circles: Sequence[Circle], shifted: bool) -> list[ShapeObject]:
    """An object in each circle, later ones in front of earlier ones."""
    colours = rng.sample(shapes.kinds(shifted)[0], len(circles))
    places = rng.sample(range(len(circles)), len(circles))
    things: list[ShapeObject] = []
    for colour, i in zip(colours, places, strict=True):
        x, y, r = circles[i]
        shape = (UNSEEN_CORNERED if shifted else CORNERED) if i == 0 else "circle"
        box = [round(x - r), round(y - r), round(x - r) + round(2 * r), round(y - r) + round(2 * r)]
        things.append({"size": "large", "colour": colour, "shape": shape, "box": box})
    return things


def look_around(scene: Scene) -> list[str]:
    """The objects of a scene, ninth by ninth; those of a pile with their layers, from the back: "top: red
    circle 2." """
    if "piled" not in scene:
        return shapes.look_around(scene)
    return shapes.look_around(scene, lambda thing: _layer(thing, scene))


def _layer(thing: ShapeObject, scene: Scene) -> str:
    return f"{name(thing)} {1 + scene['things'].index(thing)}"


def relation(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The direction of one object as seen from another."""
    word = rng.choice(list(DIRECTIONS))
    pairs = [(a, b) for a, b in permutations(scene["things"], 2) if _direction(a, b) == word]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    question = f"Where is the {name(a)}, seen from the {name(b)}: left, right, above or below?"
    marks = {id(a): " first", id(b): " second"}
    steps = (
        f"First: {name(a)}. Second: {name(b)}.",
        *shapes.look_around(scene, lambda thing: full_name(thing) + marks.get(id(thing), "")),
        f"The first is at {place(a, scene)}. The second is at {place(b, scene)}.",
        f"They are farther apart {'across' if word in ('left', 'right') else 'up and down'}.",
    )
    return DrawnQuestion(question, word, (*steps, f"So {word}."))


def _direction(a: ShapeObject, b: ShapeObject) -> str | None:
    """The direction of `a` as seen from `b`; None if it is ambiguous."""
    dx, dy = (p - q for p, q in zip(centre(a), centre(b), strict=True))
    if max(abs(dx), abs(dy)) < 1.8 * min(abs(dx), abs(dy)):
        return None
    return next(w for w, (x, y) in DIRECTIONS.items() if x * dx + y * dy >= max(abs(dx), abs(dy)))


def nearest(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The object nearest to another one."""
    other = rng.choice(scene["things"])
    rest = sorted((t for t in scene["things"] if t is not other), key=lambda thing: distance(thing, other))
    if len(rest) < 2 or distance(rest[1], other) < 1.3 * distance(rest[0], other):
        return None
    others = "; ".join(f"{name(thing)} {place(thing, scene)}" for thing in rest)
    steps = (f"The {name(other)} is at {place(other, scene)}.", f"The others: {others}.")
    question = f"Which object is nearest to the {name(other)}?"
    return DrawnQuestion(question, name(rest[0]), (*look_around(scene), *steps, f"Nearest: {name(rest[0])}."))


def front(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """Which of two overlapping objects is in front; they are named in random order."""
    i, j = rng.sample(range(len(scene["things"])), 2)
    a, b = scene["things"][i], scene["things"][j]
    if distance(a, b) > 0.75 * min(_side(a), _side(b)):
        return None
    upper = a if i > j else b
    question = f"Which is in front, the {name(a)} or the {name(b)}?"
    layers = f"Layers: {_layer(a, scene)}, {_layer(b, scene)}."
    return DrawnQuestion(question, name(upper), (*look_around(scene), layers, f"So the {name(upper)}."))


def order(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The depth order of a pile; only if all consecutive objects overlap, so that the order is determined."""
    things = scene["things"]
    if any(distance(a, b) > 0.75 * min(_side(a), _side(b)) for a, b in pairwise(things)):
        return None
    steps = (*look_around(scene), *(f"Layer {i}: {name(thing)}." for i, thing in enumerate(things, 1)))
    answer = ", ".join(map(name, things))
    names = listed(f"the {name(thing)}" for thing in sorted(things, key=lambda t: t["box"]))
    question = f"In which order do {names} lie, from the back to the front?"
    return DrawnQuestion(question, answer, (*steps, f"So: {answer}."))


def _side(thing: ShapeObject) -> int:
    return thing["box"][2] - thing["box"][0]


def caption(scene: Scene) -> str:
    if "piled" not in scene:
        return shapes.caption(scene)
    return f"A pile, from the back to the front: {', '.join(map(name, scene['things']))}."


SPATIAL = SceneWorld(
    name="spatial",
    about="Directions and neighbours among scattered objects; which of two overlapping "
    "objects is in front; the depth order of a pile.",
    compose=compose,
    draw=shapes.draw,
    kinds={ask.__name__: ask for ask in (relation, nearest, front, order)},
    caption=caption,
    verifier="same_text",
    blind=0.33,
    easy=("relation",),
)
