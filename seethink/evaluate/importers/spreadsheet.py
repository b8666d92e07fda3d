"""Rows of the only sheet of an .xlsx file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from seethink.evaluate.importers.archive import Archive
from seethink.types import InputError

MAX_CELL_CHARACTERS = 32_767
"""Excel's longest cell: writers cut longer texts without a word."""
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def sheet_rows(archive: Archive) -> list[tuple[int, dict[str, Any]]]:
    """(row number, {column: text, number or truth value}) of each row below the first, which has the names of
    the columns; empty cells and errors of formulas are left out.

    Raises InputError for a workbook with several sheets, and for a file that openpyxl cannot read.
    """
    import openpyxl

    archive.check_sizes()
    try:
        book = openpyxl.load_workbook(archive.path, read_only=True, data_only=True)
        sheets = [_rows(sheet) for sheet in book.worksheets]
    except Exception as error:  # openpyxl has no error of its own for what is broken inside
        raise InputError(f"{archive.path} is no whole spreadsheet ({error}); save the file again") from error
    if len(sheets) != 1:
        raise InputError(f"{archive.path} has {len(sheets)} sheets; save the one with the answers alone")
    (_, head), *rows = sheets[0] or [(1, {})]
    return [(number, {str(head[c]): value for c, value in row.items() if c in head}) for number, row in rows]


def _rows(sheet: Any) -> list[tuple[int, dict[int, Any]]]:
    """(row number, {column: value}) of the rows with any value."""
    sheet.reset_dimensions()  # some writers give the size of an empty sheet
    rows = ((number, _values(cells)) for number, cells in enumerate(sheet.iter_rows(), 1))
    return [(number, values) for number, values in rows if values]


def _values(cells: Iterable[Any]) -> dict[int, Any]:
    return {
        column: _plain(cell.value)
        for column, cell in enumerate(cells)
        if cell.value is not None and cell.data_type != "e"
    }


def _plain(value: Any) -> Any:
    """Whole numbers as int, dates as text; `_x000D_` in a text is a carriage return."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (bool, int, float)):
        return value
    return _ESCAPE.sub(lambda code: chr(int(code[1], 16)), str(value))
