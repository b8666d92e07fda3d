"""Lists and objects that cells of tables hold as text."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from typing import Any


def listed(value: Any) -> Any:
    """The list that a text is, as JSON or as Python source, the ways in which tables hold lists; any other
    value unchanged."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    found = (evaluated(json.loads, value), evaluated(ast.literal_eval, value.strip()))
    return next((one for one in found if isinstance(one, list)), value)


def as_mapping(value: Any, python: bool = False) -> Mapping[str, Any] | None:
    """An object, or the one that a text holds as JSON, or as Python source with `python`; None for anything
    else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        found = evaluated(json.loads, value)
        value = evaluated(ast.literal_eval, value.strip()) if found is None and python else found
    return value if isinstance(value, Mapping) else None


def evaluated(read: Callable[[str], Any], text: str) -> Any:
    """What `read` makes of a text; None if it is not of its syntax."""
    try:
        return read(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
