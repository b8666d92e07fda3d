"""Detection: all boxes of several labels, in the layouts of COCO, OVDEval and D3."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.sources.published.columns import boxed, columns, meta
from seethink.sources.published.dataset import Files, Published, as_json, found
from seethink.sources.rows import Row
from seethink.types import Example, InputError

OVDEVAL_SPLITS = (
    *("celebrity", "logo", "landmark", "color", "material", "position", "relationship", "negation"),
)
_NUMPY = {"_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer"}


def _example(row: Row, files: Files) -> Example:
    image, labels, boxes = columns(row, "image", "labels", "boxes")
    question = (
        f"Find all of these in the picture: {'; '.join(labels)}. Answer with a JSON list of "
        '{"bbox_2d": [x1, y1, x2, y2], "label": "..."}; if there is nothing to find, answer None.'
    )
    answer = boxed(row, [corners for corners, _ in boxes], [label for _, label in boxes])
    return Example("", question, (files.picture(row, image),), answer, meta=meta(row, "crowds"))


def _corners(row: Row, told: Any) -> list[float]:
    """`[x, y, width, height]`, perhaps inside an array of one, as corners."""
    told = getattr(told, "tolist", lambda: told)()
    told = told[0] if isinstance(told, list) and len(told) == 1 else told
    if not isinstance(told, Sequence) or len(told) != 4:
        row.refuse(f"bbox must be [x, y, width, height], not {told!r:.40}; copy the annotations as published")
    x, y, width, height = map(float, told)
    return [x, y, x + width, y + height]


@dataclass(frozen=True)
class Coco:
    """A row for each picture of a COCO annotation file; all its categories are asked for.

    Crowd regions are no single objects: COCO's own measure leaves them out, and so do we; the row counts
    them.
    """

    annotations: str
    pictures: str

    def __call__(self, source: str, split: str) -> list[Row]:
        (file, *_) = found(Path(source), split, self.annotations)
        held = as_json(file)
        for part in ("images", "annotations", "categories"):
            if not isinstance(held, dict) or not isinstance(held.get(part), list):
                raise InputError(f"{file} has no list {part!r}; it must be a COCO annotation file")
        with _records(file):
            names = {category["id"]: category["name"] for category in held["categories"]}
            marked = _grouped(held["annotations"], "image_id")
            return [
                self._row(file, number, image, names, marked[image["id"]], split)
                for number, image in enumerate(held["images"], 1)
            ]

    def _row(self, file: Path, number: int, image: dict, names: dict, marked: list[dict], split: str) -> Row:
        row = Row(file, number, image)
        boxes = [
            (_corners(row, mark["bbox"]), names[mark["category_id"]])
            for mark in marked
            if not mark.get("iscrowd")
        ]
        values = {
            "image": f"{self.pictures.format(split=split)}/{image['file_name']}",
            "labels": list(names.values()),
            "boxes": boxes,
            "crowds": len(marked) - len(boxes),
        }
        return Row(file, number, values)


def _d3(source: str, split: str) -> list[Row]:
    """A row for each picture, asked about the sentences of its own group (the authors' intra-group setting).

    split: `full`, or `pres` and `abs` for the sentences of presence or absence alone.
    """
    folder = Path(source)
    images, annotations, sentences, groups = (
        _plain_pickle(found(folder, split, f"{name}.pkl")[0])
        for name in ("images", "annotations", "sentences", "groups")
    )
    with _records(folder):
        asked = {i: told for i, told in sentences.items() if split in ("full", _kind(told))}
        rows = []
        for number, image in enumerate(images.values(), 1):
            row = Row(folder / "images.pkl", number, image)
            inner = [i for i in groups[image["group_id"]]["inner_sent_id"] if i in asked]
            boxes = [
                (_corners(row, annotations[mark]["bbox"]), asked[i]["raw_sent"])
                for mark in image["anno_id"]
                for i in annotations[mark]["sent_id"]
                if i in inner
            ]
            labels = [asked[i]["raw_sent"] for i in inner]
            if labels:  # a group without sentences of absence asks nothing in that split
                path = f"d3_images/{image['file_name']}"
                rows.append(Row(row.file, number, {"image": path, "labels": labels, "boxes": boxes}))
        return rows


def _kind(sentence: Mapping[str, Any]) -> str:
    return "abs" if sentence["is_negative"] else "pres"


@contextmanager
def _records(file: Path) -> Iterator[None]:
    """A record without one of its fields, or one that names another that is not there, is a clear error."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: a record lacks or misnames {error}; copy the annotations anew") from error


class _Plain(pickle.Unpickler):
    """Lists, dicts, texts, numbers and numpy's arrays; a pickle that asks for anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0] == "numpy" and name in _NUMPY) or (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _plain_pickle(file: Path) -> dict[int, dict]:
    try:
        with file.open("rb") as opened:
            held = _Plain(opened).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise InputError(f"{file} is not D3's annotation ({error}); copy d3_pkl.zip anew") from error
    if not isinstance(held, dict):
        raise InputError(f"{file} must hold a dict of numbered records; copy d3_pkl.zip anew")
    return held


def _grouped(rows: Iterable[dict], name: str) -> dict[Any, list[dict]]:
    held: dict[Any, list[dict]] = defaultdict(list)
    for row in rows:
        held[row[name]].append(row)
    return held


DETECTION = (
    Published(
        "coco",
        "COCO 2017 detection",
        "https://cocodataset.org",
        "CC BY 4.0 (annotations)",
        {"val2017": 5_000, "train2017": "unknown"},
        ("boxes",),
        Coco("instances_{split}.json", "{split}"),
        _example,
        "annotations/instances_{split}.json, {split}/",
    ),
    Published(
        "ovdeval",
        "OVDEval, eight kinds of label",
        "https://huggingface.co/datasets/omlab/OVDEval",
        "openrail",
        dict.fromkeys(OVDEVAL_SPLITS, "unknown"),
        ("boxes",),
        Coco("{split}.json", "{split}"),
        _example,
        "{split}.json, {split}/",
    ),
    Published(
        "d3",
        "D3, described objects",
        "https://github.com/shikras/d-cube",
        "unknown",
        dict.fromkeys(("full", "pres", "abs"), "unknown"),
        ("boxes",),
        _d3,
        _example,
        "d3_images/, and d3_pkl/ with images, annotations, sentences and groups",
    ),
)
