"""Every call and every verdict of a synthesis, in one SQLite file: what was answered is never asked again.

A call is known by its content (model, version of the wording, messages with the pictures' content, sampling),
so it is found again by whoever asks the same. What was committed survives `kill -9` at any moment; what is
written waits for `commit`, so that many replies that come together are one write to the disk.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from seethink.engines.teacher import Call, Reply
from seethink.media import fingerprint
from seethink.types import InputError

P = ParamSpec("P")
T = TypeVar("T")

CHECKPOINT_PAGES = 16_000
"""Of 4 kB. Whoever asks stands still while the log is folded into the file, so that happens seldom."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
LAYOUT = "1"
"""Of the tables; another one is another program's ledger."""
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE calls (key TEXT PRIMARY KEY, step TEXT NOT NULL, version TEXT NOT NULL, model TEXT NOT NULL,
    example TEXT NOT NULL, request BLOB NOT NULL, text TEXT NOT NULL, stop TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, tokens INTEGER NOT NULL, cost REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE faults (at INTEGER PRIMARY KEY, key TEXT NOT NULL, step TEXT NOT NULL, model TEXT NOT NULL,
    example TEXT NOT NULL, kind TEXT NOT NULL, told TEXT NOT NULL);
CREATE TABLE examples (at INTEGER PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL, step TEXT NOT NULL,
    reason TEXT NOT NULL, why TEXT NOT NULL, draft TEXT NOT NULL);
CREATE TABLE seen (content TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""
_CALL = f"INSERT INTO calls VALUES ({','.join('?' * 11)})"
_FAULT = "INSERT INTO faults (key, step, model, example, kind, told) VALUES (?, ?, ?, ?, ?, ?)"
_END = f"INSERT OR REPLACE INTO examples VALUES ({','.join('?' * 7)})"


def request_of(call: Call, model: str) -> str:
    """What is asked of whom, as JSON, pictures and clips by their content."""
    messages = [
        [
            message["role"],
            [
                part.get("text") or [part["type"], fingerprint(part[part["type"]])]
                for part in message["content"]
            ],
        ]
        for message in call.messages
    ]
    asked = [model, call.version, messages, vars(call.sampling), call.schema]
    return _JSON(asked)


@dataclass(frozen=True)
class Asked:
    """A call as the ledger knows it: by what was asked of which model, for which step, first about which
    example."""

    key: str
    step: str
    version: str
    model: str
    example: str
    request: str

    @classmethod
    def of(cls, call: Call, model: str) -> Asked:
        request = request_of(call, model)
        key = hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(key, call.step, call.version, model, call.example.id, request)


@dataclass(frozen=True)
class Spent:
    """What the answered calls of a ledger took together; cost in the unit of the prices."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def plus(self, reply: Reply, cost: float) -> Spent:
        return Spent(self.calls + 1, self.tokens + reply.prompt_tokens + reply.tokens, self.cost + cost)


@dataclass(frozen=True)
class Finished:
    """An example that reached an end. draft: as `Draft.told` gave it."""

    at: int
    id: str
    state: str
    step: str
    reason: str
    why: str
    draft: Mapping[str, Any]


def _packed(text: bytes) -> bytes:
    """Of zlib, whose usual memory takes ten times as long to be made ready as a short text to be packed."""
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits=14, memLevel=6)
    return packer.compress(text) + packer.flush()


def _telling(method: Callable[Concatenate[Ledger, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """SQLite's errors as one sentence each; what was committed before stays."""

    def told(self: Ledger, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.OperationalError as error:
            if "full" not in str(error) and "disk I/O" not in str(error):
                raise
            raise InputError(
                f"the disk of {self.path} is full ({error}); make room, and the same command continues"
            ) from error
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise _damaged(self.path, error) from error
            raise

    return told


def _damaged(path: Path, error: object) -> InputError:
    told = " ".join(str(error).split())
    return InputError(
        f"the ledger {path} is damaged ({told}); restore it from a copy, or move it away to start anew"
    )


class Ledger:
    """The ledger at `path`, made if it is not there. One process has it open for writing.

    Raises InputError for a damaged file, one of another layout, and a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._calls: list[tuple[Any, ...]] = []
        self._faults: list[tuple[Any, ...]] = []
        self._ends: list[tuple[Any, ...]] = []
        new = not path.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise InputError(f"{path} cannot be written ({error}); choose another --out") from error
        self._open(new)

    @_telling
    def _open(self, new: bool) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if new or not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._db.executescript(
                f"BEGIN; {_TABLES} INSERT INTO about VALUES ('layout', '{LAYOUT}'); COMMIT;"
            )
        if (found := self._db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise _damaged(self.path, found)
        if (layout := self.about("layout")) != LAYOUT:
            raise InputError(f"{self.path} is a ledger of another layout ({layout}); choose another --out")

    def close(self) -> None:
        try:
            self.commit()
        finally:
            self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def about(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    @_telling
    def tell(self, name: str, value: str) -> None:
        self._begun().execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def _begun(self) -> sqlite3.Connection:
        """In a transaction, which `commit` ends."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
        return self._db

    @_telling
    def commit(self) -> None:
        """What was put down since the last time is on disk after this, or none of it."""
        try:
            for into, rows in (_CALL, self._calls), (_FAULT, self._faults), (_END, self._ends):
                if rows:
                    self._begun().executemany(into, rows)
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        finally:
            for rows in self._calls, self._faults, self._ends:
                rows.clear()

    # Calls --------------------------------------------------------------------------------------------------

    @_telling
    def reply(self, key: str) -> Reply | None:
        found = self._db.execute(
            "SELECT text, stop, prompt_tokens, tokens FROM calls WHERE key = ?", (key,)
        ).fetchone()
        return Reply(*found) if found else None

    def keep(self, asked: Asked, reply: Reply, cost: float) -> None:
        """The reply to a call, to be committed before it is used."""
        request = _packed(asked.request.encode("utf-8", "surrogatepass"))
        row = (asked.key, asked.step, asked.version, asked.model, asked.example, request)
        self._calls.append((*row, reply.text, reply.stop, reply.prompt_tokens, reply.tokens, cost))

    def fault(self, asked: Asked, kind: str, told: str) -> None:
        """A try that failed."""
        self._faults.append((asked.key, asked.step, asked.model, asked.example, kind, told))

    @_telling
    def spent(self) -> Spent:
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(prompt_tokens + tokens), 0), coalesce(sum(cost), 0) FROM calls"
        ).fetchone()
        return Spent(*row)

    # Examples -----------------------------------------------------------------------------------------------

    @_telling
    def begin(self, identity: Mapping[str, str]) -> None:
        """Verdicts of another chain or other data are taken back; what was answered stays."""
        told = json.dumps(identity, sort_keys=True)
        if (known := self.about("identity")) == told:
            return
        if known is not None:
            self._begun().execute("DELETE FROM examples")
            self._begun().execute("DELETE FROM seen")
        self.tell("identity", told)
        self.commit()

    @_telling
    def first(self, content: str, at: int) -> int:
        """The place of the first example with this content, `at` where it is new. Ask in order."""
        query = "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET at = at RETURNING at"
        return self._begun().execute(query, (content, at)).fetchone()[0]

    @_telling
    def ended(self) -> set[int]:
        """The places of the examples that need not walk again."""
        return {at for (at,) in self._db.execute("SELECT at FROM examples WHERE state != 'failed'")}

    def finish(self, done: Finished) -> None:
        told = _JSON(done.draft)
        self._ends.append((done.at, done.id, done.state, done.step, done.reason, done.why, told))

    def finished(self, state: str | None = None) -> Iterator[Finished]:
        """In the order of the data, one after the other; of one state, if it is named."""
        rows = self._db.execute(
            "SELECT * FROM examples WHERE state = ? OR ? IS NULL ORDER BY at", (state, state)
        )
        for *told, draft in rows:
            yield Finished(*told, draft=json.loads(draft))

    def counted(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a counting query, for reports."""
        return self._db.execute(query).fetchall()
