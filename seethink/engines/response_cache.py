"""Persistent response cache (SQLite): a mapping of texts that outlives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from seethink.types import InputError

P = ParamSpec("P")
T = TypeVar("T")

BUSY_S = 60.0
"""How long to wait for a lock that another process holds."""


def _as_input_error(
    method: Callable[Concatenate[ResponseCache, P], T],
) -> Callable[Concatenate[ResponseCache, P], T]:
    """Raise SQLite's errors as InputError."""

    def wrapped(self: ResponseCache, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.OperationalError as error:
            raise InputError(
                f"the response cache {self.path} cannot be used ({error}); free space or make it writable"
            ) from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, error) from error

    return wrapped


def _damaged(path: Path, error: object) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(f"the response cache {path} is damaged ({reason}); move it away to start anew")


class ResponseCache(MutableMapping[str, str]):
    """Texts by key in the SQLite file at `path`, which is created with the first entry.

    Entries survive `kill -9`. Several processes may use the same file, each from any thread. Raises
    InputError for a file that is damaged or not a response cache, and where it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        if path.exists():
            self._open()

    @_as_input_error
    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({error}); choose another folder") from error
        db = sqlite3.connect(self.path, BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._db = db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")  # processes that create the file concurrently wait for each other
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables - {"kept"}:
            raise InputError(f"{self.path} is not a response cache, but another program's file; move it away")
        db.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID")
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if (problem := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise _damaged(self.path, problem)

    @_as_input_error
    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall() if self._db else []

    def __getitem__(self, key: str) -> str:
        if not (rows := self._rows("SELECT text FROM kept WHERE key = ?", key)):
            raise KeyError(key)
        return rows[0][0].decode("utf-8", "surrogatepass")

    def __setitem__(self, key: str, text: str) -> None:
        if self._db is None:
            self._open()
        self._rows("INSERT OR REPLACE INTO kept VALUES (?, ?)", key, text.encode("utf-8", "surrogatepass"))

    def __delitem__(self, key: str) -> None:
        if not self._rows("DELETE FROM kept WHERE key = ? RETURNING key", key):
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter([key for (key,) in self._rows("SELECT key FROM kept")])

    def __len__(self) -> int:
        return sum(n for (n,) in self._rows("SELECT count(*) FROM kept"))

    def close(self) -> None:
        """Close the file."""
        if self._db:
            self._db.close()
            self._db = None

    def __enter__(self) -> ResponseCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
