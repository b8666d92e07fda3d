"""CLEVR as it was published (Johnson et al. 2017): scenes, questions and pictures, in its own layout.

`scenes/CLEVR_<split>_scenes.json` holds `scenes[].objects[]`, `questions/CLEVR_<split>_questions.json` holds
`questions[]`, `images/<split>/` the pictures. CoGenT's files have the same layout.
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
    """The questions that R1-V distils: those with "how many" or "number" in them, and one for each scene that
    asks for the total. meta `scene` holds the objects.

    pictures: the folder of the image files; without it, examples have no picture. Raises InputError naming
    file, row and mend.
    """
    found = {scene["image_filename"]: scene for scene in _rows(scenes, "scenes")}
    for number, scene in enumerate(found.values(), 1):
        if fault := fault_of(scene.get("objects")):
            raise InputError(f"{scenes}, scene {number}: {fault}; copy the scene as it was published")
    asked = _rows(questions, "questions") if questions else []
    made: list[Example] = []
    for number, row in enumerate(asked, 1):
        if row["image_filename"] not in found:
            raise InputError(
                f"{questions}, question {number}: {scenes} has no scene of {row['image_filename']}; give the "
                "files of one split"
            )
        if _COUNTS.search(str(row.get("question", ""))):
            told = str(row["answer"]) if "answer" in row else None
            scene = found[row["image_filename"]]
            made.append(
                _example(f"{scene['image_filename']}/{number}", row["question"], told, scene, pictures)
            )
    totals = [
        _example(f"{name}/total", TOTAL, str(len(scene["objects"])), scene, pictures)
        for name, scene in found.items()
    ]
    return made + totals


def _example(
    key: str, question: str, answer: str | None, scene: Mapping[str, Any], pictures: Path | None
) -> Example:
    media = (Image.file(pictures / scene["image_filename"]),) if pictures else ()
    return Example(f"clevr/{key}", question, media, answer, meta={"scene": scene["objects"]})


def _rows(path: Path, name: str) -> list[dict[str, Any]]:
    mend = f"it must be CLEVR's {name} file, as it was published"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {mend}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); {mend}") from error
    rows = told.get(name) if isinstance(told, dict) else None
    if not isinstance(rows, list):
        raise InputError(f"{path} has no list {name!r}; {mend}")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("image_filename"), str):
            raise InputError(f"{path}, {name} {number}: has no image_filename; {mend}")
    return rows


def fault_of(objects: Any) -> str:
    """What is not as CLEVR has it in a scene's list of objects; empty where all is."""
    if not isinstance(objects, list):
        return "has no list of objects"
    for number, thing in enumerate(objects, 1):
        told = thing if isinstance(thing, dict) else {}
        places = [*_list(told.get("3d_coords"), 3), *_list(told.get("pixel_coords"), 2)]
        numbers = [told.get("rotation"), *places]
        good = all(isinstance(told.get(name), str) for name in _TEXTS)
        if not good or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            return f"object {number} must have {', '.join(_TEXTS)}, rotation, 3d_coords and pixel_coords"
    return ""


def _list(value: Any, least: int) -> list[Any]:
    """At least `least` items, None for those that are missing."""
    items = value if isinstance(value, list) else []
    return [*items, *[None] * (least - len(items))]
