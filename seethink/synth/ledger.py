"""Ledger of a synthesis (SQLite): every answered call and every outcome.

The key of a call is a digest of its content (model, step version, messages with the content of their media,
sampling), so that an equal request is answered from the ledger. Committed rows survive `kill -9` at any
moment. Rows are buffered until `commit`, so that replies that arrive together share one write to the disk.
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

from seethink.engines.base import Request
from seethink.media import fingerprint
from seethink.types import Completion, InputError

P = ParamSpec("P")
T = TypeVar("T")

CHECKPOINT_PAGES = 16_000
"""Size of the write-ahead log (pages of 4 kB) at which it is checkpointed, which blocks all callers."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
SCHEMA_VERSION = "1"
"""Version of the table schema."""
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
_EXAMPLE = f"INSERT OR REPLACE INTO examples VALUES ({','.join('?' * 7)})"


def request_json(request: Request, model: str) -> str:
    """A request to a model as JSON; media are represented by their fingerprints."""
    messages = [
        [
            message["role"],
            [
                part.get("text") or [part["type"], fingerprint(part[part["type"]])]
                for part in message["content"]
            ],
        ]
        for message in request.messages
    ]
    return _JSON([model, request.version, messages, vars(request.sampling), request.schema])


@dataclass(frozen=True)
class CallRecord:
    """A request as stored in the ledger. key: digest of `request`. step, example: of the first request with
    this key."""

    key: str
    step: str
    version: str
    model: str
    example: str
    request: str

    @classmethod
    def of(cls, request: Request, model: str) -> CallRecord:
        """The record of a request to a model; reads the request's media for their fingerprints."""
        text = request_json(request, model)
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(key, request.step, request.version, model, request.example.id, text)


