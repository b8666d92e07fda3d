"""One object is meant, by what it is like or where it stands; the answer is its box, in the spirit of
RefCOCO (Yu et al. 2016)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from seethink.boxes import write_boxes
from seethink.sources.drawn import shapes
from seethink.sources.drawn.shapes import Thing, centre, told
from seethink.sources.drawn.world import Ask, Asked, Drawn, Scene

APART_PX = 8
"""Two objects are left and right (or above and below) of one another from this distance of centres on."""
SIDES = {"leftmost": (0, 1), "rightmost": (0, -1), "topmost": (1, 1), "lowest": (1, -1)}
"""Word -> (axis, direction in which the first of the row is sought)."""
FROM = {
    "from the left": (0, 1), "from the right": (0, -1),
    "from the top": (1, 1), "from the bottom": (1, -1),
}  # fmt: skip
RELATIONS = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}
"""Words -> (axis, sign of the way from the other object)."""
ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True)
class Meant:
    """An expression that only `thing` fits, and what was looked at to find it."""

    words: str
    thing: Thing
    steps: tuple[str, ...]


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    scene = shapes.canvas(rng, shifted)
    n = 2 * level + rng.randint(1, 2) + (4 if shifted else 0)
    return scene | {"things": shapes.scatter(rng, n, scene, shifted)}


def attribute(rng: random.Random, scene: Scene) -> Meant | None:
    thing = rng.choice(scene["things"])
    words = described(rng, thing, scene["things"])
    if words is None:
        return None
    return Meant(f"the {words}", thing, (f"There are: {_seen(scene['things'], scene)}",))


def extreme(rng: random.Random, scene: Scene) -> Meant | None:
    word = rng.choice(list(SIDES))
    row = _row(*_group(rng, scene), *SIDES[word])
    if row is None or len(row[1]) < 2:
        return None
    name, things = row
    return Meant(f"the {word} {name}", things[0], (f"In order: {_seen(things, scene)}",))


def ordinal(rng: random.Random, scene: Scene) -> Meant | None:
    word = rng.choice(list(FROM))
    row = _row(*_group(rng, scene), *FROM[word])
    if row is None or len(row[1]) < 3:
        return None
    name, things = row
    which = rng.randrange(1, min(len(things), len(ORDINALS)))
    return Meant(f"the {ORDINALS[which]} {name} {word}", things[which],
        (f"{word.capitalize()}: {_seen(things, scene)}",),
    )  # fmt: skip


def relation(rng: random.Random, scene: Scene) -> Meant | None:
    """One object of a group stands on that side of another object, the rest clearly do not."""
    (name, group), other = _group(rng, scene), rng.choice(scene["things"])
    group = [thing for thing in group if thing is not other]
    anchor = described(rng, other, scene["things"])
    words = rng.choice(list(RELATIONS))
    axis, sign = RELATIONS[words]
    ways = [sign * (centre(thing)[axis] - centre(other)[axis]) for thing in group]
    there = [thing for thing, way in zip(group, ways, strict=True) if way > 0]
    if anchor is None or len(group) < 2 or len(there) != 1 or min(map(abs, ways)) < APART_PX:
        return None
    steps = (f"The {anchor} is the {told(other, scene)}.", f"There are: {_seen(group, scene)}")
    return Meant(f"the {name} {words} the {anchor}", there[0], steps)


def nearest(rng: random.Random, scene: Scene) -> Meant | None:
    (name, group), other = _group(rng, scene), rng.choice(scene["things"])
    group = sorted((t for t in group if t is not other), key=lambda thing: distance(thing, other))
    anchor = described(rng, other, scene["things"])
    if anchor is None or len(group) < 2 or distance(group[1], other) < 1.3 * distance(group[0], other):
        return None
    steps = (f"The {anchor} is the {told(other, scene)}.", f"There are: {_seen(group, scene)}")
    return Meant(f"the {name} nearest to the {anchor}", group[0], steps)


def distance(a: Thing, b: Thing) -> float:
    """Between centres, in pixels."""
    return sum((p - q) ** 2 for p, q in zip(centre(a), centre(b), strict=True)) ** 0.5


def described(rng: random.Random, thing: Thing, among: Sequence[Thing]) -> str | None:
    """A few of the object's attributes in words ("small red circle", "blue object") that no other one has."""
    told = rng.choice((("shape",), ("colour",), ("size", "shape"), ("colour", "shape"), ("size", "colour")))
    for attributes in (told, ("size", "colour", "shape")):
        fits = [t for t in among if all(t[a] == thing[a] for a in attributes)]
        if len(fits) == 1:
            words = [thing[a] for a in attributes]
            return " ".join(words if "shape" in attributes else [*words, "object"])
    return None


def _group(rng: random.Random, scene: Scene) -> tuple[str, list[Thing]]:
    """Objects that share a shape or a colour, with their name; or all."""
    thing, kind = rng.choice(scene["things"]), rng.choice(("shape", "colour", "size", "any"))
    if kind == "any":
        return "object", list(scene["things"])
    words = thing[kind] if kind == "shape" else f"{thing[kind]} object"
    return words, [other for other in scene["things"] if other[kind] == thing[kind]]


def _row(name: str, group: Sequence[Thing], axis: int, sign: int) -> tuple[str, list[Thing]] | None:
    """The group in order along an axis, if all its centres are clearly apart there."""
    row = sorted(group, key=lambda thing: sign * centre(thing)[axis])
    clear = all(abs(centre(a)[axis] - centre(b)[axis]) >= APART_PX for a, b in pairwise(row))
    return (name, row) if clear else None


def _seen(things: Sequence[Thing], scene: Scene) -> str:
    return "; ".join(told(thing, scene) for thing in things) + "."


def _asking(express: Callable[[random.Random, Scene], Meant | None]) -> Ask:
    def ask(rng: random.Random, scene: Scene) -> Asked | None:
        meant = express(rng, scene)
        if meant is None:
            return None
        steps = (*meant.steps, f"So it is the {told(meant.thing, scene)}.")
        answer = write_boxes([shapes.box_of(meant.thing)])
        return Asked(f"Where is {meant.words}? Give its box.", answer, steps)

    return ask


GROUNDING = Drawn(
    name="grounding",
    about="One object is meant by its attributes, its rank along an axis or its neighbours; give its box.",
    compose=compose,
    draw=shapes.draw,
    kinds={e.__name__: _asking(e) for e in (attribute, extreme, ordinal, relation, nearest)},
    caption=shapes.caption,
    verifier="box_iou",
    blind=0.02,
)
