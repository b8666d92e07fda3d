"""Rows of metrics.jsonl read and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest


def jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def assert_like(row: Mapping[str, Any], other: Mapping[str, Any], why: str = "", **tolerance: float) -> None:
    """Numbers are equal within a tolerance; what was not measured in one was not in the other."""
    numbers, others = (
        {name: value for name, value in one.items() if value is not None} for one in (row, other)
    )
    assert row.keys() - numbers.keys() == other.keys() - others.keys(), why
    assert numbers == pytest.approx(others, **tolerance), why