@dataclass(frozen=True)
class Usage:
    """Totals over answered calls. tokens: of prompts and replies. cost: in the unit of the prices."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def plus(self, completion: Completion, cost: float) -> Usage:
        """These totals and one more call."""
        tokens = completion.prompt_tokens + completion.n_tokens
        return Usage(self.calls + 1, self.tokens + tokens, self.cost + cost)


@dataclass(frozen=True)
class ExampleRecord:
    """The outcome of one example. index: its place in the data. draft: see `Draft.to_json`."""

    index: int
    id: str
    state: str
    step: str
    reason: str
    why: str
    draft: Mapping[str, Any]


def _compressed(text: bytes) -> bytes:
    """Compress with little working memory: allocating zlib's default takes ten times as long as compressing a
    short text."""
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits=14, memLevel=6)
    return packer.compress(text) + packer.flush()


def _translating_errors(method: Callable[Concatenate[Ledger, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """Turn SQLite's errors about full disks and damaged files into InputError."""

    def translated(self: Ledger, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.OperationalError as error:
            if "full" not in str(error) and "disk I/O" not in str(error):
                raise
            raise InputError(
                f"the disk of {self.path} is full ({error}); free some space and run the same command again"
            ) from error
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise _damaged(self.path, error) from error
            raise

    return translated


def _damaged(path: Path, error: object) -> InputError:
    message = " ".join(str(error).split())
    return InputError(
        f"the ledger {path} is damaged ({message}); restore it from a copy, or move it away to start again"
    )


class Ledger:
    """The ledger at `path`, created if it does not exist. Only one process may have it open for writing.

    Raises InputError for a damaged file, another schema version, and a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._calls: list[tuple[Any, ...]] = []
        self._faults: list[tuple[Any, ...]] = []
        self._examples: list[tuple[Any, ...]] = []
        new = not path.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise InputError(f"{path} cannot be written ({error}); choose another --out") from error
        self._open(new)

    @_translating_errors
    def _open(self, new: bool) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if new or not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._db.executescript(
                f"BEGIN; {_TABLES} INSERT INTO about VALUES ('layout', '{SCHEMA_VERSION}'); COMMIT;"
            )
        if (found := self._db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise _damaged(self.path, found)
        if (layout := self.read_about("layout")) != SCHEMA_VERSION:
            raise InputError(
                f"{self.path} has the schema version {layout}, not {SCHEMA_VERSION}; choose another --out"
            )

    def close(self) -> None:
        """Commit buffered rows and close the file. Raises InputError if the disk is full."""
        try:
            self.commit()
        finally:
            self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def read_about(self, name: str) -> str | None:
        """The value of a name in the table `about`."""
        row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    @_translating_errors
    def write_about(self, name: str, value: str) -> None:
        """Set the value of a name in the table `about`; `commit` writes it to disk."""
        self._in_transaction().execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def _in_transaction(self) -> sqlite3.Connection:
        """The connection, in a transaction that `commit` ends."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
        return self._db

    @_translating_errors
    def commit(self) -> None:
        """Write all rows since the last commit to disk, or none. Raises InputError if the disk is full."""
        try:
            for statement, rows in (_CALL, self._calls), (_FAULT, self._faults), (_EXAMPLE, self._examples):
                if rows:
                    self._in_transaction().executemany(statement, rows)
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        finally:
            for rows in self._calls, self._faults, self._examples:
                rows.clear()

    # Calls --------------------------------------------------------------------------------------------------

    @_translating_errors
    def find_completion(self, key: str) -> Completion | None:
        """The committed reply to the call with this key; None if there is none."""
        row = self._db.execute(
            "SELECT text, stop, prompt_tokens, tokens FROM calls WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        text, stop, prompt_tokens, n_tokens = row
        return Completion(text, stop, n_tokens, prompt_tokens=prompt_tokens)

    def add_call(self, call: CallRecord, completion: Completion, cost: float) -> None:
        """Buffer the reply to a call; commit before the reply is used."""
        request = _compressed(call.request.encode("utf-8", "surrogatepass"))
        row = (call.key, call.step, call.version, call.model, call.example, request)
        tokens = (completion.prompt_tokens, completion.n_tokens)
        self._calls.append((*row, completion.text, completion.stop, *tokens, cost))

    def add_fault(self, call: CallRecord, kind: str, message: str) -> None:
        """Buffer a failed attempt of a call."""
        self._faults.append((call.key, call.step, call.model, call.example, kind, message))

    @_translating_errors
    def usage(self) -> Usage:
        """Totals over the committed calls."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(prompt_tokens + tokens), 0), coalesce(sum(cost), 0) FROM calls"
        ).fetchone()
        return Usage(*row)

    # Examples -----------------------------------------------------------------------------------------------

    @_translating_errors
    def set_identity(self, identity: Mapping[str, str]) -> None:
        """Record which chain and data the outcomes belong to. Outcomes of others are deleted; calls stay."""
        value = json.dumps(identity, sort_keys=True)
        if (known := self.read_about("identity")) == value:
            return
        if known is not None:
            self._in_transaction().execute("DELETE FROM examples")
            self._in_transaction().execute("DELETE FROM seen")
        self.write_about("identity", value)
        self.commit()

    @_translating_errors
    def first_index(self, content: str, index: int) -> int:
        """The index of the first example with this content: `index` itself if it is new. Call in order."""
        query = "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET at = at RETURNING at"
        return self._in_transaction().execute(query, (content, index)).fetchone()[0]

    @_translating_errors
    def ended(self) -> set[int]:
        """The indices of the examples that are kept or dropped, and need not run again."""
        return {at for (at,) in self._db.execute("SELECT at FROM examples WHERE state != 'failed'")}

    def add_example(self, record: ExampleRecord) -> None:
        """Buffer the outcome of an example."""
        draft = _JSON(record.draft)
        row = (record.index, record.id, record.state, record.step, record.reason, record.why, draft)
        self._examples.append(row)

    def examples(self, state: str | None = None) -> Iterator[ExampleRecord]:
        """The outcomes in the order of the data, read one by one; only those of `state`, if given."""
        rows = self._db.execute(
            "SELECT * FROM examples WHERE state = ? OR ? IS NULL ORDER BY at", (state, state)
        )
        for *columns, draft in rows:
            yield ExampleRecord(*columns, draft=json.loads(draft))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a SELECT, for reports."""
        return self._db.execute(statement).fetchall()
