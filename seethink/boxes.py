"""Boxes and points: data classes, parsing from JSON and from the spellings of models, writing and scaling.

`models/families.py` knows the coordinate frame of a model's boxes.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MAX_BOXES = 1_000
"""A text with more boxes is not parsed as an answer."""

MAX_COORDINATE = 1e9
"""Larger coordinates are not parsed; they may not even fit a float."""

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_NOTHING = {"none", "null", "[]", "{}"}
_CORNERS = ("bbox_2d", "bbox", "box")
_Y_FIRST = "box_2d"
"""Gemini's name, none of `_CORNERS`: its list is [y1, x1, y2, x2] in thousandths (`read_spelled`)."""
_NAMES = ("point_2d", "point", "coordinate")
_LABELS = ("label", "category", "name")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_WRITTEN = re.compile(
    rf'(?P<key>"(?:{"|".join(_CORNERS)})"\s*:\s*)\[\s*(?P<corners>{_NUMBER}(?:\s*,\s*{_NUMBER}){{3}})\s*\]'
    rf'|(?P<name>"(?:{"|".join(_NAMES)})"\s*:\s*)\[\s*(?P<point>{_NUMBER}\s*,\s*{_NUMBER})\s*\]'
)
_EDGES = tuple(
    tuple(name.split()) for name in ("x1 y1 x2 y2", "xmin ymin xmax ymax", "x_min y_min x_max y_max")
)
_PLACES = "|".join((*_CORNERS, *_NAMES, *(names[0] for names in _EDGES)))
NAMED_PLACE = re.compile(rf"[\"'](?:{_PLACES})[\"']")
"""The name of a box or a point in JSON, or in what Python prints."""
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
    `{"bbox_2d": [...], "label": ...}`, `{"x1": ..., "y2": ...}`, or a list of these. () for "None" or "[]";
    None for any other text."""
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


def write_places(boxes: Sequence[Box] | None, points: Sequence[Point] | None) -> str | None:
    """Boxes, else points, as a reference has them: JSON that `read_boxes` or `read_points` reads. None
    without any."""
    if boxes:
        return json.dumps([{"bbox_2d": box.corners, "label": box.label} for box in boxes])
    return json.dumps(points) if points else None


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


# Spellings of models ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpelledPlaces:
    """Boxes or points of a text in the spelling of a model, x first. units: what each side of the picture
    measures in their coordinates, as the spelling says; None: what it measures in the model's frame."""

    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    units: int | None = None


_N = r"\s*-?[0-9]{1,6}(?:\.[0-9]{1,9})?\s*"
_PAIR = rf"\({_N},{_N}\)"
_TWO_PAIRS = rf"{_PAIR}\s*,?\s*{_PAIR}"
_LIST = rf"(?:\[(?:{_N},){{3}}{_N}\]|\((?:{_N},){{3}}{_N}\))"
_LISTS = rf"\[\s*{_LIST}(?:\s*,\s*{_LIST})*\s*\]|{_LIST}"
_BARE_LABEL = r"(?P<label>[^<>()\[\]{}0-9.:;!?\n]{0,60})"


def _labelled(opening: str, closing: str) -> str:
    return rf"(?:{opening}(?P<label>[^<>]{{0,80}}){closing}\s*)?"


_SPELLINGS = tuple(
    (re.compile(pattern), units)
    for pattern, units in (
        (  # Qwen2-VL
            _labelled(r"<\|object_ref_start\|>", r"<\|object_ref_end\|>")
            + rf"<\|box_start\|>\s*(?:(?P<corners>{_TWO_PAIRS})|(?P<point>{_PAIR}))\s*<\|box_end\|>",
            1000,
        ),
        # Qwen-VL and InternVL
        (_labelled("<ref>", "</ref>") + rf"<box>\s*(?P<corners>{_TWO_PAIRS}|{_LISTS})\s*</box>", 1000),
        # DeepSeek-VL2
        (_labelled(r"<\|ref\|>", r"<\|/ref\|>") + rf"<\|det\|>\s*(?P<corners>{_LISTS})\s*<\|/det\|>", 1000),
        (_BARE_LABEL + r"(?P<corners>(?:<loc_[0-9]{1,3}>){4})", 1000),  # Florence-2
        (r"(?P<y_first>(?:<loc[0-9]{4}>){4})\s*(?P<label>[^<>;]{0,60})", 1024),  # PaliGemma
        (r"<points?\s(?P<percents>[^<>]{1,4000}?)/?>(?:[^<>]{0,200}</points?>)?", 100),  # Molmo
        # Qwen2-VL and InternVL, decoded without their special tokens
        (_BARE_LABEL + rf"(?P<corners>{_TWO_PAIRS}|{_LISTS})", None),
    )
)
_BETWEEN = re.compile(r"(?:[\s,;.]|and\b)*")
_SPELLED_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_PERCENT = re.compile(r"\b[xy][0-9]*\s*=\s*[\"']?\s*([0-9]+(?:\.[0-9]+)?)")


