"""The world `grounding`: the box of the object that a referring expression names; similar to RefCOCO (Yu et
al. 2016)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from seethink.boxes import write_boxes
from seethink.sources.drawn import shapes
from seethink.sources.drawn.shapes import ShapeObject, centre, located_name
from seethink.sources.drawn.world import Ask, DrawnQuestion, Scene, SceneWorld

APART_PX = 8
"""Minimum distance of two centres along an axis for "left of", "above" and so on."""
SIDES = {"leftmost": (0, 1), "rightmost": (0, -1), "topmost": (1, 1), "lowest": (1, -1)}
"""Word -> (axis, sign of the sorting order in which the object is first)."""
FROM = {
    "from the left": (0, 1), "from the right": (0, -1),
    "from the top": (1, 1), "from the bottom": (1, -1),
}  # fmt: skip
RELATIONS = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}
"""Words -> (axis, sign of the offset from the other object)."""
ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True)
class ReferringExpression:
    """An expression that only `thing` matches. steps: the reasoning that finds it."""

    words: str
    thing: ShapeObject
    steps: tuple[str, ...]


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    return shapes.scattered(rng, 2 * level + rng.randint(1, 2) + (4 if shifted else 0), level, shifted)


def attribute(rng: random.Random, scene: Scene) -> ReferringExpression | None:
    """An object named by its attributes."""
    thing = rng.choice(scene["things"])
    words = described(rng, thing, scene["things"])
    if words is None:
        return None
    return ReferringExpression(f"the {words}", thing, tuple(shapes.sorted_out(words, scene, [thing])))


def extreme(rng: random.Random, scene: Scene) -> ReferringExpression | None:
    """The first object of a group in one direction."""
    word = rng.choice(list(SIDES))
    row = _row(*_group(rng, scene), *SIDES[word])
    if row is None or len(row[1]) < 2:
        return None
    name, things = row
    steps = (*shapes.look_around(scene), f"In order: {_listing(things, scene)}")
    return ReferringExpression(f"the {word} {name}", things[0], steps)


def ordinal(rng: random.Random, scene: Scene) -> ReferringExpression | None:
    """The n-th object of a group in one direction."""
    word = rng.choice(list(FROM))
    row = _row(*_group(rng, scene), *FROM[word])
    if row is None or len(row[1]) < 3:
        return None
    name, things = row
    which = rng.randrange(1, min(len(things), len(ORDINALS)))
    steps = (*shapes.look_around(scene), f"{word.capitalize()}: {_listing(things, scene)}")
    return ReferringExpression(f"the {ORDINALS[which]} {name} {word}", things[which], steps)


def relation(rng: random.Random, scene: Scene) -> ReferringExpression | None:
    """The only object of a group on one side of another object."""
    (name, group), other = _group(rng, scene), rng.choice(scene["things"])
    group = [thing for thing in group if thing is not other]
    anchor = described(rng, other, scene["things"])
    words = rng.choice(list(RELATIONS))
    axis, sign = RELATIONS[words]
    ways = [sign * (centre(thing)[axis] - centre(other)[axis]) for thing in group]
    there = [thing for thing, way in zip(group, ways, strict=True) if way > 0]
    if anchor is None or len(group) < 2 or len(there) != 1 or min(map(abs, ways)) < APART_PX:
        return None
    return ReferringExpression(
        f"the {name} {words} the {anchor}", there[0], _beside(anchor, other, group, scene)
    )


def nearest(rng: random.Random, scene: Scene) -> ReferringExpression | None:
    """The object of a group that is nearest to another object."""
    (name, group), other = _group(rng, scene), rng.choice(scene["things"])
    group = sorted((t for t in group if t is not other), key=lambda thing: distance(thing, other))
    anchor = described(rng, other, scene["things"])
    if anchor is None or len(group) < 2 or distance(group[1], other) < 1.3 * distance(group[0], other):
        return None
    steps = _beside(anchor, other, group, scene)
    return ReferringExpression(f"the {name} nearest to the {anchor}", group[0], steps)


def _beside(anchor: str, other: ShapeObject, group: Sequence[ShapeObject], scene: Scene) -> tuple[str, ...]:
    """Where the other object is, and then the group's."""
    found = f"The {anchor} is the {located_name(other, scene)}."
    return (*shapes.look_around(scene), found, f"Then: {_listing(group, scene)}")


def distance(a: ShapeObject, b: ShapeObject) -> float:
    """The distance of the centres in pixels."""
    return sum((p - q) ** 2 for p, q in zip(centre(a), centre(b), strict=True)) ** 0.5


def described(rng: random.Random, thing: ShapeObject, among: Sequence[ShapeObject]) -> str | None:
    """Attributes of the object in words ("small red circle", "blue object") that no other object has; None
    if even all its attributes are ambiguous."""
    some = rng.choice((("shape",), ("colour",), ("size", "shape"), ("colour", "shape"), ("size", "colour")))
    for attributes in (some, ("size", "colour", "shape")):
        fits = [t for t in among if all(t[a] == thing[a] for a in attributes)]
        if len(fits) == 1:
            words = [thing[a] for a in attributes]
            return " ".join(words if "shape" in attributes else [*words, "object"])
    return None


def _group(rng: random.Random, scene: Scene) -> tuple[str, list[ShapeObject]]:
    """(name, objects) of a group that shares a shape, colour or size; or all objects."""
    thing, kind = rng.choice(scene["things"]), rng.choice(("shape", "colour", "size", "any"))
    if kind == "any":
        return "object", list(scene["things"])
    words = thing[kind] if kind == "shape" else f"{thing[kind]} object"
    return words, [other for other in scene["things"] if other[kind] == thing[kind]]


def _row(
    name: str, group: Sequence[ShapeObject], axis: int, sign: int
) -> tuple[str, list[ShapeObject]] | None:
    """(name, the group sorted along an axis); None if two centres are too close along it."""
    row = sorted(group, key=lambda thing: sign * centre(thing)[axis])
    clear = all(abs(centre(a)[axis] - centre(b)[axis]) >= APART_PX for a, b in pairwise(row))
    return (name, row) if clear else None


def _listing(things: Sequence[ShapeObject], scene: Scene) -> str:
    return "; ".join(located_name(thing, scene) for thing in things) + "."


def _box_question(express: Callable[[random.Random, Scene], ReferringExpression | None]) -> Ask:
    def ask(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
        expression = express(rng, scene)
        if expression is None:
            return None
        steps = (*expression.steps, f"So it is the {located_name(expression.thing, scene)}.")
        answer = write_boxes([shapes.box_of(expression.thing)])
        return DrawnQuestion(f"Where is {expression.words}? Give its box.", answer, steps)

    return ask


GROUNDING = SceneWorld(
    name="grounding",
    about="The box of an object named by its attributes, its rank along an axis or its neighbours.",
    compose=compose,
    draw=shapes.draw,
    kinds={e.__name__: _box_question(e) for e in (attribute, extreme, ordinal, relation, nearest)},
    caption=shapes.caption,
    verifier="box_iou",
    blind=0.02,
    easy=("attribute",),
)
