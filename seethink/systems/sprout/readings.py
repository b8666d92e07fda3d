"""Dense perception targets in words: requests to read a picture of a drawn world, with what it shows.

Coordinates are thousandths of each side, as in the answers of this model family, in steps of twenty: digits
that nobody can see would be learned as noise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from rapidfuzz.distance import Levenshtein

from seethink.sources.drawn import clips, geometry, screens, shapes
from seethink.sources.drawn.world import Scene
from seethink.types import Example, Response, Score

MARKS = 50
"""Coordinates are rounded to this many parts of each side."""
Reading = tuple[str, str]
"""(request, reply)"""


def read(rng: random.Random, example: Example, first: bool) -> Reading:
    """A reading of the example's picture. first: the densest one, which names everything."""
    kinds = READINGS[example.meta.get("category", example.meta["world"])]
    if first:
        return kinds[0](rng, example.meta["formal"])
    if rng.random() < 0.3:
        return "Describe the picture.", example.meta["caption"]
    return rng.choice(kinds)(rng, example.meta["formal"])


def words_read(example: Example, response: Response) -> Score:
    """1 - the edit distance between the words of the answer and of the reference reading, over the length of
    the longer. Not `text_ratio`, which gives nothing for a text whose numbers are not all right."""
    if example.answer is None:
        return Score(None, "the example has no reading to compare with")
    said, shown = (response.answer or "").split(), example.answer.split()
    value = Levenshtein.normalized_similarity(said, shown)
    return Score(value, f"{value:.0%} of the words of {len(shown)} are read")


def _objects(rng: random.Random, scene: Scene) -> Reading:
    if "piled" in scene:
        names = ", ".join(map(shapes.name, scene["things"]))
        return "List the pile from the back to the front.", f"{names}."
    listed = "; ".join(
        f"{shapes.full_name(thing)} {_thousandths(thing['box'], scene)}" for thing in scene["things"]
    )
    return "List the objects with their boxes.", f"{listed}."


def _one_object(rng: random.Random, scene: Scene) -> Reading:
    thing = rng.choice(scene["things"])
    x, y = shapes.centre(thing)
    return f"What is at {_thousandths((x, y), scene)}?", f"A {shapes.full_name(thing)}."


def _thousandths(corners: Sequence[float], scene: Scene) -> str:
    return " ".join(
        str(1000 // MARKS * round(MARKS * c / scene["size"][i % 2])) for i, c in enumerate(corners)
    )


def _values(rng: random.Random, scene: Scene) -> Reading:
    pairs = zip(scene["names"], scene["values"], strict=True)
    return "Read all values.", f"{scene['title']}: {', '.join(f'{name} {value}' for name, value in pairs)}."


def _axis(rng: random.Random, scene: Scene) -> Reading:
    if "table" in scene["chart"]:
        return "Read the names.", f"{' '.join(scene['names'])}."
    top = scene["tick"] * (max(scene["values"]) // scene["tick"] + 1)
    return "Read the axis.", f"{' '.join(map(str, range(0, top + 1, scene['tick'])))}."


def _lines(rng: random.Random, scene: Scene) -> Reading:
    return "Read the text.", " / ".join(" ".join(line).strip() for line in scene["lines"])


def _line(rng: random.Random, scene: Scene) -> Reading:
    i = rng.randrange(len(scene["lines"]))
    return f"Read line {i + 1} below the title.", " ".join(scene["lines"][i]).strip()


def _figure(rng: random.Random, scene: Scene) -> Reading:
    """Labels and what cannot be read from them, then the corners."""
    labels = geometry.labels(scene)
    said = f"{scene['figure']}: {', '.join(labels)}" if labels else scene["figure"]
    if scene["figure"] == "angle":
        said += f" of {scene['degrees']}"
    if "cells" in scene:
        (w, h), (a, b) = scene["cells"], scene["cut"]
        said += f" {w} x {h}, {a} x {b} missing"
    return "Read the figure.", f"{said}."


def _corners(rng: random.Random, scene: Scene) -> Reading:
    return "Where are the corners?", "; ".join(
        _thousandths(point, scene) for point in sorted(scene["points"], key=shapes.reading_place)
    )


def _screen(which: str) -> Callable[[random.Random, Scene], Reading]:
    name = {"before": "first", "after": "second"}[which]

    def reading(rng: random.Random, scene: Scene) -> Reading:
        title, rows = scene[which][0]["text"], screens.described(scene[which])
        return f"Read the {name} picture.", f"{title}: {rows}."

    return reading


def _both_screens(rng: random.Random, scene: Scene) -> Reading:
    before, after = screens.described(scene["before"]), screens.described(scene["after"])
    return "Read both pictures.", f"First: {before}. Second: {after}."


def _followed(rng: random.Random, scene: Scene) -> Reading:
    """Every object with its places, and the frames in which it is seen."""
    return "Follow the objects.", "; ".join(_track(thing, scene) for thing in clips.as_seen(scene))


def _track(thing: Mapping[str, object], scene: Scene) -> str:
    half = clips.side_px(scene["size"]) / 2
    path, shown = thing["path"], thing["shown"]
    assert isinstance(path, Sequence) and isinstance(shown, Sequence)
    ends = [_thousandths([at + half for at in corner], scene) for corner in (path[0], path[-1])]
    said = f"{shapes.name(thing)} {' to '.join(dict.fromkeys(ends))}"
    return said if all(shown) else f"{said} {' '.join('on' if on else 'off' for on in shown)}"


_SHAPES = (_objects, _one_object)
READINGS: Mapping[str, Sequence[Callable[[random.Random, Scene], Reading]]] = {
    "counting": _SHAPES,
    "grounding": _SHAPES,
    "detection": _SHAPES,
    "spatial": (_objects,),
    "charts": (_values, _axis),
    "text": (_lines, _line),
    "geometry": (_figure, _corners),
    "screens": (_both_screens, _screen("before"), _screen("after")),
    "clips": (_followed,),
}
"""World -> its readings, the densest first."""
