"""What was once answered, in a file: a mapping of texts that outlives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from seethink.types import InputError

P = ParamSpec("P")
T = TypeVar("T")

BUSY_S = 60.0
"""How long another process may hold the file."""


def _telling(method: Callable[Concatenate[Memory, P], T]) -> Callable[Concatenate[Memory, P], T]:
    """SQLite's errors as one sentence each."""

    def told(self: Memory, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.OperationalError as error:
            raise InputError(
                f"the memory {self.path} cannot be used ({error}); make room for it and let it be written"
            ) from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, error) from error

    return told


def _damaged(path: Path, error: object) -> InputError:
    told = " ".join(str(error).split())
    return InputError(f"the memory {path} is damaged ({told}); move it away to ask anew")


class Memory(MutableMapping[str, str]):
    """Texts by key in the SQLite file at `path`, which is made when something is first kept.

    What was kept survives `kill -9`. Several processes may hold the same file, each from any thread. Raises
    InputError for a file that is damaged or is something else, and where it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        if path.exists():
            self._open()

    @_telling
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
        db.execute("BEGIN IMMEDIATE")  # two that make the file at one time wait for each other
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables - {"kept"}:
            raise InputError(f"{self.path} is no memory, but another program's file; move it away")
        db.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID")
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise _damaged(self.path, found)

    @_telling
    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall() if self._db else []

    def __getitem__(self, key: str) -> str:
        if not (found := self._rows("SELECT text FROM kept WHERE key = ?", key)):
            raise KeyError(key)
        return found[0][0].decode("utf-8", "surrogatepass")

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
        if self._db:
            self._db.close()
            self._db = None

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
