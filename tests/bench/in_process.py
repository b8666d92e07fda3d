"""Benchmarks called in the process of the tests: the same `main`, without the seconds that a start takes."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def called(module: str, *options: str, capsys: Any, monkeypatch: Any) -> Done:
    """What `python -m module options` prints, and its exit code."""
    monkeypatch.setattr("sys.argv", [module, *options])
    code: Any = 0
    capsys.readouterr()
    try:
        importlib.import_module(module).main()
    except SystemExit as end:
        code = end.code
    return Done(int(code or 0), *capsys.readouterr())
