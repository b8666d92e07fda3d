"""What makes two pieces of work the same work: a key of their settings, data, verifiers and models.

A key is the sha256 of canonical JSON: equal in every process, changed by whatever could change the outcome.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from seethink import verify
from seethink.types import Task


@runtime_checkable
class Keyed(Protocol):
    """Media, artefacts: whatever brings its own identity."""

    @property
    def key(self) -> str: ...


def digest(value: Any) -> str:
    return hashlib.sha256(
        json.dumps(plain(value), sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def plain(value: Any) -> Any:
    """`value` as JSON, told completely: dataclasses with the name of their class, keyed things by their key.

    Raises TypeError for an object that shows only its address: it would be another one in the next process.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Keyed):
        return value.key
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(part) for part in value), key=repr)
    if is_dataclass(value):
        told = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"class": type(value).__name__, **told}
    shown = repr(value)
    if " at 0x" in shown:
        raise TypeError(f"{shown} has no identity; give its class a __repr__ that tells its content")
    return shown


def of_sequence(items: Sequence[Any]) -> str:
    """The digest of examples or lessons; no picture is loaded.

    A sequence too long to walk brings an attribute `identity`; that and its length are used instead.
    """
    told = getattr(items, "identity", None)
    return digest(list(items)) if told is None else digest({"identity": told, "length": len(items)})


def of_task(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "questions": len(task.examples),
        "examples": of_sequence(task.examples),
        "format": plain(task.format),
        "verifier": plain(verify.describe(task.verifier)),
        "headline": task.headline,
    }


def of_folder(folder: Path, content: bool) -> str:
    """The digest of a model's folder: its files' content, or, for gigabytes, their names, sizes and times."""

    def told(file: Path) -> Any:
        if content or file.name == "config.json":
            return hashlib.sha256(file.read_bytes()).hexdigest()
        stat = file.stat()
        return [stat.st_size, stat.st_mtime_ns]

    return digest({file.name: told(file) for file in sorted(folder.iterdir()) if file.is_file()})
