"""One process at a time works in a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seethink.types import InputError


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold the folder that a command works in; a second process gets InputError.

    A record lock belongs to this process alone: it ends with it, even if a killed run left children behind.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); choose another --out") from error
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise InputError(
                f"another process is at work in {out}; wait for it or choose another --out"
            ) from error
        yield
