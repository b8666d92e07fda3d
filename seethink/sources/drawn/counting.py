"""The world `counting`: the number of objects of a kind."""

from __future__ import annotations

import random
from typing import Any, Literal

from seethink.sources.drawn import shapes
from seethink.sources.drawn.shapes import ShapeObject, plural
from seethink.sources.drawn.world import Ask, DrawnQuestion, Scene, SceneWorld


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    scene = shapes.scattered(rng, 2 * level + rng.randint(2, 4) + (8 if shifted else 0), level, shifted)
    if kind == "both":
        _fewer_kinds(rng, scene["things"], scene)
    return scene


def _fewer_kinds(rng: random.Random, things: list[ShapeObject], scene: Scene) -> None:
    """Restrict the objects to three colours and two shapes, so that some kinds occur often."""
    colours, names = (rng.sample(all_, n) for all_, n in zip(shapes.kinds_of(scene), (3, 2), strict=True))
    for thing in things:
        thing["colour"], thing["shape"] = rng.choice(colours), rng.choice(names)


Attribute = Literal["colour", "shape"]


def _counting(*attributes: Attribute) -> Ask:
    """Questions about objects that share these attributes. The count is drawn first, so that counts are
    uniform."""

    def ask(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
        things, number = scene["things"], rng.randint(0, 4)
        colours, names = shapes.kinds_of(scene)
        like = {"colour": rng.choice(things)["colour"], "shape": rng.choice(things)["shape"]}
        if number == 0 and len(attributes) == 1:
            like = {"colour": rng.choice(colours), "shape": rng.choice(names)}
        like = {name: like[name] for name in attributes}
        fits = [thing for thing in things if shapes.is_like(thing, like)]
        if len(fits) != number:
            return None
        words = " ".join(like.values()) + ("" if "shape" in attributes else " object")
        steps = (*shapes.sorted_out(words, scene, fits), f"So {number}.")
        return DrawnQuestion(f"How many {plural(words)} are there?", str(number), steps)

    return ask


COUNTING = SceneWorld(
    name="counting",
    about="The number of objects of a colour, a shape, or both.",
    compose=compose,
    draw=shapes.draw,
    kinds={
        "shape": _counting("shape"), "colour": _counting("colour"), "both": _counting("colour", "shape"),
    },
    caption=shapes.caption,
    verifier="same_number",
    blind=0.45,
)  # fmt: skip
