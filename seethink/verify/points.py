"""Judgement of points: whether each lies where it should."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from seethink.boxes import Box, Point, read_boxes, read_points
from seethink.types import Example, Response, Score
from seethink.verify.text import shown, unjudged


@dataclass(frozen=True)
class Points:
    """F1 of the points that hit.

    Formula: 2 hits / (n_gold + n_told). A point hits a gold box by lying in it, a gold point by lying
    within `within_px` of it, in pixels of the original picture; nearest first, each point and each target
    once. None explicit on both sides is 1. Range: [0, 1]; None if the gold is neither boxes nor points.
    Source: pointing into a box is ScreenSpot's accuracy; the default distance is half a visual token of 28
    pixels.
    """

    within_px: float = 14.0

    def __call__(self, example: Example, response: Response) -> Score:
        if missing := unjudged(example, response):
            return missing
        gold = _targets(str(example.answer))
        told = read_points(str(response.answer)) if response.points is None else response.points
        if gold is None:
            return Score(None, f"the gold {shown(example.answer)} is neither boxes nor points")
        if told is None:
            return Score(0.0, f"read {shown(response.answer)}, which is no points")
        if not gold or not told:
            return Score(float(not gold and not told), f"read {len(told)} points, the gold has {len(gold)}")
        hits = self._hits(gold, told)
        return Score(2 * hits / (len(gold) + len(told)), f"{hits} hits of {len(gold)}, {len(told)} said")

    def _hits(self, gold: tuple[Box | Point, ...], told: tuple[Point, ...]) -> int:
        reach = [
            (away, i, j)
            for i, target in enumerate(gold)
            for j, point in enumerate(told)
            if (away := self._away(target, point)) is not None
        ]
        met: set[int] = set()
        used: set[int] = set()
        for _, i, j in sorted(reach):
            if i not in met and j not in used:
                met.add(i)
                used.add(j)
        return len(met)

    def _away(self, target: Box | Point, point: Point) -> float | None:
        """Pixels from the target's middle; None where it is missed."""
        x, y = point
        if isinstance(target, Box):
            inside = target.x1 <= x <= target.x2 and target.y1 <= y <= target.y2
            middle = ((target.x1 + target.x2) / 2, (target.y1 + target.y2) / 2)
        else:
            inside = hypot(x - target[0], y - target[1]) <= self.within_px
            middle = target
        return hypot(x - middle[0], y - middle[1]) if inside else None


def _targets(gold: str) -> tuple[Box | Point, ...] | None:
    found = read_boxes(gold)
    return read_points(gold) if found is None else found
