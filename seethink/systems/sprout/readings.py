"""Dense perception targets in words: requests to read a picture of a drawn world, with what it shows.

Coordinates are thousandths of each side, as in the answers of this model family, in steps of twenty: digits
that nobody can see would be learned as noise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from rapidfuzz.distance import Levenshtein

from seethink.sources.drawn import charts, clips, geometry, rendered_text, screens, shapes, spatial
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
    return "Look around.", " ".join(spatial.look_around(scene))


def _boxes(rng: random.Random, scene: Scene) -> Reading:
    if "piled" in scene:
        return _objects(rng, scene)
    return "Look around, with boxes.", " ".join(
        shapes.look_around(scene, lambda t: f"{shapes.full_name(t)} {_thousandths(t['box'], scene)}")
    )


def _one_object(rng: random.Random, scene: Scene) -> Reading:
    thing = rng.choice(scene["things"])
    x, y = shapes.centre(thing)
    return f"What is at {_thousandths((x, y), scene)}?", f"A {shapes.full_name(thing)}."


def _thousandths(corners: Sequence[float], scene: Scene) -> str:
    return " ".join(
        str(1000 // MARKS * round(MARKS * c / scene["size"][i % 2])) for i, c in enumerate(corners)
    )


def _values(rng: random.Random, scene: Scene) -> Reading:
    return "Read all values.", charts.read(scene)


def _axis(rng: random.Random, scene: Scene) -> Reading:
    if "table" in scene["chart"]:
        return "Read the names.", f"{' '.join(scene['names'])}."
    return "Read the axis.", f"{' '.join(map(str, range(0, scene['top'] + 1, scene['tick'])))}."


def _lines(rng: random.Random, scene: Scene) -> Reading:
    return "Read the text.", rendered_text.read(scene)


def _line(rng: random.Random, scene: Scene) -> Reading:
    i = rng.randrange(len(scene["lines"]))
    return f"Read line {i + 1} below the title.", " ".join(scene["lines"][i]).strip()


def _figure(rng: random.Random, scene: Scene) -> Reading:
    """Labels ninth by ninth, or what cannot be read from any."""
    said = " ".join(geometry.labels_around(scene)) if geometry.labels(scene) else ""
    if scene["figure"] == "angle":
        said = f"{scene['degrees']} degrees."
    if "cells" in scene:
        (w, h), (a, b) = scene["cells"], scene["cut"]
        said = f"{w} x {h}, {a} x {b} missing."
    return "Read the figure.", f"{scene['figure']}. {said}"


def _corners(rng: random.Random, scene: Scene) -> Reading:
    return "Where are the corners?", "; ".join(
        _thousandths(point, scene) for point in sorted(scene["points"], key=shapes.reading_place)
    )


def _screen(which: str) -> Callable[[random.Random, Scene], Reading]:
    name = {"before": "first", "after": "second"}[which]

    def reading(rng: random.Random, scene: Scene) -> Reading:
        title, rows = scene[which][0]["text"], screens.described(scene, scene[which])
        return f"Read the {name} picture.", f"{title}: {rows}."

    return reading


def _both_screens(rng: random.Random, scene: Scene) -> Reading:
    before, after = (screens.described(scene, scene[which]) for which in ("before", "after"))
    return "Read both pictures.", f"Before: {before}. After: {after}."


def _followed(rng: random.Random, scene: Scene) -> Reading:
    return "Watch the clip.", clips.watched(scene)


_SHAPES = (_objects, _boxes, _one_object)
READINGS: Mapping[str, Sequence[Callable[[random.Random, Scene], Reading]]] = {
    "counting": _SHAPES,
    "grounding": _SHAPES,
    "detection": _SHAPES,
    "spatial": (_objects, _boxes),
    "charts": (_values, _axis),
    "text": (_lines, _line),
    "geometry": (_figure, _corners),
    "screens": (_both_screens, _screen("before"), _screen("after")),
    "clips": (_followed,),
}
"""World -> its readings, the densest first."""
