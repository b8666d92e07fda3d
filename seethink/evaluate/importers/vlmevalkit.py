"""VLMEvalKit's predictions: `MODEL_DATASET.xlsx`, .tsv or .json, with its judge's `hit` or `score`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.importers.answers import (
    ImportedAnswer,
    ImportedFile,
    NamedColumns,
    choices_in,
    flat,
    gold_in,
    number_in,
    picture_in,
    prediction_in,
    rows_read,
    text_in,
)
from seethink.evaluate.importers.files import OpenedFile
from seethink.evaluate.importers.spreadsheet import MAX_CELL_CHARACTERS
from seethink.media import Image
from seethink.sources.cells import listed
from seethink.sources.row_reader import SHARED_BELOW

_SCORES = ("hit", "score", "acc", "match", "correct")
_FAILED = "Failed to obtain answer"


def fits(file: OpenedFile) -> bool:
    return "prediction" in file.columns and bool(file.columns & {"index", "question"})


def answers(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """An answer for each row."""
    cut = [
        str(number)
        for number, row in file.rows
        if file.sheet and len(str(row.get("prediction", ""))) >= MAX_CELL_CHARACTERS
    ]
    note = (
        f"rows {', '.join(cut)}: the prediction fills a cell of {MAX_CELL_CHARACTERS:,} characters, the "
        "longest that Excel takes; what came after was cut when it was written, so use PRED_FORMAT=tsv"
    )
    return ImportedFile(
        "VLMEvalKit",
        file.path.stem,
        rows_read(file.placed, lambda row, where: [_answer(row, where, file.path.parent)]),
        notes=(note,) if cut else (),
    )


def _answer(row: Mapping[str, Any], where: str, root: Path) -> ImportedAnswer:
    text, refused = prediction_in(row.get("prediction"))
    hint = text_in(row.get("hint"))
    question = text_in(row.get("question")) or ""
    options, unread = choices_in(row)
    return ImportedAnswer(
        where=where,
        text=text,
        question=question,
        prompt=f"{hint}\n{question}" if hint else question,
        pictures=_pictures(row, root, where),
        gold=gold_in(row.get("answer")),
        choices=options,
        refused=refused,
        unread=unread,
        number=text_in(row.get("index")) or "",
        reported={name: value for name in _SCORES if (value := number_in(row.get(name))) is not None},
        failed=text if text.startswith(_FAILED) else "",
        columns=flat(row),
    )


def _pictures(row: Mapping[str, Any], root: Path, where: str) -> tuple[Image, ...] | None:
    """Those of the column `image` in base64, or of `image_path`; None where they are not there. A short text
    is the index of the row with the picture."""
    image = listed(row.get("image"))
    if isinstance(image, str) and len(image) <= SHARED_BELOW:
        image = None
    given = image or listed(row.get("image_path"))
    values = given if isinstance(given, list) else [given]
    found = [picture_in(value, root, where) for value in values]
    return None if None in found else tuple(picture for picture in found if picture is not None)
