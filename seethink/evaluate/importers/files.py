"""A file of answers, opened: its rows, its JSON document or its archive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seethink.evaluate.importers.archive import Archive
from seethink.evaluate.importers.spreadsheet import sheet_rows
from seethink.sources import json_rows
from seethink.sources.row_reader import LINES, read_rows, suffix_of
from seethink.types import InputError

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy", ".npz", ".joblib", ".dill")
_TABLES = (".jsonl", ".csv", ".tsv", ".parquet")
_FIRST = 50
"""Rows whose columns tell the format."""


@dataclass(frozen=True)
class OpenedFile:
    """rows: (number, {column: value}). document: the object that a .json file is. archive: a zip archive
    other than a spreadsheet. sheet: whether the rows are those of a spreadsheet."""

    path: Path
    rows: Sequence[tuple[int, Mapping[str, Any]]] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    archive: Archive | None = None
    sheet: bool = False

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names of the first rows' columns."""
        return frozenset(name for _, row in self.rows[:_FIRST] for name in row)

    @property
    def placed(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each row with file and row, for messages."""
        return ((self.where(number), row) for number, row in self.rows)

    def where(self, number: int) -> str:
        """File and row, for messages."""
        return f"{self.path}, row {number}"


def opened(path: Path) -> OpenedFile:
    """A file, told by its first bytes and its suffix. Raises InputError, for pickles too: reading one runs
    the code in it."""
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    with path.open("rb") as file:
        head = file.read(8)
    if path.suffix.lower() in PICKLES or (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05"):
        raise InputError(
            f"{path} is a pickle, and reading a pickle runs the code in it; write the same answers as JSONL, "
            "TSV or XLSX (VLMEvalKit: PRED_FORMAT=tsv)"
        )
    if head.startswith(b"PK\x03\x04"):
        archive = Archive(path)
        if "xl/workbook.xml" in archive.names:
            return OpenedFile(path, sheet_rows(archive), sheet=True)
        return OpenedFile(path, archive=archive)
    suffix = suffix_of(path)
    if suffix == ".json" and not json_rows.are_lines(content := json_rows.text(path)):
        return _document(path, content)
    if suffix not in (*_TABLES, ".json", *LINES):
        raise InputError(
            f"{path} has no known suffix; give one of {', '.join((*_TABLES, '.json', '.xlsx', '.eval'))}"
        )
    return OpenedFile(path, [(row.number, row.given or row.values) for row in read_rows(path)])


def _document(path: Path, content: str) -> OpenedFile:
    """A list of rows, one object that a tool writes, or the rows that an object holds."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}); copy the file again") from error
    if not isinstance(found, list | dict):
        raise InputError(f"{path} is neither a list of rows nor an object")
    rows = found
    if isinstance(found, dict):
        rows = None if _is_log(found) else json_rows.rows_in(found)
        if rows is None:
            return OpenedFile(path, document=found)
    bad = next((i for i, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    if bad is not None:
        raise InputError(f"{path}, row {bad}: the row must be an object of named columns")
    return OpenedFile(path, list(enumerate(rows, 1)))


def _is_log(found: Mapping[str, Any]) -> bool:
    """Whether an object is a log of inspect_ai, or the file of lmms-eval's totals or first releases."""
    return "eval" in found or isinstance(found.get("logs"), list) or isinstance(found.get("results"), dict)
