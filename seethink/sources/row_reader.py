"""Rows of a user's data file: JSONL, a JSON array, CSV, TSV, parquet, or a saved `datasets` folder."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from seethink.media import signatures
from seethink.sources import image_folder, json_rows, openai_rows
from seethink.types import InputError

LINES = (".jsonl", ".ndjson")
SUFFIXES = (".jsonl", ".json", ".parquet", ".tsv", ".csv")
"""Suffixes of data files; those of texts may be followed by .gz."""
SHARED_BELOW = 64
"""A picture cell of a benchmark table up to this many characters is the index of the row that has the picture
(VLMEvalKit)."""
SHARD = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.parquet")
"""Name of a parquet shard, as `datasets` writes them to the hub."""
DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
"""JSON files that describe data."""


class RowError(InputError):
    """A fault of one row. kind: its name in `check.faults.FAULTS`. file: the medium that is missing, if that
    is the fault."""

    def __init__(self, message: str, kind: str, file: str = "") -> None:
        super().__init__(message)
        self.kind, self.file = kind, file


@dataclass(frozen=True)
class Row:
    """One row of a file, or of a folder that holds one table. number: counted from 1; in .jsonl, the line.
    values: by column. broken: the error of a line that is not a row, for `read_rows_with_errors`. wrapped_in:
    what the columns were taken out of, "image folder", "batch file" or "OpenAI pair"; in that case, given is
    the row as the file has it, and unused what was left out."""

    file: Path
    number: int
    values: Mapping[str, Any]
    broken: RowError | None = None
    wrapped_in: str = ""
    given: Mapping[str, Any] | None = None
    unused: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of the file without its suffix."""
        return _plain(self.file).stem

    def refuse(
        self, fault: str, cause: Exception | None = None, kind: str = "layout", file: str = ""
    ) -> NoReturn:
        """Raise RowError with file, row and `fault`."""
        raise RowError(f"{self.file}, row {self.number}: {fault}", kind, file) from cause


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, or of the only data file in a folder. Raises InputError with file and row."""
    for row in read_rows_with_errors(path):
        if row.broken:
            raise row.broken
        yield row


def read_rows_with_errors(path: Path) -> Iterator[Row]:
    """The same, but lines that are not rows are returned with `broken` set, so that all of them can be
    reported."""
    if shards := _shards_at(path):
        return _numbered(path, (row for shard in shards for row in _parquet_rows(shard)))
    file = _found(path)
    if file.is_dir():
        return _numbered(file, _saved_rows(file))
    if path.is_dir() and file.parent == path.parent:  # metadata above the folder of one split
        return (row for row in _file_rows(file) if row.broken or _split(row) == path.name)
    return _unmixed(file, list(_file_rows(file))) if file.name in image_folder.METADATA else _file_rows(file)


def media_folder(path: Path) -> Path:
    """The folder that paths of media start from: that of the file which `path` means, or `path` itself."""
    if _shards_at(path):
        return path if path.is_dir() else path.parent
    file = _found(path)
    return (path if path.is_dir() else path.parent) if file.is_dir() else file.parent


def _found(path: Path) -> Path:
    """The data file or the folder of a saved data set that `path` means."""
    if (path / "dataset_dict.json").is_file():
        path = _only_split(path, sorted(folder.parent.name for folder in path.glob("*/state.json")))
    return _only_file_in(path) if path.is_dir() and not (path / "state.json").is_file() else path


def _split(row: Row) -> str:
    return image_folder.split_of(row.given or {})


def _unmixed(file: Path, rows: list[Row]) -> Iterator[Row]:
    """The rows of a metadata file. Raises InputError if they are those of several splits."""
    image_folder.only_split(file, map(_split, rows))
    return iter(rows)


def _file_rows(path: Path) -> Iterator[Row]:
    if str(path).startswith("drawn:"):
        raise InputError(
            f"{path} is a drawn world and no file: it has no rows to check, show or convert; train, eval and "
            "synth take it as --data, and `seethink gallery` draws samples of all worlds"
        )
    if not path.is_file():
        raise InputError(f"there is no data at {path}")
    if why := signatures.why_no_rows(path):
        raise InputError(f"{path} has no rows: {why}")
    suffix = suffix_of(path)
    if suffix not in (*SUFFIXES, *LINES):
        raise InputError(
            f"{path} has no known suffix; give a file of {', '.join(SUFFIXES)}, or a saved dataset"
        )
    if suffix in LINES or suffix == ".json":
        return _json_rows(path, json_rows.of_lines(path) if suffix in LINES else json_rows.of_document(path))
    return _numbered(path, (_parquet_rows if suffix == ".parquet" else _table_rows)(path))


def _plain(path: Path) -> Path:
    packed = path.suffix.lower() == ".gz" and ".parquet" not in path.suffixes
    return path.with_suffix("") if packed else path


def suffix_of(path: Path) -> str:
    """The suffix that says what a file is, in small letters and without .gz."""
    return _plain(path).suffix.lower()


def _only_file_in(folder: Path) -> Path:
    """The data file of a folder; the metadata file of an image folder may be a level below, or beside it."""
    files = [file for file in sorted(folder.iterdir()) if suffix_of(file) in (*SUFFIXES, *LINES)]
    files = [file for file in files if file.is_file() and file.name not in DESCRIPTIONS]
    files = [file for file in files if _plain(file).stem == "data"] or files
    if not files:
        files = image_folder.metadata_below(folder)
        if len(folders := {file.parent for file in files}) > 1:
            raise InputError(
                f"{folder} has the metadata files {', '.join(map(str, files))}; name the folder of one of "
                f"them, as in {max(folders)}"
            )
    if not files:
        if above := image_folder.metadata_above(folder):
            return above
        image_folder.refuse_without_questions(folder)
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or f"no {', '.join(SUFFIXES)} file"
        raise InputError(f"{folder} must contain one data file, but has {names}; give the path of the file")
    return files[0]


# Folders --------------------------------------------------------------------------------------------------


def _shards_at(path: Path) -> list[Path]:
    """The parquet shards of a folder with one split, or of the split that `path` names in its folder:
    `data/train` for `data/train-00000-of-00002.parquet`. Empty if there are none."""
    if path.is_dir():
        splits = _shards_in(path) or _shards_in(path / "data")
        name = _only_split(path, sorted(splits)).name if splits else ""
        return splits.get(name) or next(iter(splits.values()), [])
    if path.exists():
        return []
    return (_shards_in(path.parent) or _shards_in(path.parent / "data")).get(path.name, [])


def _shards_in(folder: Path) -> dict[str, list[Path]]:
    """{split: its shards in order}. Raises InputError if one is missing."""
    splits: dict[str, list[Path]] = {}
    for match in filter(None, (SHARD.fullmatch(file.name) for file in sorted(folder.glob("*.parquet")))):
        splits.setdefault(match["split"], []).append(folder / match[0])
    for split, files in splits.items():
        count = int(files[0].name.rpartition("-")[2].removesuffix(".parquet"))
        names = [f"{split}-{number:05}-of-{count:05}.parquet" for number in range(count)]
        if [file.name for file in files] != names:
            raise InputError(f"{folder} has {len(files)} of the {count} shards of {split}; copy all of them")
    return splits


def _only_split(folder: Path, splits: list[str]) -> Path:
    """The path of the only split. Raises InputError if there are several: one must be named."""
    if len(splits) != 1:
        one = "train" if "train" in splits else next(iter(splits), "")
        advice = f"name one of them, as in {folder / one}" if one else "give the path of a file"
        raise InputError(f"{folder} has the splits {', '.join(splits) or 'none'}; {advice}")
    return folder / splits[0]


def _saved_rows(folder: Path) -> list[Any]:
    """Rows of a folder written by `datasets.Dataset.save_to_disk`; pictures stay encoded."""
    import datasets

    table: Any = datasets.Dataset.load_from_disk(str(folder)).with_format("arrow")[:]
    return table.to_pylist()


# Files ----------------------------------------------------------------------------------------------------


def _numbered(file: Path, values: Iterable[Any]) -> Iterator[Row]:
    """None, an empty line of a table, is no row but counts as one."""
    for number, value in enumerate(values, 1):
        if value is not None:
            yield _row(file, number, value)


def _row(file: Path, number: int, value: Any) -> Row:
    if isinstance(value, RowError):
        return Row(file, number, {}, value)
    fault = ("no row", f"the row must be an object of named columns, not {value!r:.40}")
    if isinstance(value, dict) and not (fault := json_rows.value_fault(value)):
        try:
            return _unwrapped(file, number, value)
        except InputError as error:
            fault = ("layout", str(error))
    kind, message = fault
    return Row(file, number, {}, RowError(f"{file}, row {number}: {message}", kind))


def _unwrapped(file: Path, number: int, values: Mapping[str, Any]) -> Row:
    """The row in the columns of a dialect."""
    for name, unwrap in (("batch file", openai_rows.request), ("OpenAI pair", openai_rows.preference_pair)):
        if found := unwrap(values):
            return Row(file, number, found[0], wrapped_in=name, given=values, unused=found[1])
    if (row := image_folder.with_media(values)) is not None:
        return Row(file, number, row, wrapped_in="image folder", given=values)
    return Row(file, number, values)


def _json_rows(path: Path, values: Iterable[tuple[int, Any]]) -> Iterator[Row]:
    for number, value in values:
        if isinstance(value, InputError):
            yield Row(path, number, {}, RowError(str(value), "no row"))
        else:
            yield _row(path, number, value)


def _table_rows(path: Path) -> list[Any]:
    """Rows of a CSV or TSV by the column names of its first line, without empty cells; None for an empty
    line. A CSV is separated by what Excel's line `sep=;` says, or else by what its first line has most of:
    commas, semicolons or tabs."""
    csv.field_size_limit(sys.maxsize)  # a cell can be a whole picture
    text = json_rows.text(path)
    if told := _SEPARATED_BY.match(text):
        text = text[told.end() :]
    head = _QUOTED.sub("", text.lstrip().partition("\n")[0])
    commonest = max(",;\t", key=head.count)
    separator = told[1] if told else "\t" if suffix_of(path) == ".tsv" else commonest
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names, *lines = [name.strip() for name in next(table, [])], *table
    except csv.Error as error:
        raise InputError(
            f"{path}, line {table.line_num}: not a table ({error}); quote cells as a spreadsheet does"
        ) from error
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise InputError(f"{path} has the column {twice!r} twice; rename one of them")
    # a column without a name is the row index of pandas
    rows = [{name: cell for name, cell in zip(names, line, strict=False) if name and cell} for line in lines]
    whole = {row.get("index"): row["image"] for row in rows if len(row.get("image", "")) > SHARED_BELOW}
    for row in rows:
        if row.get("image") in whole:
            row["image"] = whole[row["image"]]
    return [
        _too_long(path, number, names, line) or row or None
        for number, (row, line) in enumerate(zip(rows, lines, strict=True), 1)
    ]


_SEPARATED_BY = re.compile(r'"?sep=([,;\t|])"?\r?\n')
_QUOTED = re.compile(r'"[^"]*"')


def _too_long(path: Path, number: int, names: list[str], line: list[str]) -> RowError | None:
    if not any(line[len(names) :]):
        return None
    cells = f"{path}, row {number}: the row has {len(line)} cells for {len(names)} columns"
    return RowError(f"{cells}; quote the cells that contain a separator", "no row")


def _parquet_rows(path: Path) -> list[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error
