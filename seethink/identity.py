"""Identity of work: SHA-256 keys of settings, data, verifiers and models.

A key is the hash of canonical JSON. It is the same in every process, and changes with whatever could change
the outcome.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from seethink.sequences import LazySequence
from seethink.types import Task


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


def seed_of(*names: object) -> int:
    """A seed derived from names by hashing, equal in every process; 28 bits, which every server accepts."""
    return int(hashlib.sha256("/".join(map(str, names)).encode()).hexdigest()[:7], 16)


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
            **_format_source(type(value)),
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
    return digest(list(items)) if known is None else digest({"identity": known, "length": _length(items)})


def _length(items: Sequence[Any]) -> int | None:
    return items.identity_length if isinstance(items, LazySequence) else len(items)


def of_task(task: Task) -> dict[str, Any]:
    """A task as JSON: name, digest of its examples, format, verifier, headline part."""
    return {
        "name": task.name,
        "questions": _length(task.examples),
        "examples": of_sequence(task.examples),
        "format": plain(task.format),
        "verifier": plain(of_verifier(task.verifier)),
        "headline": task.headline,
        **({"environment": plain(of_verifier(task.environment))} if task.environment else {}),
    }


def of_folder(folder: Path, content: bool) -> str:
    """The digest of a model folder: file contents, or names, sizes and modification times (content=False)."""

    def state(file: Path) -> Any:
        if content or file.name == "config.json":
            return hashlib.sha256(file.read_bytes()).hexdigest()
        stat = file.stat()
        return [stat.st_size, stat.st_mtime_ns]

    return digest({file.name: state(file) for file in sorted(folder.iterdir()) if file.is_file()})


_BLOCKS, _BLOCK_BYTES = 64, 65_536


def of_weights(folder: Path) -> str:
    """The digest of a model's weights, the same wherever the folder lies: of each file of weights its name,
    its size and 64 blocks of 64 kB, evenly spaced, so that a large model is read in no time."""
    found: dict[str, list[Any]] = {}
    for file in sorted(file for kind in ("safetensors", "bin") for file in folder.glob(f"*.{kind}")):
        size, content = file.stat().st_size, hashlib.sha256()
        with file.open("rb") as weights:
            for start in sorted({max(0, size - _BLOCK_BYTES) * i // (_BLOCKS - 1) for i in range(_BLOCKS)}):
                weights.seek(start)
                content.update(weights.read(_BLOCK_BYTES))
        found[file.name] = [size, content.hexdigest()]
    return digest(found)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a model sees and says."""
    packages = ("seethink", "torch", "transformers", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


# Verifiers --------------------------------------------------------------------------------------------------

_ALWAYS_HASHED = ("seethink.verify", "seethink.boxes", "seethink.markup")
"""Packages and modules whose source counts wherever a verifier uses them."""


def of_verifier(verifier: Callable[..., Any]) -> dict[str, Any]:
    """A verifier, or an environment, as JSON: its qualified name, the hash of the source that defines it, its
    fields.

    Verifiers with equal identities give equal scores. Dataclass fields with `compare=False` are left out.
    Raises ValueError for a lambda, closure or partial; use a module-level function or a frozen dataclass.
    """
    if is_dataclass(verifier) and not isinstance(verifier, type):
        names = [field.name for field in fields(verifier) if field.compare]
        return _source(type(verifier)) | {"fields": {name: _field(getattr(verifier, name)) for name in names}}
    if inspect.isfunction(verifier) and verifier.__qualname__.isidentifier():
        return _source(verifier)
    raise ValueError(f"{_kind(verifier)} has no identity; {_MEND}")


_MEND = (
    "its source cannot be told, so a run could not say that it changed; make it a function with `def` at the "
    "top of a file, or an instance of a frozen dataclass"
)


def _kind(verifier: Any) -> str:
    """What a callable without identity is, in words."""
    if inspect.isfunction(verifier):
        within = verifier.__qualname__.partition(".")[0]
        return (
            "a lambda" if verifier.__name__ == "<lambda>" else f"{verifier.__name__}, made inside {within},"
        )
    if isinstance(verifier, type):
        return f"the class {verifier.__name__}, not an instance of it,"
    if isinstance(verifier, partial):
        return "a functools.partial"
    return f"{verifier!r:.60}, of a class that is no frozen dataclass,"


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
    sources = {inspect.getsource(used) for used in _used_modules(module, set())}
    sources |= {file.read_text(encoding="utf-8") for file in _own_files(module)}
    source = hashlib.sha256("".join(sorted(sources)).encode()).hexdigest()
    name = definition.__module__.partition("@")[0]  # what follows says where an own file lies
    return {"is": f"{name}.{definition.__qualname__}", "source": source}


@cache
def _format_source(cls: type) -> dict[str, Any]:
    """The source of a user's own class of formats; all else is known by name and fields."""
    module = inspect.getmodule(cls)
    is_own = module is not None and module.__name__.partition(".")[0] != "seethink"
    return _source(cls) if is_own and hasattr(cls, "parse") and hasattr(module, "__file__") else {}


def _own_files(module: ModuleType) -> set[Path]:
    """The files beside a module of a user's own, or in its package, that it imports anywhere in its text,
    directly or not. Those of this package are `_used_modules`."""
    top, _, _ = module.__name__.partition(".")
    if top == "seethink" or not getattr(module, "__file__", None):
        return set()
    depth = module.__name__.count(".") + hasattr(module, "__path__")
    first = Path(str(module.__file__)).resolve()
    root, found, waiting = first.parents[depth], {first}, [first]
    installed = {"site-packages", "dist-packages"} & {*root.parts}
    while waiting:
        file = waiting.pop()
        new = {
            one
            for name in _imported_names(file, root)
            if name.partition(".")[0] != "seethink" and (not installed or name.partition(".")[0] == top)
            for one in (root / f"{name.replace('.', '/')}.py", root / name.replace(".", "/") / "__init__.py")
            if one.is_file()
        } - found
        found |= new
        waiting += new
    return found


def _imported_names(file: Path, root: Path) -> set[str]:
    """`a.b` and `a.b.c` for `from a.b import c`, and likewise for relative imports: c may be a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            folder = file.parents[node.level - 1].relative_to(root).parts if node.level else ()
            base = ".".join((*folder, *([node.module] if node.module else [])))
            names |= {base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)}
    return names - {""}


def _used_modules(module: ModuleType, found: set[ModuleType]) -> set[ModuleType]:
    """The module and those it uses, directly or not, of its own package or of `_ALWAYS_HASHED`.

    A submodule that its package does not import is no use of it: it is an attribute of the package from the
    moment when anybody imports it."""
    found.add(module)
    for name, value in vars(module).items():
        if isinstance(value, ModuleType):
            is_submodule = value.__name__ == f"{module.__name__}.{name}"
            used = None if is_submodule and not _imports(module, value) else value
        else:
            used = sys.modules.get(getattr(value, "__module__", None) or "")
        if used and used not in found and _counts(used, module):
            _used_modules(used, found)
    return found


def _imports(package: ModuleType, submodule: ModuleType) -> bool:
    file = Path(str(package.__file__)).resolve()
    return submodule.__name__ in _imported_names(file, file.parents[package.__name__.count(".") + 1])


def _counts(used: ModuleType, module: ModuleType) -> bool:
    same_package = bool(module.__package__) and used.__package__ == module.__package__
    return same_package or used.__name__ in _ALWAYS_HASHED or used.__package__ in _ALWAYS_HASHED
