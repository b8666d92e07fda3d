"""CLEVR (Johnson et al. 2017) in its published layout: scenes, questions and pictures.

`scenes/CLEVR_<split>_scenes.json` has `scenes[].objects[]`, `questions/CLEVR_<split>_questions.json` has
`questions[]`, `images/<split>/` has the pictures. CoGenT's files have the same layout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.media import Image
from seethink.types import Example, InputError

_COUNTS = re.compile(r"\bhow many\b|\bnumber\b", re.IGNORECASE)
TOTAL = "How many items are there in the picture?"
_TEXTS = ("size", "color", "material", "shape")


def counting(scenes: Path, questions: Path | None = None, pictures: Path | None = None) -> list[Example]:
    """The questions that R1-V distils: those with "how many" or "number", and one per scene for the total
    count.

    pictures: the folder of the image files; without it, examples have no picture. meta `scene` has the
    objects. Raises InputError with file, row and fix.
    """
    scene_of = {scene["image_filename"]: scene for scene in _rows(scenes, "scenes")}
    for number, scene in enumerate(scene_of.values(), 1):
        if fault := scene_fault(scene.get("objects")):
            raise InputError(f"{scenes}, scene {number}: {fault}; copy the scene as published")
    rows = _rows(questions, "questions") if questions else []
    counted: list[Example] = []
    for number, row in enumerate(rows, 1):
        if row["image_filename"] not in scene_of:
            raise InputError(
                f"{questions}, question {number}: {scenes} has no scene of {row['image_filename']}; give the "
                "files of one split"
            )
        if _COUNTS.search(str(row.get("question", ""))):
            answer = str(row["answer"]) if "answer" in row else None
            scene = scene_of[row["image_filename"]]
            key = f"{scene['image_filename']}/{number}"
            counted.append(_example(key, row["question"], answer, scene, pictures))
    totals = [
        _example(f"{name}/total", TOTAL, str(len(scene["objects"])), scene, pictures)
        for name, scene in scene_of.items()
    ]
    return counted + totals


def _example(
    key: str, question: str, answer: str | None, scene: Mapping[str, Any], pictures: Path | None
) -> Example:
    media = (Image.file(pictures / scene["image_filename"]),) if pictures else ()
    return Example(f"clevr/{key}", question, media, answer, meta={"scene": scene["objects"]})


def _rows(path: Path, name: str) -> list[dict[str, Any]]:
    fix = f"give CLEVR's {name} file as published"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); {fix}") from error
    rows = content.get(name) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise InputError(f"{path} has no list {name!r}; {fix}")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("image_filename"), str):
            raise InputError(f"{path}, {name} {number}: has no image_filename; {fix}")
    return rows


def scene_fault(objects: Any) -> str:
    """How a scene's list of objects differs from CLEVR's schema; empty if it conforms."""
    if not isinstance(objects, list):
        return "has no list of objects"
    for number, item in enumerate(objects, 1):
        values = item if isinstance(item, dict) else {}
        coordinates = [*_padded(values.get("3d_coords"), 3), *_padded(values.get("pixel_coords"), 2)]
        numbers = [values.get("rotation"), *coordinates]
        named = all(isinstance(values.get(name), str) for name in _TEXTS)
        if not named or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            return f"object {number} must have {', '.join(_TEXTS)}, rotation, 3d_coords and pixel_coords"
    return ""


def _padded(value: Any, least: int) -> list[Any]:
    """The list with None appended up to a length of `least`; only None if it is not a list."""
    items = value if isinstance(value, list) else []
    return [*items, *[None] * (least - len(items))]
