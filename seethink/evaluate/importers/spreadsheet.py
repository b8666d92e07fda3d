"""Rows of the only sheet of an .xlsx file, as pandas writes them.

Not read by openpyxl: it yields an empty row for each number up to the last that a file names, however large,
loses a text that begins with "=", and decodes escapes of texts that were escaped.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError, iterparse

from seethink.evaluate.importers.archive import Archive
from seethink.types import InputError

MAX_CELL_CHARACTERS = 32_767
"""Excel's longest cell: writers cut longer texts without a word."""
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_REFERENCE = re.compile(r"([A-Z]{1,3})\d*")


def sheet_rows(archive: Archive) -> list[tuple[int, dict[str, Any]]]:
    """(row number, {column: text or number}) of each row below the first, which has the names of the columns;
    empty cells are left out.

    A formula that no spreadsheet has computed is a text that begins with "=": writers take a prediction such
    as "= 42" for one, and store no value or 0 with it. Raises InputError for a workbook with several sheets,
    for two columns of the same name, and for XML with a DOCTYPE, which no writer writes.
    """
    sheets = sorted(name for name in archive.names if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name))
    if len(sheets) != 1:
        raise InputError(f"{archive.path} has {len(sheets)} sheets; save the one with the answers alone")
    shared: list[str] = []
    if "xl/sharedStrings.xml" in archive.names:
        shared = [_text(item) for item in _elements(archive, "xl/sharedStrings.xml", "si")]
    names: dict[int, str] = {}
    rows: list[tuple[int, dict[str, Any]]] = []
    for i, row in enumerate(_elements(archive, sheets[0], "row"), 1):
        cells = dict(_cells(row, shared, archive))
        if not names:
            names = {column: str(value) for column, value in cells.items()}
            if twice := [name for name, n in Counter(names.values()).items() if n > 1]:
                raise InputError(f"{archive.path} has the column {twice[0]!r} twice; rename one of them")
        else:
            number = int(row.get("r") or i)
            rows.append((number, {names[c]: value for c, value in cells.items() if c in names}))
    return rows


def _elements(archive: Archive, name: str, tag: str) -> Iterator[Element]:
    """The elements of a tag, one at a time; what was read is dropped."""
    content = archive.read(name)
    if b"<!DOCTYPE" in content[:4096] or b"<!ENTITY" in content:
        raise InputError(f"{archive.path}: {name} defines entities, which no spreadsheet does; save it again")
    try:
        for _, element in iterparse(io.BytesIO(content)):
            if element.tag == f"{_MAIN}{tag}":
                yield element
                element.clear()
    except ParseError as error:
        raise InputError(f"{archive.path}: {name} is no XML ({error}); save the file again") from error


def _cells(row: Element, shared: list[str], archive: Archive) -> Iterator[tuple[int, Any]]:
    """(column, value) of the cells that are not empty."""
    column = -1
    for cell in row.iter(f"{_MAIN}c"):
        reference = _REFERENCE.match(cell.get("r") or "")
        column = _column(reference[1]) if reference else column + 1
        kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v")
        formula = cell.findtext(f"{_MAIN}f")
        if formula and value in (None, "", "0"):
            yield column, f"={formula}"
        elif kind == "inlineStr":
            yield column, _text(cell)
        elif value is None or kind == "e":
            continue
        elif kind == "s":
            if not value.isdigit() or int(value) >= len(shared):
                raise InputError(
                    f"{archive.path}: a cell names text {value}, which is not there; save it again"
                )
            yield column, shared[int(value)]
        elif kind in ("str", "d"):
            yield column, value
        else:
            number = float(value)
            yield column, number == 1 if kind == "b" else int(number) if number.is_integer() else number


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def _text(element: Element) -> str:
    """The text of a string item, without phonetic readings; `_x000D_` is a carriage return."""
    read = {id(text) for part in element.iter(f"{_MAIN}rPh") for text in part.iter(f"{_MAIN}t")}
    texts = "".join(t.text or "" for t in element.iter(f"{_MAIN}t") if id(t) not in read)
    return _ESCAPE.sub(lambda code: chr(int(code[1], 16)), texts)
