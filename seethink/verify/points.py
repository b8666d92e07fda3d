"""Verifier of points: whether each hits a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from seethink.boxes import Box, Point, read_boxes, read_points
from seethink.types import Example, Response, Score
from seethink.verify.text import both_listed


@dataclass(frozen=True)
class Points:
    """F1 of the points that hit.

    Formula: 2 hits / (n_gold + n_predicted). A point hits a gold box by lying in it, a gold point by lying
    within `within_px` of it, in pixels of the original picture; nearest first, each point and each target
    once. An explicit none on both sides is 1. Range: [0, 1]; None if the gold is neither boxes nor points.
    Source: pointing into a box is ScreenSpot's accuracy; the default distance is half a visual token of 28
    pixels.
    """

    within_px: float = 14.0

    def __call__(self, example: Example, response: Response) -> Score:
        gold = targets(str(example.answer))
        predicted = points_of(response)
        read = both_listed(example, response, gold, predicted, ("neither boxes nor points", "points"))
        if isinstance(read, Score):
            return read
        gold, predicted = read
        hits = self._hits(gold, predicted)
        return Score(
            2 * hits / (len(gold) + len(predicted)), f"{hits} hits of {len(gold)}, {len(predicted)} predicted"
        )

    def _hits(self, gold: Sequence[Box | Point], predicted: Sequence[Point]) -> int:
        candidates = [
            (distance, i, j)
            for i, target in enumerate(gold)
            for j, point in enumerate(predicted)
            if (distance := self._distance(target, point)) is not None
        ]
        hit: set[int] = set()
        used: set[int] = set()
        for _, i, j in sorted(candidates):
            if i not in hit and j not in used:
                hit.add(i)
                used.add(j)
        return len(hit)

    def _distance(self, target: Box | Point, point: Point) -> float | None:
        """Pixels from the target's centre; None for a miss."""
        x, y = point
        if isinstance(target, Box):
            inside = target.x1 <= x <= target.x2 and target.y1 <= y <= target.y2
            centre = ((target.x1 + target.x2) / 2, (target.y1 + target.y2) / 2)
        else:
            inside = hypot(x - target[0], y - target[1]) <= self.within_px
            centre = target
        return hypot(x - centre[0], y - centre[1]) if inside else None


def points_of(response: Response) -> Sequence[Point] | None:
    """The points of an answer: in pixels of the original picture, or as they are written where the engine
    does not know the model's coordinates. None if the answer is not a list of points."""
    return read_points(response.answer or "") if response.points is None else response.points


def targets(gold: str) -> tuple[Box | Point, ...] | None:
    """The boxes or the points of a reference answer; None if it is neither."""
    found = read_boxes(gold)
    return read_points(gold) if found is None else found
