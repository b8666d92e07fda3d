"""JSON files of rows: lines, an array, or one object that holds the rows; and what no row may contain."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.types import InputError

Numbered = tuple[int, Any]
"""Number of a row, or of its line, and its value: an InputError for a line that is not JSON."""


def of_lines(path: Path) -> Iterator[Numbered]:
    """The values of a file of lines. A file that is one array, with the suffix of lines, is read as such."""
    content = text(path)
    if content.lstrip().startswith("[") and isinstance(rows := _read_json(content, as_object), list):
        return iter(enumerate(rows, 1))
    return _of_lines(content, path)


def _of_lines(content: str, path: Path) -> Iterator[Numbered]:
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                yield number, _parsed(line, path, number, "every line must be one JSON object")
            except InputError as error:
                yield number, error


def of_document(path: Path) -> Iterator[Numbered]:
    """The values of a .json file: an array, lines (as `datasets` reads them too), or an object that holds
    rows as in `rows_in`. Raises InputError for anything else."""
    content = text(path)
    if are_lines(content):
        return _of_lines(content, path)
    fix = "a .json file is one array of rows, a .jsonl file has one row per line"
    found = _parsed(content, path, 1, fix)
    if isinstance(found, RepeatedKey):
        raise InputError(f"{path}: the key {found.key!r:.40} is given twice; keep one")
    rows = found if isinstance(found, list) else rows_in(found) if isinstance(found, Mapping) else None
    if rows is None:
        raise InputError(f"{path} must be an array of rows, not one {type(found).__name__}")
    return iter(enumerate(rows, 1))


def are_lines(content: str) -> bool:
    """Whether a text is several lines of which the first is an object of its own."""
    first, *more = content.strip().split("\n", 1)
    return bool(more) and first.startswith("{") and isinstance(_read_json(first), dict)


_OF_TURNS = ("role", "from", "type", "human", "user")
"""Keys of messages and their parts: a list of these is no list of rows."""


def rows_in(found: Mapping[str, Any]) -> list[Any] | None:
    """The rows that one object holds; None if it is no such object.

    They are its only list of objects ({"data": [...]}), its columns as lists or as objects of the same
    numbers ({"question": {"0": ...}}, as pandas writes), pandas' {"columns": [...], "data": [[...]]}, or
    objects by name ({"q1": {"question": ...}})."""
    values = list(found.values())
    names, lines = found.get("columns"), found.get("data")
    if (
        isinstance(names, list)
        and isinstance(lines, list)
        and all(_is_line(line, len(names)) for line in lines)
    ):
        return [dict(zip(names, line, strict=True)) for line in lines]
    if values and all(isinstance(value, dict) and value for value in values):
        keys = values[0].keys()
        if not all(key.isdigit() for key in keys):
            return values
        alike = all(value.keys() == keys for value in values)
        return [{name: found[name][key] for name in found} for key in keys] if alike else None
    held = [value for value in values if _are_objects(value) and not any(n in value[0] for n in _OF_TURNS)]
    if len(held) == 1:
        return list(held[0])
    alike = all(isinstance(value, list) and len(value) == len(values[0]) for value in values)
    if len(values) > 1 and alike and not all(map(_are_objects, values)):
        return [dict(zip(found, line, strict=True)) for line in zip(*values, strict=True)]
    return None


def _is_line(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


# Texts ----------------------------------------------------------------------------------------------------


def text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark, as spreadsheets write it; unpacked,
    if its name ends in .gz."""
    encoding = "UTF-8"
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "UTF-16"
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not {encoding} text (byte {error.start}); save it as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; copy the file again") from error


def _parsed(content: str, path: Path, first_line: int, fix: str) -> Any:
    try:
        return json.loads(content, object_pairs_hook=as_object)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(
            f"{path}, line {line}, column {error.colno}: not JSON ({error.msg}); {fix}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}, line {first_line}: JSON cannot be read ({error}); {fix}") from error


def _read_json(content: str, hook: Any = None) -> Any:
    """The value of a JSON text; None if it is none."""
    try:
        return json.loads(content, object_pairs_hook=hook)
    except (ValueError, RecursionError):
        return None


# Values ---------------------------------------------------------------------------------------------------


class RepeatedKey(dict[str, Any]):
    """A JSON object in which `key` occurs more than once."""

    key = ""


def as_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
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


_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = "half of a character; restore the lost half"
