"""Rows of a user's data file: JSONL, a JSON array, CSV, TSV, parquet, or a saved `datasets` folder."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from seethink.media import signatures
from seethink.sources import image_folder, openai_rows
from seethink.types import InputError

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
    suffix = _plain(path).suffix
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path} has no known suffix; give a file of {', '.join(SUFFIXES)}, or a saved dataset"
        )
    if suffix == ".jsonl":
        return _json_lines(path)
    reader = {".parquet": _parquet_rows, ".json": _json_array}.get(suffix, _table_rows)
    return _numbered(path, reader(path))


def _plain(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == ".gz" and ".parquet" not in path.suffixes else path


def _only_file_in(folder: Path) -> Path:
    """The data file of a folder; the metadata file of an image folder may be a level below, or beside it."""
    files = [file for file in sorted(folder.iterdir()) if _plain(file).suffix in SUFFIXES and file.is_file()]
    files = [file for file in files if file.name not in DESCRIPTIONS]
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
    if isinstance(value, dict) and not (fault := value_fault(value)):
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


class RepeatedKey(dict[str, Any]):
    """A JSON object in which `key` occurs more than once."""

    key = ""


def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The `object_pairs_hook` of every row: the object, as `RepeatedKey` where a key is given twice."""
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    names = [name for name, _ in pairs]
    repeated = RepeatedKey(values)
    repeated.key = next(name for name in names if names.count(name) > 1)
    return repeated


def value_fault(value: Any) -> tuple[str, str] | None:
    """(kind, message) of what no row may contain at any depth: a key given twice, of which JSON keeps the
    last, and a lone surrogate, which is no character and which no tokenizer and no file takes. A list that is
    written as a text is looked into."""
    waiting = [value]
    while waiting:  # not by recursion: JSON may be deeper than Python's stack
        one = waiting.pop()
        if isinstance(one, str):
            if not one.isascii() and (half := _SURROGATE.search(one)):
                return "broken text", f"{one!r:.40} contains U+{ord(half[0]):04X}, {_HALF}"
            if one.startswith(("[", "{")) and "\\u" in one:
                waiting.append(_read_json(one))
        elif isinstance(one, RepeatedKey):
            return "layout", f"the key {one.key!r:.40} is given twice; keep one"
        elif isinstance(one, dict):
            waiting += [*reversed(one.values()), *reversed(one)]
        elif isinstance(one, list | tuple):
            waiting += reversed(one)
    return None


def _read_json(text: str) -> Any:
    """The value of a JSON text; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = "half of a character; restore the lost half"


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
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark, as spreadsheets write it."""
    encoding = "UTF-8"
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "UTF-16"
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not {encoding} text (byte {error.start}); save it as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; copy the file again") from error


def _parsed(text: str, path: Path, first_line: int, fix: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=as_object)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(
            f"{path}, line {line}, column {error.colno}: not JSON ({error.msg}); {fix}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}, line {first_line}: JSON cannot be read ({error}); {fix}") from error


def _table_rows(path: Path) -> list[Any]:
    """Rows of a CSV or TSV by the column names of its first line, without empty cells; None for an empty
    line. A CSV is separated by what Excel's line `sep=;` says, or else by what its first line has most of:
    commas, semicolons or tabs."""
    csv.field_size_limit(sys.maxsize)  # a cell can be a whole picture
    text = _text(path)
    if told := _SEPARATED_BY.match(text):
        text = text[told.end() :]
    head = _QUOTED.sub("", text.lstrip().partition("\n")[0])
    commonest = max(",;\t", key=head.count)
    separator = told[1] if told else "\t" if _plain(path).suffix == ".tsv" else commonest
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
