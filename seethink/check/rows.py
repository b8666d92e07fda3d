"""One row looked at by itself; and all rows of a file, on all cores."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from seethink.check.faults import BOX_CHECKS, TEXT_CHECKS, Fault, boxes_of
from seethink.check.gold import gold_faults
from seethink.check.media import Seen, look
from seethink.sources import pairs
from seethink.sources.dialects import PREFERENCES, Dialect
from seethink.sources.records import Place, to_example
from seethink.sources.rows import Row, RowError
from seethink.types import Example, Format

ROWS_AT_A_TIME = 500
ALONE_BELOW = 2_000
"""Fewer rows than this are no work for several processes."""


@dataclass(frozen=True)
class Looking:
    """What all rows of a file share, and how they are looked at."""

    dialect: Dialect
    place: Place
    form: Format
    verifier: str | None = None
    decode: bool = False


@dataclass(frozen=True)
class Looked:
    """What a row leaves behind for comparing it with others. asked: digest of question and media. farthest:
    the largest coordinate of its boxes and the longest side of their picture, where it has boxes."""

    row: int
    id: str
    faults: tuple[Fault, ...]
    asked: str = ""
    answer: str = ""
    media: tuple[str, ...] = ()
    farthest: tuple[float, int] | None = None


@dataclass
class Looker:
    """Looks at rows one after the other, at each medium once."""

    looking: Looking
    rows: Sequence[Row]
    seen: dict[str, Seen] = field(default_factory=dict)

    def span(self, begin: int) -> tuple[list[Looked], dict[str, Seen]]:
        """Some rows, and the media that were new among theirs."""
        known = {*self.seen}
        looked = [self.row(row) for row in self.rows[begin : begin + ROWS_AT_A_TIME]]
        return looked, {key: seen for key, seen in self.seen.items() if key not in known}

    def row(self, row: Row) -> Looked:
        try:
            if row.broken:
                raise row.broken
            example = to_asked(row, self.looking)
        except RowError as error:
            told = str(error).removeprefix(f"{row.file}, row {row.number}: ")
            name = str(row.values.get(self.looking.dialect.id) or f"{row.file.stem}-{row.number}")
            return Looked(row.number, name, (Fault(error.kind, row.number, name, told),))
        for medium in example.media:
            if medium.key not in self.seen:
                self.seen[medium.key] = look(medium, self.looking.decode)
        seen = [self.seen[medium.key] for medium in example.media]
        found = [*_faults(example, seen, self.looking), *_pair_faults(row, self.looking)]
        pair = [row.values[name] for name in ("chosen", "rejected") if self.looking.dialect is PREFERENCES]
        told = repr((example.question, [one.key for one in seen], pair))
        asked = hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16)
        return Looked(
            row.number,
            example.id,
            tuple(Fault(kind, row.number, example.id, told) for kind, told in dict.fromkeys(found)),
            asked.hexdigest(),
            " ".join(str(example.answer).casefold().split()),
            tuple(one.key for one in seen),
            _farthest(example, seen),
        )


def to_asked(row: Row, looking: Looking) -> Example:
    """The row as an example; of a pair, what both responses answer. Raises RowError."""
    if looking.dialect is not PREFERENCES:
        return to_example(row, looking.dialect, looking.place)
    asked = pairs.asked(row, looking.place)
    pairs.to_pair(row, asked, looking.form)
    return asked


def _faults(example: Example, seen: Sequence[Seen], looking: Looking) -> Iterator[tuple[str, str]]:
    for one in seen:
        yield from one.faults
    found = [(kind, told) for kind, check in TEXT_CHECKS.items() for told in check(example)]
    yield from found
    if example.answer is None:
        return
    if (boxes := boxes_of(example)) and (size := _first_size(seen)):
        kind, told = next(((k, t) for k, check in BOX_CHECKS.items() for t in check(boxes, size)), ("", ""))
        if kind:
            yield kind, told
    if not {"no such option", "same option"} & {kind for kind, _ in found}:  # they say why it is not paid
        yield from gold_faults(example, looking.form, looking.verifier)


def _pair_faults(row: Row, looking: Looking) -> Iterator[tuple[str, str]]:
    if looking.dialect is not PREFERENCES:
        return
    pair = pairs.to_pair(row, Example("pair", "?"), looking.form)
    for name, text in (("chosen", pair.better), ("rejected", pair.worse)):
        if fault := looking.form.parse(text).fault:
            yield "response breaks the format", f"{name}: {fault}"


def _farthest(example: Example, seen: Sequence[Seen]) -> tuple[float, int] | None:
    boxes, size = boxes_of(example), _first_size(seen)
    return (max(max(box.corners) for box in boxes), max(size)) if boxes and size else None


def _first_size(seen: Sequence[Seen]) -> tuple[int, int] | None:
    return seen[0].size if seen else None


# All rows -------------------------------------------------------------------------------------------------

_LOOKER: Looker | None = None
"""A worker's own; it inherits the rows, so that none is sent to it."""


def look_at(rows: Sequence[Row], looking: Looking) -> tuple[list[Looked], dict[str, Seen]]:
    """All rows in order, and all their media by key."""
    cores = os.cpu_count() or 1
    begins = range(0, len(rows), ROWS_AT_A_TIME)
    if len(rows) < ALONE_BELOW or cores == 1 or "fork" not in multiprocessing.get_all_start_methods():
        spans = [*map(Looker(looking, rows).span, begins)]
    else:
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(cores, fork, _begin, (rows, looking)) as pool:
            spans = [*pool.map(_span, begins)]
    seen: dict[str, Seen] = {}
    for _, new in spans:
        seen.update(new)
    return [looked for span, _ in spans for looked in span], seen


def _begin(rows: Sequence[Row], looking: Looking) -> None:
    global _LOOKER
    _LOOKER = Looker(looking, rows)


def _span(begin: int) -> tuple[list[Looked], dict[str, Seen]]:
    assert _LOOKER is not None
    return _LOOKER.span(begin)
