"""Tables of the pages that benchmarks and runs write into `docs/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def cell(row: Mapping[str, Any] | None) -> str:
    """A result in percent with its interval; empty where there is none."""
    if row is None or row["value"] is None:
        return ""
    value, low, high = (100 * row[name] for name in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with the columns `names`."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (names, ["---"] * len(names), *rows))
