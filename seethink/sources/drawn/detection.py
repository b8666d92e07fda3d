"""The world `detection`: boxes and labels of all objects of some kinds, or None; similar to D3 (Xie et al.
2023)."""

from __future__ import annotations

import random
from typing import Any

from seethink.boxes import write_boxes
from seethink.sources.drawn import shapes
from seethink.sources.drawn.shapes import ShapeObject
from seethink.sources.drawn.world import DrawnQuestion, Scene, SceneWorld

Label = tuple[str, dict[str, str]]
"""(label in words, attributes of its objects)."""


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    return shapes.scattered(rng, 3 * level + rng.randint(0, 2) + (5 if shifted else 0), level, shifted)


def shape(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    return _about(scene, [_shape(rng.choice(scene["things"]))])


def colour(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    return _about(scene, [_colour(rng.choice(scene["things"]))])


def both(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    return _about(scene, [_both(rng.choice(scene["things"]))])


def several(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """Two or three shapes, some of which may be absent, but not all."""
    _, names = shapes.kinds_of(scene)
    return _about(scene, [(name, {"shape": name}) for name in rng.sample(names, rng.randint(2, 3))])


def missing(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """A kind of object that could occur but is absent."""
    colours, names = shapes.kinds_of(scene)
    label = rng.choice((_shape, _colour, _both))
    thing: Any = {"colour": rng.choice(colours), "shape": rng.choice(names)}
    return _about(scene, [label(thing)], present=False)


def _shape(thing: ShapeObject) -> Label:
    return thing["shape"], {"shape": thing["shape"]}


def _colour(thing: ShapeObject) -> Label:
    return f"{thing['colour']} object", {"colour": thing["colour"]}


def _both(thing: ShapeObject) -> Label:
    return shapes.name(thing), {"colour": thing["colour"], "shape": thing["shape"]}


def _about(scene: Scene, labels: list[Label], present: bool = True) -> DrawnQuestion | None:
    matches = [(words, [t for t in scene["things"] if shapes.is_like(t, like)]) for words, like in labels]
    boxes = [
        shapes.box_of(thing, words) for thing in scene["things"] for words, fits in matches if thing in fits
    ]
    if bool(boxes) != present:
        return None
    words = [words for words, _ in labels]
    question = (
        f"Find every {' and every '.join(words)}. Give each box with its label, or None if there is none."
    )
    found = [thing for _, fits in matches for thing in fits]
    steps = shapes.sorted_out(" and each ".join(words), scene, found)
    return DrawnQuestion(question, write_boxes(boxes) if boxes else "None", tuple(steps))


DETECTION = SceneWorld(
    name="detection",
    about="Boxes and labels of all objects of one to three kinds; None if there are none.",
    compose=compose,
    draw=shapes.draw,
    kinds={ask.__name__: ask for ask in (shape, colour, both, several, missing)},
    caption=shapes.caption,
    verifier="boxes",
    blind=0.25,
)
