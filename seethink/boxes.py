"""Boxes and points in a picture, read from what a model or a data set says and written again. Whose pixels
they are in, `families.py` knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAX_BOXES = 1_000
"""More than this is no answer."""

FARTHEST = 1e9
"""A corner beyond this stands in no picture; it may not even fit a float."""

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_NOTHING = {"none", "null", "[]", "{}"}
_CORNERS = ("bbox_2d", "bbox", "box", "box_2d")
_NAMES = ("point_2d", "point", "coordinate")
_LABELS = ("label", "category", "name")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_WRITTEN = re.compile(
    rf'(?P<key>"(?:{"|".join(_CORNERS)})"\s*:\s*)\[\s*(?P<corners>{_NUMBER}(?:\s*,\s*{_NUMBER}){{3}})\s*\]'
    rf'|(?P<name>"(?:{"|".join(_NAMES)})"\s*:\s*)\[\s*(?P<point>{_NUMBER}\s*,\s*{_NUMBER})\s*\]'
)
Point = tuple[float, float]
"""(x, y), from the top left."""


@dataclass(frozen=True)
class Box:
    """(x1, y1) is the corner at the top left, (x2, y2) that at the bottom right; as it was said, so corners
    may be swapped."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""

    @property
    def corners(self) -> tuple[float, float, float, float]:
        return self.x1, self.y1, self.x2, self.y2

    def scaled(self, x: float, y: float) -> Box:
        return Box(self.x1 * x, self.y1 * y, self.x2 * x, self.y2 * y, self.label)


def read_boxes(text: str) -> tuple[Box, ...] | None:
    """All boxes of a text that is JSON as a whole, or in its last fence: `[x1, y1, x2, y2]`, `{"bbox_2d":
    [...], "label": ...}`, or a list of either. None where it is anything else; () where it says that there is
    none ("None", "[]")."""
    found = read_json(text)
    if found == []:
        return ()
    if _is_box(found):
        found = [found]
    if not isinstance(found, list) or not 0 < len(found) <= MAX_BOXES or not all(map(_is_box, found)):
        return None
    return tuple(map(_box, found))


def read_points(text: str) -> tuple[Point, ...] | None:
    """All points of a text that is JSON as a whole, or in its last fence: `[x, y]`, `{"point_2d": [x, y]}`,
    or a list of either. None where it is anything else; () where it says that there is none."""
    found = read_json(text)
    found = [found] if _pair(found) else found
    if not isinstance(found, list) or len(found) > MAX_BOXES or not all(map(_pair, found)):
        return None
    pairs = [_pair(point) for point in found]
    return tuple((float(x), float(y)) for x, y in filter(None, pairs))


def _pair(value: Any) -> tuple[float, float] | None:
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES if name in value), None)
    if not isinstance(value, list) or len(value) != 2:
        return None
    if any(isinstance(x, bool) or not isinstance(x, int | float) or not abs(x) <= FARTHEST for x in value):
        return None
    return value[0], value[1]


def read_json(text: str) -> Any:
    """What a text says in JSON, as a whole or in its last fence; [] for "None", None where it is no JSON."""
    fences = _FENCE.findall(text)
    told = (fences[-1] if fences else text).strip()
    if told.casefold().rstrip(".") in _NOTHING:
        return []
    try:
        return json.loads(told)
    except (ValueError, RecursionError):
        return None


def write_boxes(boxes: Iterable[Box]) -> str:
    """The boxes as JSON, `[{"bbox_2d": [...], "label": ...}]`; whole numbers without a fraction."""
    rows = [
        {"bbox_2d": [_plain(x) for x in box.corners]} | ({"label": box.label} if box.label else {})
        for box in boxes
    ]
    return json.dumps(rows, ensure_ascii=False)


def scale_written(text: str, x: float, y: float, places: int = 0) -> str:
    """The text with every box and point in it that stands as JSON (`"bbox_2d": [...]`, `"point_2d": [...]`)
    scaled and rounded to `places`.

    Numbers without a name are left as they are: they may be no place.
    """

    def scaled(found: re.Match[str]) -> str:
        corners = [*map(float, (found["corners"] or found["point"]).split(","))]
        if not all(abs(corner) <= FARTHEST for corner in corners):
            return found[0]
        moved = (round(at * by, places) for at, by in zip(corners, (x, y) * (len(corners) // 2), strict=True))
        return (found["key"] or found["name"]) + json.dumps([*map(_plain, moved)])

    return _WRITTEN.sub(scaled, text)


def _is_box(value: Any) -> bool:
    corners = _corners(value)
    return (
        isinstance(corners, list)
        and len(corners) == 4
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in corners)
        and all(abs(x) <= FARTHEST for x in corners)
    )


def _corners(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return next((value[name] for name in _CORNERS if name in value), None)


def _box(value: Any) -> Box:
    label = next((value[n] for n in _LABELS if n in value), "") if isinstance(value, dict) else ""
    return Box(*map(float, _corners(value)), label=str(label))


def _plain(x: float) -> float | int:
    return int(x) if x == int(x) else x
