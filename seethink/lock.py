"""Output folders: whether they can be written, and one process at a time in each."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seethink.types import InputError


@contextmanager
def writable(out: Path, mend: str = "choose another --out") -> Iterator[None]:
    """What fails inside because `out` cannot be written (an OSError) raises InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); {mend}") from error


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold the lock of folder `out`, which is created if missing.

    Raises InputError where another process holds it or the folder cannot be written. The record lock ends
    with this process, even if a killed run left child processes behind.
    """
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w", encoding="utf-8")
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise InputError(
                f"another process is at work in {out}; wait for it or choose another --out"
            ) from error
        yield
