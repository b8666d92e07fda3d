"""Identity of work: SHA-256 keys of settings, data, verifiers and models.

A key is the hash of canonical JSON. It is the same in every process, and changes with whatever could change
the outcome.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from seethink.sequences import LazySequence
from seethink.types import Task, Verifier


@runtime_checkable
class Keyed(Protocol):
    """An object with a stable text identity of its own, such as media and artefacts."""

    @property
    def key(self) -> str: ...


def digest(value: Any) -> str:
    """The SHA-256 of `plain(value)` as canonical JSON, in hexadecimal."""
    return hashlib.sha256(
        json.dumps(plain(value), sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def plain(value: Any) -> Any:
    """`value` as JSON: dataclasses with their class name and all fields that decide an outcome, keyed objects
    as their key. A field says by its metadata, {"identity": False}, that it decides none.

    Raises TypeError for an object whose repr is its memory address, which differs between processes.
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
        return {
            "class": type(value).__name__,
            **{
                f.name: plain(getattr(value, f.name))
                for f in fields(value)
                if f.metadata.get("identity", True)
            },
        }
    text = repr(value)
    if " at 0x" in text:
        raise TypeError(f"{text} has no identity; give its class a __repr__ that shows its content")
    return text


def of_sequence(items: Sequence[Any]) -> str:
    """The digest of a sequence of examples or training rows; no media is loaded.

    A `LazySequence` with an `identity` is hashed by it and its length; its items are not computed.
    """
    known = items.identity if isinstance(items, LazySequence) else None
    return digest(list(items)) if known is None else digest({"identity": known, "length": len(items)})


def of_task(task: Task) -> dict[str, Any]:
    """A task as JSON: name, digest of its examples, format, verifier, headline part."""
    return {
        "name": task.name,
        "questions": len(task.examples),
        "examples": of_sequence(task.examples),
        "format": plain(task.format),
        "verifier": plain(of_verifier(task.verifier)),
        "headline": task.headline,
    }


def of_folder(folder: Path, content: bool) -> str:
    """The digest of a model folder: file contents, or names, sizes and modification times (content=False)."""

    def state(file: Path) -> Any:
        if content or file.name == "config.json":
            return hashlib.sha256(file.read_bytes()).hexdigest()
        stat = file.stat()
        return [stat.st_size, stat.st_mtime_ns]

    return digest({file.name: state(file) for file in sorted(folder.iterdir()) if file.is_file()})


# Verifiers --------------------------------------------------------------------------------------------------

_ALWAYS_HASHED = ("seethink.verify", "seethink.boxes", "seethink.markup")
"""Packages and modules whose source counts wherever a verifier uses them."""


def of_verifier(verifier: Verifier) -> dict[str, Any]:
    """A verifier as JSON: its qualified name, the hash of the source that defines it, its fields.

    Verifiers with equal identities give equal scores. Dataclass fields with `compare=False` are left out.
    Raises ValueError for a lambda, closure or partial; use a module-level function or a frozen dataclass.
    """
    if is_dataclass(verifier) and not isinstance(verifier, type):
        names = [field.name for field in fields(verifier) if field.compare]
        return _source(type(verifier)) | {"fields": {name: _field(getattr(verifier, name)) for name in names}}
    if inspect.isfunction(verifier) and verifier.__qualname__.isidentifier():
        return _source(verifier)
    raise ValueError(f"{verifier!r} has no identity; make it a module-level function or a frozen dataclass")


def _field(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _field(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_field(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return of_verifier(value)


def _source(definition: Any) -> dict[str, Any]:
    """The qualified name of a function or class, and the hash of all modules that decide what it returns."""
    module = inspect.getmodule(definition)
    if module is None:
        raise ValueError(f"{definition!r} belongs to no module, so it has no source; define it in a file")
    sources = sorted(inspect.getsource(used) for used in _used_modules(module, set()))
    source = hashlib.sha256("".join(sources).encode()).hexdigest()
    return {"is": f"{definition.__module__}.{definition.__qualname__}", "source": source}


def _used_modules(module: ModuleType, found: set[ModuleType]) -> set[ModuleType]:
    """The module and those it uses, directly or not, of its own package or of `_ALWAYS_HASHED`."""
    found.add(module)
    for value in vars(module).values():
        used = value if inspect.ismodule(value) else sys.modules.get(getattr(value, "__module__", None) or "")
        if used and used not in found and _counts(used, module):
            _used_modules(used, found)
    return found


def _counts(used: ModuleType, module: ModuleType) -> bool:
    same_package = bool(module.__package__) and used.__package__ == module.__package__
    return same_package or used.__name__ in _ALWAYS_HASHED or used.__package__ in _ALWAYS_HASHED
