"""Grounding data sets: one expression, one box, in VLM-R1's copies, whose boxes are in original pixels."""

from __future__ import annotations

from seethink.sources.published.columns import (
    boxed,
    columns,
    corners_in,
    meta,
    solution,
    text,
    turns,
    unmarked,
)
from seethink.sources.published.dataset import MediaFiles, PublishedDataset, TableReader
from seethink.sources.row_reader import Row
from seethink.types import Example

ARCHIVE = "https://huggingface.co/datasets/omlab/VLM-R1"


def _expression(row: Row, files: MediaFiles) -> Example:
    """Evaluation rows `image problem solution`, or training rows with conversations."""
    (image,) = columns(row, "image")
    if "conversations" in row.values:
        question, answer = turns(row)
        corners = corners_in(row, solution(row, answer)[1])
    else:
        question, (corners,) = text(row, "problem"), columns(row, "solution")
    return Example(
        "",
        unmarked(question),
        (files.picture(row, image),),
        boxed(row, [corners]),
        meta=meta(row, "normal_caption"),
    )


def _rec(
    name: str, title: str, file: str, licence: str, splits: tuple[str, ...], pictures: str
) -> PublishedDataset:
    return PublishedDataset(
        name,
        title,
        ARCHIVE,
        licence,
        dict.fromkeys(splits, "unknown"),
        ("box_iou",),
        TableReader((f"{file}.json", f"{file}.jsonl")),
        _expression,
        f"{file}.json (or .jsonl) of rec_jsons_processed.zip, {pictures}",
    )


COCO = "CC BY 4.0 (COCO's annotations)"
GROUNDING = (
    _rec("refcoco", "RefCOCO", "refcoco_{split}", COCO, ("val", "train"), "train2014/"),
    _rec("refcoco_plus", "RefCOCO+", "refcocop_{split}", COCO, ("val", "train"), "train2014/"),
    _rec("refcocog", "RefCOCOg", "refcocog_{split}", COCO, ("val", "train"), "train2014/"),
    _rec("lisa_grounding", "LISA-Grounding", "lisa_{split}", "unknown", ("test",), "lisa_test.zip"),
    _rec("refgta", "RefGTA, a sample", "refgta_{split}", "unknown", ("subsample",), "refgta.zip"),
)
