"""A user's own code by its address: `./mine.py:near`, or `package.module:name`."""

from __future__ import annotations

import hashlib
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from seethink.settings import unknown
from seethink.types import InputError


def is_address(name: str) -> bool:
    """Whether a name is an address, rather than a name that this package knows."""
    return ":" in name or name.endswith(".py")


def load(kind: str, address: str) -> Any:
    """What stands at an address. kind: what is looked for, such as "verifier", for messages.

    A file is run once for each of its contents, so that objects of one file share their classes, and a file
    that was changed meanwhile is run anew. Its folder, or for a module the working directory, joins the end
    of `sys.path`, so that it may import what lies beside it. Raises InputError naming the file and the line.
    """
    place, _, name = address.rpartition(":")
    if not (place and name.isidentifier()):
        raise InputError(
            f"{kind} {address!r} is no address; write ./FILE.py:NAME or PACKAGE.MODULE:NAME, NAME being "
            "defined there"
        )
    is_file = place.endswith(".py") or "/" in place or "\\" in place
    module = _run(Path(place).expanduser(), address) if is_file else _import(place, address)
    if not hasattr(module, name):
        defined = [word for word, value in vars(module).items() if word[0] != "_" and _is_own(value, module)]
        raise unknown(f"name in {place}:", name, defined)
    return getattr(module, name)


def failure(address: str, error: BaseException) -> str:
    """One sentence on an exception of the code at an address: its file and line, type and text."""
    file, line, said = address.rpartition(":")[0], None, str(error)
    if isinstance(error, SyntaxError):
        file, line, said = error.filename or file, error.lineno, error.msg
    elif frames := [
        frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)
    ]:
        file, line = frames[-1].filename, frames[-1].lineno
    if Path(file).is_relative_to(Path.cwd()):
        file = str(Path(file).relative_to(Path.cwd()))
    return f"{file}{f', line {line}' if line else ''}: {type(error).__name__}: {said}"


_LIBRARIES = (str(Path(__file__).parent), str(Path(traceback.__file__).parent), "<")


def _is_users(filename: str) -> bool:
    """Whether a frame is of a user's code: neither this package's, nor Python's, a library's or generated."""
    return not filename.startswith(_LIBRARIES) and "site-packages" not in filename


def _run(file: Path, address: str) -> ModuleType:
    """The module of a file. Compiled here: Python's own cache takes a change within a second for none."""
    if not file.is_file():
        near = (
            f"; did you mean {file}.py?"
            if Path(f"{file}.py").is_file()
            else "; give the path of a Python file"
        )
        raise InputError(f"there is no file {file}, which {address!r} names{near}")
    source = file.read_bytes()
    place = file.resolve()
    name = f"{place.stem.replace('.', '_')}@{hashlib.sha256(bytes(place) + source).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    _find_beside(place.parent)
    module = ModuleType(name)
    module.__file__ = str(place)
    sys.modules[name] = module  # dataclasses look their module up while it runs
    try:
        exec(compile(source, str(place), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{failure(address, error)}; mend the file and run again") from error
    return module


def _import(place: str, address: str) -> ModuleType:
    _find_beside(Path.cwd())
    try:
        return import_module(place)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{place}.".startswith(f"{error.name}."):
            raise InputError(
                f"there is no module {error.name}, which {address!r} names; run from the folder that "
                "holds it, install it, or give the path of a file, ./FILE.py:NAME"
            ) from error
        raise InputError(f"{failure(address, error)}; mend the module and run again") from error


def _find_beside(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _is_own(value: Any, module: ModuleType) -> bool:
    """Whether a module defines a value, rather than importing it. Values other than functions and classes do
    not tell."""
    return getattr(value, "__module__", None) == module.__name__ or not hasattr(value, "__name__")