def read_spelled(text: str) -> SpelledPlaces | None:
    """All boxes or points of a text that is nothing but these, in the spelling of one model: `<|box_start|>`
    of Qwen2-VL, `<box>` of Qwen-VL and InternVL, `<|det|>` of DeepSeek-VL2, `<loc_12>` of Florence-2,
    `<loc0012>` of PaliGemma, `<point x= y=>` of Molmo, JSON with Gemini's `box_2d`, and corners without
    the tokens around them. None for any other text, and for JSON that `read_boxes` reads."""
    if found := _read_y_first(text):
        return SpelledPlaces(found, units=1000)
    if read_boxes(text) is not None:
        return None
    for pattern, units in _SPELLINGS:
        matches, end = [], _after_gap(text, 0)
        while len(matches) <= MAX_BOXES and (match := pattern.match(text, end)):
            matches.append(match)
            end = _after_gap(text, match.end())
        if matches and end == len(text) and len(matches) <= MAX_BOXES:
            boxes = tuple(box for match in matches for box in _spelled_boxes(match))
            points = tuple(point for match in matches for point in _spelled_points(match))
            return SpelledPlaces(boxes, points, units) if bool(boxes) != bool(points) else None
    return None


def _after_gap(text: str, at: int) -> int:
    gap = _BETWEEN.match(text, at)
    return gap.end() if gap else at


def _spelled_boxes(match: re.Match[str]) -> Iterable[Box]:
    parts = match.groupdict()
    y_first = parts.get("y_first")
    numbers = [*map(float, _SPELLED_NUMBER.findall(y_first or parts.get("corners") or ""))]
    label = (parts.get("label") or "").strip(" ,;\"'")
    for start in range(0, len(numbers), 4):
        a, b, c, d = numbers[start : start + 4]
        yield Box(b, a, d, c, label) if y_first else Box(a, b, c, d, label)


def _spelled_points(match: re.Match[str]) -> Iterable[Point]:
    parts = match.groupdict()
    percents = _PERCENT.findall(parts.get("percents") or "")
    numbers = [*map(float, percents or _SPELLED_NUMBER.findall(parts.get("point") or ""))]
    return zip(numbers[::2], numbers[1::2], strict=False)


def _read_y_first(text: str) -> tuple[Box, ...] | None:
    """The boxes of JSON in which each is Gemini's."""
    if f'"{_Y_FIRST}"' not in text:
        return None
    value = read_json(text)
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= MAX_BOXES or not all(
        isinstance(item, dict) and _Y_FIRST in item for item in items
    ):
        return None
    named = [{**item, _CORNERS[0]: item[_Y_FIRST]} for item in items]
    if not all(map(_is_box, named)):
        return None
    boxes = [_box(item) for item in named]
    return tuple(Box(box.y1, box.x1, box.y2, box.x2, box.label) for box in boxes)


def read_json(text: str) -> Any:
    """The JSON value of a text, as a whole or in its last code fence, also with single quotes; [] for "None";
    None if it is not JSON."""
    fences = _FENCE.findall(text)
    content = (fences[-1] if fences else text).strip()
    if content.casefold().rstrip(".") in _NOTHING:
        return []
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _printed(content) if "'" in content else None


def _printed(text: str) -> Any:
    """A list or an object as Python prints it, with single quotes, as JSON has it."""
    try:
        return json.loads(json.dumps(ast.literal_eval(text)))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def write_boxes(boxes: Iterable[Box]) -> str:
    """The boxes as JSON, `[{"bbox_2d": [...], "label": ...}]`, with whole numbers as integers."""
    rows = [
        {"bbox_2d": [_plain(x) for x in box.corners]} | ({"label": box.label} if box.label else {})
        for box in boxes
    ]
    return json.dumps(rows, ensure_ascii=False)


def scale_written(
    text: str, x: float, y: float, places: int = 0, shift: tuple[float, float] = (0.0, 0.0)
) -> str:
    """The text with every named box and point (`"bbox_2d": [...]`, `"point_2d": [...]`) scaled by (x, y),
    then moved by `shift`, and rounded to `places` decimals.

    Lists of numbers without such a name are unchanged: they may not be coordinates.
    """

    def scaled(match: re.Match[str]) -> str:
        corners = [*map(float, (match["corners"] or match["point"]).split(","))]
        if not all(abs(corner) <= MAX_COORDINATE for corner in corners):
            return match[0]
        axes = (((x, shift[0]), (y, shift[1])) * 2)[: len(corners)]
        moved = (round(at * by + more, places) for at, (by, more) in zip(corners, axes, strict=True))
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
    edges = next((names for names in _EDGES if value.keys() >= {*names}), None)
    if edges:
        return [value[name] for name in edges]
    return next((value[name] for name in _CORNERS if name in value), None)


def _box(value: Any) -> Box:
    label = next((value[n] for n in _LABELS if n in value), "") if isinstance(value, dict) else ""
    return Box(*map(float, _corners(value)), label=str(label))


def _plain(x: float) -> float | int:
    return int(x) if x == int(x) else x
