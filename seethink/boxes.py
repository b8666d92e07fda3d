"""Boxes and points: data classes, parsing from JSON text, writing and scaling.

`models/families.py` knows the coordinate frame of a model's boxes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAX_BOXES = 1_000
"""A text with more boxes is not parsed as an answer."""

MAX_COORDINATE = 1e9
"""Larger coordinates are not parsed; they may not even fit a float."""

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_NOTHING = {"none", "null", "[]", "{}"}
_CORNERS = ("bbox_2d", "bbox", "box")
"""Gemini's `box_2d` is none of them: [y1, x1, y2, x2] in thousandths, which would be read as another box."""
_NAMES = ("point_2d", "point", "coordinate")
_LABELS = ("label", "category", "name")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_WRITTEN = re.compile(
    rf'(?P<key>"(?:{"|".join(_CORNERS)})"\s*:\s*)\[\s*(?P<corners>{_NUMBER}(?:\s*,\s*{_NUMBER}){{3}})\s*\]'
    rf'|(?P<name>"(?:{"|".join(_NAMES)})"\s*:\s*)\[\s*(?P<point>{_NUMBER}\s*,\s*{_NUMBER})\s*\]'
)
NAMED_PLACE = re.compile(rf'"(?:{"|".join((*_CORNERS, *_NAMES))})"')
"""The name of a box or a point in JSON."""
Point = tuple[float, float]
"""(x, y), from the top left corner of the picture."""


@dataclass(frozen=True)
class Box:
    """A labelled box with corners (x1, y1), top left, and (x2, y2), bottom right, as parsed: they may be
    swapped."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """(x1, y1, x2, y2)."""
        return self.x1, self.y1, self.x2, self.y2

    def scaled(self, x: float, y: float) -> Box:
        """The box with its x coordinates multiplied by `x` and its y coordinates by `y`."""
        return Box(self.x1 * x, self.y1 * y, self.x2 * x, self.y2 * y, self.label)


def read_boxes(text: str) -> tuple[Box, ...] | None:
    """All boxes of a text that is JSON, as a whole or in its last code fence: `[x1, y1, x2, y2]`,
    `{"bbox_2d": [...], "label": ...}`, or a list of either. () for "None" or "[]"; None for any other
    text."""
    value = read_json(text)
    if value == []:
        return ()
    if _is_box(value):
        value = [value]
    if not isinstance(value, list) or not 0 < len(value) <= MAX_BOXES or not all(map(_is_box, value)):
        return None
    return tuple(map(_box, value))


def read_points(text: str) -> tuple[Point, ...] | None:
    """All points of a text that is JSON, as a whole or in its last code fence: `[x, y]`, `{"point_2d": [x,
    y]}`, or a list of either. () for "None" or "[]"; None for any other text."""
    value = read_json(text)
    value = [value] if _pair(value) else value
    if not isinstance(value, list) or len(value) > MAX_BOXES or not all(map(_pair, value)):
        return None
    pairs = [_pair(point) for point in value]
    return tuple((float(x), float(y)) for x, y in filter(None, pairs))


def _pair(value: Any) -> tuple[float, float] | None:
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES if name in value), None)
    if not isinstance(value, list) or len(value) != 2:
        return None
    if any(
        isinstance(x, bool) or not isinstance(x, int | float) or not abs(x) <= MAX_COORDINATE for x in value
    ):
        return None
    return value[0], value[1]


def read_json(text: str) -> Any:
    """The JSON value of a text, as a whole or in its last code fence; [] for "None"; None if it is not
    JSON."""
    fences = _FENCE.findall(text)
    content = (fences[-1] if fences else text).strip()
    if content.casefold().rstrip(".") in _NOTHING:
        return []
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def write_boxes(boxes: Iterable[Box]) -> str:
    """The boxes as JSON, `[{"bbox_2d": [...], "label": ...}]`, with whole numbers as integers."""
    rows = [
        {"bbox_2d": [_plain(x) for x in box.corners]} | ({"label": box.label} if box.label else {})
        for box in boxes
    ]
    return json.dumps(rows, ensure_ascii=False)


def scale_written(text: str, x: float, y: float, places: int = 0) -> str:
    """The text with every named box and point (`"bbox_2d": [...]`, `"point_2d": [...]`) scaled by (x, y) and
    rounded to `places` decimals.

    Lists of numbers without such a name are unchanged: they may not be coordinates.
    """

    def scaled(match: re.Match[str]) -> str:
        corners = [*map(float, (match["corners"] or match["point"]).split(","))]
        if not all(abs(corner) <= MAX_COORDINATE for corner in corners):
            return match[0]
        moved = (round(at * by, places) for at, by in zip(corners, (x, y) * (len(corners) // 2), strict=True))
        return (match["key"] or match["name"]) + json.dumps([*map(_plain, moved)])

    return _WRITTEN.sub(scaled, text)


def _is_box(value: Any) -> bool:
    corners = _corners(value)
    return (
        isinstance(corners, list)
        and len(corners) == 4
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in corners)
        and all(abs(x) <= MAX_COORDINATE for x in corners)
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
