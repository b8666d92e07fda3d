"""Rows of a user's data file: JSONL, a JSON array, TSV, parquet, or a saved `datasets` folder."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from seethink.types import InputError

SUFFIXES = (".jsonl", ".json", ".parquet", ".tsv")
SHARED_BELOW = 64
"""A picture cell of a benchmark TSV up to this many characters is the index of the row that has the picture
(VLMEvalKit)."""


class RowError(InputError):
    """A fault of one row. kind: its name in `check.faults.FAULTS`."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Row:
    """One row of a file. number: counted from 1; in .jsonl, the line. values: by column. broken: the error
    of a line that is not a row, for `read_rows_with_errors`."""

    file: Path
    number: int
    values: Mapping[str, Any]
    broken: RowError | None = None

    def refuse(self, fault: str, cause: Exception | None = None, kind: str = "layout") -> NoReturn:
        """Raise RowError with file, row and `fault`."""
        raise RowError(f"{self.file}, row {self.number}: {fault}", kind) from cause


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, or of the only data file in a folder. Raises InputError with file and row."""
    for row in read_rows_with_errors(path):
        if row.broken:
            raise row.broken
        yield row


def read_rows_with_errors(path: Path) -> Iterator[Row]:
    """The same, but lines that are not rows are returned with `broken` set, so that all of them can be
    reported."""
    if path.is_dir() and not (path / "state.json").is_file():
        path = _only_file_in(path)
    if path.is_dir():
        return _numbered(path, _saved_rows(path))
    if not path.is_file():
        raise InputError(f"there is no data at {path}")
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path} has no known suffix; give a file of {', '.join(SUFFIXES)}, or a saved dataset"
        )
    if path.suffix == ".jsonl":
        return _json_lines(path)
    reader = {".parquet": _parquet_rows, ".json": _json_array, ".tsv": _tsv_rows}[path.suffix]
    return _numbered(path, reader(path))


def _only_file_in(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    files = [file for file in files if file.stem == "data"] or files
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or f"no {', '.join(SUFFIXES)} file"
        raise InputError(f"{folder} must contain one data file, but has {names}; give the path of the file")
    return files[0]


def _numbered(file: Path, values: Iterable[Any]) -> Iterator[Row]:
    for number, value in enumerate(values, 1):
        yield _row(file, number, value)


def _row(file: Path, number: int, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(file, number, value)
    message = f"{file}, row {number}: must be an object of named columns, not {value!r:.40}"
    return Row(file, number, {}, RowError(message, "no row"))


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            try:
                value = _parsed(line, path, number, "every line must be one JSON object")
            except InputError as error:
                yield Row(path, number, {}, RowError(str(error), "no row"))
            else:
                yield _row(path, number, value)


def _json_array(path: Path) -> list[Any]:
    rows = _parsed(
        _text(path), path, 1, "a .json file is one array of rows, a .jsonl file has one row per line"
    )
    if not isinstance(rows, list):
        raise InputError(f"{path} must be an array of rows, not one {type(rows).__name__}")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _parsed(text: str, path: Path, first_line: int, fix: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(
            f"{path}, line {line}, column {error.colno}: not JSON ({error.msg}); {fix}"
        ) from error
    except RecursionError as error:
        raise InputError(f"{path}, line {first_line}: JSON is nested too deeply; {fix}") from error


def _tsv_rows(path: Path) -> list[Any]:
    """Rows by the column names of the first line, without empty cells."""
    csv.field_size_limit(sys.maxsize)  # a cell can be a whole picture
    table = csv.DictReader(_text(path).splitlines(keepends=True), delimiter="\t")
    rows = [{name: cell for name, cell in row.items() if cell not in (None, "")} for row in table]
    whole = {row.get("index"): row["image"] for row in rows if len(row.get("image", "")) > SHARED_BELOW}
    for row in rows:
        if None in row:
            row[f"beyond column {len(table.fieldnames or ())}"] = row.pop(None)
        if row.get("image") in whole:
            row["image"] = whole[row["image"]]
    return rows


def _parquet_rows(path: Path) -> list[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error


def _saved_rows(folder: Path) -> list[Any]:
    """Rows of a folder written by `datasets.Dataset.save_to_disk`; pictures stay encoded."""
    import datasets

    table: Any = datasets.Dataset.load_from_disk(str(folder)).with_format("arrow")[:]
    return table.to_pylist()
