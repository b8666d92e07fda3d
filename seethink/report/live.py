"""The page of `seethink look --live`: a local server that follows a training by reading what it writes.

It reads files and nothing else, and only while a page asks. Parts of the data are numbered and never change;
a page asks for the next one.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from seethink.evaluate.attempts import AttemptRow, parsed_attempt
from seethink.report.curves import training_curves
from seethink.report.gallery_page import colours_of, look_page, packed
from seethink.report.page import render_macro
from seethink.report.pictures import picture_within
from seethink.report.rollouts import RolloutTable
from seethink.types import InputError

PART_BYTES = 4_000_000
"""About what is read of a file for one part."""
PICTURE_BYTES = 60_000
"""What one picture may take."""
REST = 20
"""After drawing the curves the server rests for this many times as long as that took."""
HOSTS = ["127.0.0.1", "localhost", "[::1]"]
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

Files = Callable[[], Mapping[str, Path]]
"""{arm: file} of the files that exist by now."""


class RewrittenError(Exception):
    """A file is no continuation of what was read: its training was resumed from an earlier step."""


@dataclass
class GrowingFile:
    """A JSONL file that grows: what was read of it. offset: bytes. line: lines. end: the last line that was
    read, by which a file that was rewritten in the meantime is known."""

    path: Path
    offset: int = 0
    line: int = 0
    end: bytes = b""

    def skip_to_last(self, lines: int) -> int:
        """Pass over all but the last `lines` complete lines; returns how many were passed over."""
        with self.path.open("rb") as file:
            ends = [0, *_line_ends(file)]
            if len(ends) - 1 > lines:
                self.line, self.offset = len(ends) - 1 - lines, ends[-1 - lines]
                file.seek(ends[-2 - lines])
                self.end = file.readline()
        return self.line

    def read(self, limit: int = PART_BYTES) -> list[AttemptRow]:
        """The complete rows that follow, about `limit` bytes of them. Raises InputError for a row that is no
        attempt, RewrittenError where the file is another one."""
        with self.path.open("rb") as file:
            file.seek(self.offset - len(self.end))
            if file.read(len(self.end)) != self.end:
                raise RewrittenError
            data = file.read(limit)
            if len(data) == limit:
                data += file.readline()
        data = data[: data.rfind(b"\n") + 1]
        rows = [
            parsed_attempt(line, self.path, self.line + number)
            for number, line in enumerate(data.split(b"\n")[:-1], 1)
        ]
        self.offset, self.line = self.offset + len(data), self.line + len(rows)
        self.end = data[data.rfind(b"\n", 0, -1) + 1 :] or self.end
        return rows


def _line_ends(file: Any) -> Iterator[int]:
    at = 0
    for line in file:
        at += len(line)
        if line.endswith(b"\n"):
            yield at


@dataclass
class LiveRun:
    """The parts of the files' data that were made so far.

    attempts, trainings: the files by arm, asked anew at each look. placed: a row of a file with paths to its
    pictures. limit: answers of one file; earlier ones are passed over and counted.
    """

    title: str
    attempts: Files
    trainings: Files
    placed: Callable[[AttemptRow, Path], AttemptRow]
    limit: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._start()
        self._curves, self._seen, self._rest_until = "", {}, 0.0

    def _start(self) -> None:
        self.name = secrets.token_hex(6)
        self.parts: list[bytes] = []
        self.table = RolloutTable()
        self._files: dict[str, GrowingFile] = {}
        self._passed_over = 0
        self._failed: InputError | None = None

    def part(self, number: int) -> bytes | None:
        """Part `number`, compressed; None if there is nothing new. Raises InputError for a file that cannot
        be read, RewrittenError where all parts are outdated."""
        with self.lock:
            if number == len(self.parts):
                try:
                    self._look()
                except RewrittenError:
                    self._start()
                    raise
            return self.parts[number] if number < len(self.parts) else None

    def _look(self) -> None:
        if self._failed:
            raise self._failed
        for arm, path in self.attempts().items():
            if arm not in self._files:
                self._files[arm] = GrowingFile(path)
                self._passed_over += self._files[arm].skip_to_last(self.limit)
            if rows := [_found(self.placed(row, path)) | {"arm": arm} for row in self._files[arm].read()]:
                try:
                    part = self.table.add(rows)
                except InputError as error:  # a picture is broken: the table holds half of the part
                    self._failed = error
                    raise
                self.parts.append(packed(part | {"passed_over": self._passed_over}))

    def page(self) -> str:
        with self.lock:
            return look_page(self.title, [], live=self.name)

    def curves(self) -> str:
        """HTML of the curves. A file in the middle of being written keeps the curves as they were."""
        with self.lock:
            files = dict(self.trainings())
            seen = {path: path.stat().st_size for path in files.values()}
            if seen != self._seen and time.monotonic() >= self._rest_until and all(map(_is_whole, seen)):
                start = time.monotonic()
                curves = training_curves(files, colours_of(self.attempts()))
                self._curves, self._seen = render_macro("charts.html", "trainings", curves), seen
                self._rest_until = time.monotonic() + REST * (time.monotonic() - start)
            return self._curves

    def picture(self, name: str) -> bytes | None:
        """A picture of the rows by its name, as WebP; None if no row has such a one."""
        path = self.table.pictures.get(name)
        return None if path is None else picture_within(path, PICTURE_BYTES)


def _found(row: AttemptRow) -> AttemptRow:
    """The row; all its pictures are `lost` if one is not on disk."""
    pictures = row.get("media") or []
    return row if all(Path(file).is_file() for file in pictures) else row | {"media": [], "lost": pictures}


def _is_whole(path: Path) -> bool:
    """Whether the last line is complete."""
    with path.open("rb") as file:
        return file.seek(0, 2) == 0 or (file.seek(-1, 2) >= 0 and file.read(1) == b"\n")


def live_app(run: LiveRun) -> FastAPI:
    """The server's application: the page, its parts, curves and pictures. It answers to names of this machine
    only, so that no other page can read it through a name of its own."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @app.middleware("http")
    async def with_headers(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(InputError)
    def said(request: Request, error: InputError) -> Response:
        return PlainTextResponse(str(error), 409)

    @app.get("/")
    def page() -> Response:
        return HTMLResponse(run.page())

    @app.get("/parts/{name}/{number}")
    def part(name: str, number: int) -> Response:
        try:
            data = run.part(number) if name == run.name else None
        except RewrittenError as rewritten:
            return PlainTextResponse(f"the files were rewritten {rewritten}".strip(), 410)
        if name != run.name or number > len(run.parts):
            return PlainTextResponse("this page is of an earlier server", 410)
        if data is None:
            return Response(status_code=204)
        return Response(data, media_type="application/json", headers={"Content-Encoding": "gzip"})

    @app.get("/curves")
    def curves() -> Response:
        return HTMLResponse(run.curves())

    @app.get("/pictures/{name}")
    def picture(name: str) -> Response:
        data = run.picture(name)
        if data is None:
            return PlainTextResponse("no such picture", 404)
        return Response(data, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400"})

    return app
