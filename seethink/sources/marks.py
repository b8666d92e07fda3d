"""Marks that name what they stand for: `<image 2>` a picture by its number, ms-swift's `<ref-object>` and
`<bbox>` entries of `objects`.

Source: ms-swift, "Custom dataset", section Grounding: `objects` has `ref`, `bbox` (two or four numbers each),
`bbox_type` ("real": pixels; "norm1": from 0 to 1) and `image_id` (the picture of each box, the first unless
given). MMMU numbers its pictures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seethink.media import Image, Video
from seethink.sources.parsed_row import ParsedRow
from seethink.sources.row_reader import Row
from seethink.types import MEDIA_MARK, InputError, Media, Turn

_MARK = re.compile("<(ref-object|bbox)>")
CORNERS = re.compile(r"\[-?\d+(?:\.\d+)?(?:, -?\d+(?:\.\d+)?){3}\]")
"""A box as `fill_objects` writes it."""
_NUMBERED = re.compile(r"<image[ _-]?(\d+)>")


def unnumbered(parsed: ParsedRow, pictures: Sequence[Media]) -> tuple[ParsedRow, list[Media]]:
    """(the row with `<image>` for `<image 2>`, its pictures in the order of their marks, once for each mark).

    Unchanged unless the numbers are those of the pictures, each at least once: in MathVision, `<image2>` is a
    part of the only picture."""
    texts = [*(turn.text for turn in parsed.history), parsed.question]
    whole = "\n".join(text for text in texts if isinstance(text, str))
    numbers = [int(number) for number in _NUMBERED.findall(whole)]
    if MEDIA_MARK.search(whole) or {*numbers} != {*range(1, len(pictures) + 1)}:
        return parsed, list(pictures)
    *before, question = (_NUMBERED.sub("<image>", text) if isinstance(text, str) else text for text in texts)
    history = _with_texts(parsed, before)
    return replace(parsed, history=history, question=question), [pictures[n - 1] for n in numbers]


def _with_texts(parsed: ParsedRow, texts: Sequence[str]) -> tuple[Turn, ...]:
    return tuple(turn._replace(text=text) for turn, text in zip(parsed.history, texts, strict=True))


# Objects --------------------------------------------------------------------------------------------------


def fill_objects(row: Row, parsed: ParsedRow, pictures: Sequence[Media]) -> ParsedRow:
    """The row with every mark of an object replaced: by its name, or by its box in pixels of the original
    picture. Raises RowError where marks and objects disagree."""
    objects = row.values.get("objects")
    if objects is None:
        return parsed
    if isinstance(objects, str):
        objects = _from_json(row, objects)
    if not isinstance(objects, Mapping):
        row.refuse(f"objects must be {{ref: [...], bbox: [...]}}, not {objects!r:.40}")
    boxes = [json.dumps(box) for box in _boxes(row, objects, pictures)]
    names = [str(name) for name in objects.get("ref") or ()]
    texts = [*(turn.text for turn in parsed.history), parsed.question, parsed.answer]
    given = {"ref-object": names, "bbox": boxes}
    for kind, entries in given.items():
        marks = sum(text.count(f"<{kind}>") for text in texts if isinstance(text, str))
        if marks != len(entries):
            row.refuse(
                f"the messages have {marks} <{kind}>, but objects has {len(entries)}; give one for each mark"
            )
    left = {kind: iter(entries) for kind, entries in given.items()}
    *before, question, answer = (
        _MARK.sub(lambda mark: next(left[mark[1]]), text) if isinstance(text, str) else text for text in texts
    )
    return replace(parsed, history=_with_texts(parsed, before), question=question, answer=answer)


def _boxes(row: Row, objects: Mapping[str, Any], pictures: Sequence[Media]) -> list[list[float]]:
    """The boxes or points in pixels of their pictures."""
    boxes = objects.get("bbox") or []
    unit = objects.get("bbox_type") or "real"
    ids = objects.get("image_id") or [0] * len(boxes)
    if unit not in ("real", "norm1"):
        row.refuse(f"bbox_type must be real or norm1, not {unit!r:.40}")
    if not isinstance(boxes, list) or not all(map(_is_box, boxes)):
        row.refuse(f"bbox must be a list of [x1, y1, x2, y2] or [x, y], not {boxes!r:.60}")
    if unit == "real":
        return boxes
    if not isinstance(ids, list) or len(ids) != len(boxes) or not all(i in range(len(pictures)) for i in ids):
        row.refuse(f"image_id must give one of {len(pictures)} picture(s) for each box, not {ids!r:.40}")
    sizes = [_size(row, pictures[i]) for i in ids]
    return [
        [round(x * size[i % 2], 1) for i, x in enumerate(box)] for box, size in zip(boxes, sizes, strict=True)
    ]


def _is_box(box: Any) -> bool:
    numbers = isinstance(box, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in box
    )
    return numbers and len(box) in (2, 4)


def _size(row: Row, picture: Media) -> tuple[int, int]:
    assert isinstance(picture, Image | Video)
    try:
        return picture.size()
    except InputError as error:
        row.refuse(f"{error}; replace the picture or remove the row", error, "broken picture")


def _from_json(row: Row, text: str) -> Any:
    """Tables hold objects as JSON text."""
    try:
        return json.loads(text)
    except ValueError as error:
        row.refuse(f"objects is not JSON ({error}); correct it", error)
