"""A table of answers of no known tool, whose columns the user names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.importers.answers import (
    ImportedAnswer,
    ImportedFile,
    NamedColumns,
    choices_in,
    conversation,
    flat,
    gold_in,
    number_in,
    picture_in,
    prediction_in,
    rows_read,
    text_in,
)
from seethink.evaluate.importers.files import OpenedFile
from seethink.types import InputError

_QUESTION = ("question", "query", "problem", "prompt", "input", "instruction", "messages", "conversations")
_GOLD = (
    *("answer", "gold", "target", "ground_truth", "label", "solution", "labels", "gt", "gts", "reference"),
    *("gold_answer", "gt_answer", "correct_answer", "answers", "expected"),
)


def answers(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """An answer for each row, from the column that `--prediction-column` names. Raises InputError for a named
    column that is not there."""
    for option, name in vars(columns).items():
        if option != "filter" and name and name not in file.columns:
            raise InputError(
                f"{file.path} has no column {name!r} for --{option}-column; it has "
                f"{', '.join(sorted(file.columns))}"
            )
    found = rows_read(file.placed, lambda row, where: [_answer(row, where, file.path.parent, columns)])
    return ImportedFile("a table", file.path.stem, found)


def _answer(row: Mapping[str, Any], where: str, root: Path, columns: NamedColumns) -> ImportedAnswer:
    question = row.get(columns.question) if columns.question else _first(row, _QUESTION)
    asked = conversation(question if isinstance(question, list) else text_in(question) or "", root, where)
    gold = row.get(columns.answer) if columns.answer else _first(row, _GOLD)
    options, unread = choices_in(row)
    text, refused = prediction_in(row.get(columns.prediction))
    picture = picture_in(row.get("image"), root, where)
    score = number_in(row.get(columns.score)) if columns.score else None
    return ImportedAnswer(
        where=where,
        text=text,
        question=asked.question,
        prompt=asked.prompt,
        pictures=asked.pictures if picture is None else (picture,),
        gold=gold_in(gold),
        choices=options,
        number=text_in(row.get("id")) or "",
        reported={} if score is None else {columns.score: score},
        refused=refused,
        unread=unread,
        columns=flat(row),
    )


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)
