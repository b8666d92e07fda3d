"""The rows of a user's file, whatever its kind: JSONL, a JSON array, parquet, or a saved dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from seethink.types import InputError

SUFFIXES = (".jsonl", ".json", ".parquet")


@dataclass(frozen=True)
class Row:
    """One row as it stands in its file; `number` counts from 1 (in .jsonl it is the line)."""

    file: Path
    number: int
    values: Mapping[str, Any]

    def refuse(self, fault: str, cause: Exception | None = None) -> NoReturn:
        raise InputError(f"{self.file}, row {self.number}: {fault}") from cause


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file, or of the only data file in a folder. Raises InputError naming file and place."""
    if path.is_dir() and not (path / "state.json").is_file():
        path = _only_file_in(path)
    if path.is_dir():
        return _numbered(path, _saved_rows(path))
    if not path.is_file():
        raise InputError(f"there is no data at {path}")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is of no known kind; give one of {', '.join(SUFFIXES)}, or a saved dataset")
    if path.suffix == ".jsonl":
        return _json_lines(path)
    return _numbered(path, _parquet_rows(path) if path.suffix == ".parquet" else _json_array(path))


def _only_file_in(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    files = [file for file in files if file.stem == "data"] or files
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or f"no {', '.join(SUFFIXES)} file"
        raise InputError(f"{folder} must hold one data file, but holds {found}; name the file itself")
    return files[0]


def _numbered(file: Path, values: Iterable[Any]) -> Iterator[Row]:
    for number, value in enumerate(values, 1):
        yield _row(file, number, value)


def _row(file: Path, number: int, value: Any) -> Row:
    row = Row(file, number, value if isinstance(value, dict) else {})
    if not isinstance(value, dict):
        row.refuse(f"must be an object of named columns, not {value!r:.40}")
    return row


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield _row(path, number, _parsed(line, path, number, "every line must hold one JSON object"))


def _json_array(path: Path) -> list[Any]:
    rows = _parsed(_text(path), path, 1, "a .json file holds one array of rows, a .jsonl file one row a line")
    if not isinstance(rows, list):
        raise InputError(f"{path} must hold an array of rows, not one {type(rows).__name__}")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _parsed(text: str, path: Path, first_line: int, mend: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(
            f"{path}, line {line}, column {error.colno}: not JSON ({error.msg}); {mend}"
        ) from error


def _parquet_rows(path: Path) -> list[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error


def _saved_rows(folder: Path) -> list[Any]:
    """A folder that `datasets.Dataset.save_to_disk` wrote; pictures stay encoded."""
    import datasets

    table: Any = datasets.Dataset.load_from_disk(str(folder)).with_format("arrow")[:]
    return table.to_pylist()
