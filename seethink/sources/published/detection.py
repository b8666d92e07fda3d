"""Detection data sets: all boxes of several labels, in the layouts of COCO, OVDEval and D3."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.sources.published.columns import boxed, columns, meta
from seethink.sources.published.dataset import MediaFiles, PublishedDataset, find_files, read_json
from seethink.sources.row_reader import Row
from seethink.types import Example, InputError

OVDEVAL_SPLITS = (
    *("celebrity", "logo", "landmark", "color", "material", "position", "relationship", "negation"),
)
_NUMPY = {"_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer"}


def _example(row: Row, files: MediaFiles) -> Example:
    image, labels, boxes = columns(row, "image", "labels", "boxes")
    question = (
        f"Find all of these in the picture: {'; '.join(labels)}. Answer with a JSON list of "
        '{"bbox_2d": [x1, y1, x2, y2], "label": "..."}; if there is nothing to find, answer None.'
    )
    answer = boxed(row, [corners for corners, _ in boxes], [label for _, label in boxes])
    return Example("", question, (files.picture(row, image),), answer, meta=meta(row, "crowds"))


def _corners(row: Row, bbox: Any) -> list[float]:
    """[x1, y1, x2, y2] of `[x, y, width, height]`, which may be nested in a list of one."""
    bbox = getattr(bbox, "tolist", lambda: bbox)()
    bbox = bbox[0] if isinstance(bbox, list) and len(bbox) == 1 else bbox
    if not isinstance(bbox, Sequence) or len(bbox) != 4:
        row.refuse(f"bbox must be [x, y, width, height], not {bbox!r:.40}; copy the annotations as published")
    x, y, width, height = map(float, bbox)
    return [x, y, x + width, y + height]


@dataclass(frozen=True)
class CocoReader:
    """Reader of a COCO annotation file: one row per picture, with all categories of the file as labels.

    Crowd regions are excluded, as in COCO's own evaluation, and counted in the column `crowds`.
    """

    annotations: str
    pictures: str

    def __call__(self, source: str, split: str) -> list[Row]:
        (file, *_) = find_files(Path(source), split, self.annotations)
        content = read_json(file)
        for part in ("images", "annotations", "categories"):
            if not isinstance(content, dict) or not isinstance(content.get(part), list):
                raise InputError(f"{file} has no list {part!r}; give a COCO annotation file")
        with _records(file):
            names = {category["id"]: category["name"] for category in content["categories"]}
            annotations = _grouped(content["annotations"], "image_id")
            return [
                self._row(file, number, image, names, annotations[image["id"]], split)
                for number, image in enumerate(content["images"], 1)
            ]

    def _row(
        self, file: Path, number: int, image: dict, names: dict, annotations: list[dict], split: str
    ) -> Row:
        row = Row(file, number, image)
        boxes = [
            (_corners(row, mark["bbox"]), names[mark["category_id"]])
            for mark in annotations
            if not mark.get("iscrowd")
        ]
        values = {
            "image": f"{self.pictures.format(split=split)}/{image['file_name']}",
            "labels": list(names.values()),
            "boxes": boxes,
            "crowds": len(annotations) - len(boxes),
        }
        return Row(file, number, values)


def _d3(source: str, split: str) -> list[Row]:
    """One row per picture of D3, with the sentences of its group as labels (the authors' intra-group
    setting).

    split: `full`, `pres` (sentences of presence only) or `abs` (sentences of absence only).
    """
    folder = Path(source)
    images, annotations, sentences, groups = (
        _plain_pickle(find_files(folder, split, f"{name}.pkl")[0])
        for name in ("images", "annotations", "sentences", "groups")
    )
    with _records(folder):
        labelled = {i: text for i, text in sentences.items() if split in ("full", _kind(text))}
        rows = []
        for number, image in enumerate(images.values(), 1):
            row = Row(folder / "images.pkl", number, image)
            inner = [i for i in groups[image["group_id"]]["inner_sent_id"] if i in labelled]
            boxes = [
                (_corners(row, annotations[mark]["bbox"]), labelled[i]["raw_sent"])
                for mark in image["anno_id"]
                for i in annotations[mark]["sent_id"]
                if i in inner
            ]
            labels = [labelled[i]["raw_sent"] for i in inner]
            if labels:  # a group may have no sentence of absence
                path = f"d3_images/{image['file_name']}"
                rows.append(Row(row.file, number, {"image": path, "labels": labels, "boxes": boxes}))
        return rows


def _kind(sentence: Mapping[str, Any]) -> str:
    return "abs" if sentence["is_negative"] else "pres"


@contextmanager
def _records(file: Path) -> Iterator[None]:
    """Turn a missing field or a dangling reference in the annotations into an InputError."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: a record lacks or misnames {error}; copy the annotations again") from error


class _Plain(pickle.Unpickler):
    """Unpickler of lists, dicts, texts, numbers and numpy arrays; raises UnpicklingError for any other
    class."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0] == "numpy" and name in _NUMPY) or (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it contains {module}.{name}")


def _plain_pickle(file: Path) -> dict[int, dict]:
    try:
        with file.open("rb") as opened:
            content = _Plain(opened).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise InputError(f"{file} is not D3's annotation ({error}); copy d3_pkl.zip again") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} must be a dict of numbered records; copy d3_pkl.zip again")
    return content


def _grouped(rows: Iterable[dict], name: str) -> dict[Any, list[dict]]:
    groups: dict[Any, list[dict]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups


DETECTION = (
    PublishedDataset(
        "coco",
        "COCO 2017 detection",
        "https://cocodataset.org",
        "CC BY 4.0 (annotations)",
        {"val2017": 5_000, "train2017": "unknown"},
        ("boxes",),
        CocoReader("instances_{split}.json", "{split}"),
        _example,
        "annotations/instances_{split}.json, {split}/",
    ),
    PublishedDataset(
        "ovdeval",
        "OVDEval, eight kinds of label",
        "https://huggingface.co/datasets/omlab/OVDEval",
        "openrail",
        dict.fromkeys(OVDEVAL_SPLITS, "unknown"),
        ("boxes",),
        CocoReader("{split}.json", "{split}"),
        _example,
        "{split}.json, {split}/",
    ),
    PublishedDataset(
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
