"""Boxes and points of a question's reference answer and answers, as they are drawn over its picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seethink.boxes import NAMED_PLACE, Box, Point, read_boxes, read_spelled
from seethink.types import MEDIA_MARK, Response
from seethink.verify.box_metrics import boxes_of
from seethink.verify.points import points_of, targets

_ASKS_FOR_PLACES = re.compile(r"box|point|coordinate|corner|locat|where|click", re.IGNORECASE)
ON_CLIPS = "Boxes and points are not drawn on clips: the page shows their frames in one sheet."


@dataclass(frozen=True)
class Place:
    """A box or a point over a picture. corners: (left, top, right, bottom) as shares of the picture, for a
    point twice the same; outside 0 to 1 where it lies beyond the edge. label: what the answer calls it. arm:
    the name of the answer's arm, None for the reference answer."""

    corners: tuple[float, float, float, float]
    label: str
    arm: str | None
    point: bool

    @property
    def outside(self) -> bool:
        """Whether nothing of it lies on the picture."""
        left, top, right, bottom = self.corners
        return right < 0 or bottom < 0 or left > 1 or top > 1


def places_of(
    row: Mapping[str, Any],
    answers: Iterable[tuple[str, Mapping[str, Any]]],
    sizes: Sequence[tuple[int, int]],
) -> tuple[tuple[Place, ...], int | None, str]:
    """(places, index of the picture that they belong to, why none are drawn if there are any).

    answers: (arm, row) pairs. sizes: (width, height) of the pictures in pixels. Coordinates are those that
    the verifiers compare. They belong to the first picture that is no clip. Bare lists of numbers are places
    only where the question asks for some.
    """
    asks = bool(_ASKS_FOR_PLACES.search(row["question"]))
    found: list[tuple[str | None, Sequence[Box | Point]]] = [(None, _reference(row, asks))]
    found += [(arm, _answered(answer, asks)) for arm, answer in answers]
    if not sizes or not any(places for _, places in found):
        return (), None, ""
    at = _first_picture(row, len(sizes))
    if at is None:
        return (), None, ON_CLIPS
    return tuple(_place(one, arm, sizes[at]) for arm, places in found for one in places), at, ""


def _reference(row: Mapping[str, Any], asks: bool) -> Sequence[Box | Point]:
    gold = str(row.get("gold") or "")
    return (targets(gold) or ()) if asks or NAMED_PLACE.search(gold) else ()


def _answered(row: Mapping[str, Any], asks: bool) -> Sequence[Box | Point]:
    """Those of an answer. Rows without the field `points` are of a version that did not record them."""
    said = row.get("said")
    if said is None or "points" not in row:
        return ()
    spelled = read_spelled(said)
    if not (asks or NAMED_PLACE.search(said) or (spelled and spelled.units)):
        return ()
    boxes, points = row["boxes"], row["points"]
    response = Response(
        row["text"],
        answer=said,
        boxes=None if boxes is None else tuple(Box(*corners) for corners in boxes),
        points=None if points is None else tuple((x, y) for x, y in points),
    )
    if given := boxes_of(response):
        written = (spelled.boxes if spelled else read_boxes(said)) or given
        return [replace(box, label=named.label) for box, named in zip(given, written, strict=True)]
    return points_of(response) or ()


def _first_picture(row: Mapping[str, Any], n_media: int) -> int | None:
    """The index of the first medium that is no clip; None if all are clips, or it cannot be told."""
    if not row.get("clips"):
        return 0
    kinds = MEDIA_MARK.findall(row["question"])
    return kinds.index("image") if len(kinds) == n_media and "image" in kinds else None


def _place(found: Box | Point, arm: str | None, size: tuple[int, int]) -> Place:
    if not isinstance(found, Box):
        x, y = found[0] / size[0], found[1] / size[1]
        return Place((x, y, x, y), "", arm, point=True)
    (left, right), (top, bottom) = sorted((found.x1, found.x2)), sorted((found.y1, found.y2))
    swapped = "" if (left, top) == (found.x1, found.y1) else " (corners swapped)"
    corners = (left / size[0], top / size[1], right / size[0], bottom / size[1])
    return Place(corners, f"{found.label}{swapped}".strip(), arm, point=False)
