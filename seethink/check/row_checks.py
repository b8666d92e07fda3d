"""Checks of single rows, run on all cores for the rows of a file."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

from seethink.check.faults import BOX_CHECKS, QUESTION_CHECKS, TEXT_CHECKS, Fault, boxes_of
from seethink.check.gold import gold_faults, gold_reader
from seethink.check.media_info import MediaInfo, inspect_medium
from seethink.media.image import scales_named
from seethink.sources import preferences
from seethink.sources.dialects import MEDIA, PREFERENCES, Dialect
from seethink.sources.pair_rows import CHOSEN, REJECTED
from seethink.sources.parsed_row import empty_media
from seethink.sources.records import MediaSettings, media_found, to_example
from seethink.sources.row_reader import Row, RowError
from seethink.types import Example, Format, Media, Verifier

ROWS_PER_CHUNK = 500
MIN_ROWS_FOR_PROCESSES = 2_000
"""Fewer rows are checked in this process."""


@dataclass(frozen=True)
class CheckSettings:
    """How the rows of a file are read and checked. verifier, label, decode: as in `check.Preflight`."""

    dialect: Dialect
    media: MediaSettings
    form: Format
    verifier: Verifier | str | None = None
    label: str = ""
    decode: bool = False


@dataclass(frozen=True)
class CheckedRow:
    """A row's faults and the data for comparisons with other rows.

    digest: of question and media; empty if the row could not be read. answer: normalised. media: keys.
    missing: paths of media that are not there. farthest: (largest coordinate of its boxes, longest side of
    their picture), if it has boxes. gold: the verifier that pays for the answer in other spellings ("" for
    none); None without an answer that the verifier judges.
    """

    row: int
    id: str
    faults: tuple[Fault, ...]
    digest: str = ""
    answer: str = ""
    media: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    farthest: tuple[float, int] | None = None
    gold: str | None = None


CheckedChunk = tuple[list[CheckedRow], dict[str, MediaInfo]]
"""The results of rows, and the media that were new in them, by key."""


@dataclass
class RowChecker:
    """Checks rows one after the other; each medium is inspected once. media: those inspected so far, by
    key."""

    settings: CheckSettings
    rows: Sequence[Row]
    media: dict[str, MediaInfo] = field(default_factory=dict)

    def chunk(self, begin: int) -> CheckedChunk:
        """The results of one chunk of rows, and the media that were new in it."""
        known = {*self.media}
        checked = [self.row(row) for row in self.rows[begin : begin + ROWS_PER_CHUNK]]
        return checked, {key: info for key, info in self.media.items() if key not in known}

    def row(self, row: Row) -> CheckedRow:
        """The result of one row. Of a row that cannot be read, the first fault that prevents it and every
        missing medium are reported."""
        try:
            if row.broken:
                raise row.broken
            example = prompted_example(row, self.settings)
        except RowError as error:
            return self._unreadable(row, error)
        media = self._inspected(example.media)
        in_media = dict.fromkeys(fault for one in media for fault in one.faults)
        in_text = dict.fromkeys(
            [
                *_faults(example, media, self.settings),
                *_pair_faults(row, self.settings),
                *_empty_media(row),
            ]
        )
        faults = [Fault.of_error(kind, row.number, example.id, message) for kind, message in in_media]
        faults += [Fault(kind, row.number, example.id, message) for kind, message in in_text]
        judged = example.answer is not None and all(fault.kind != "gold not judged" for fault in faults)
        return CheckedRow(
            row.number,
            example.id,
            tuple(faults),
            self._digest(row, example),
            " ".join(str(example.answer).casefold().split()),
            tuple(one.key for one in media),
            farthest=_farthest(example, media),
            gold=gold_reader(example, self.settings.verifier) if judged else None,
        )

    def _unreadable(self, row: Row, error: RowError) -> CheckedRow:
        """The result of a row that cannot be read; the media that it names count nevertheless."""
        name = str(row.values.get(self.settings.dialect.id) or f"{row.stem}-{row.number}")
        found, missing = _media_found(row, self.settings)
        errors = {(one.kind, one.file): one for one in (error, *missing)}.values()
        faults = [Fault.of_error(one.kind, row.number, name, _bare(row, one), one.file) for one in errors]
        media = self._inspected(found)
        faults += [
            Fault.of_error(kind, row.number, name, words) for one in media for kind, words in one.faults
        ]
        paths = tuple(one.file or str(one) for one in missing)
        return CheckedRow(
            row.number, name, tuple(faults), media=tuple(one.key for one in media), missing=paths
        )

    def _inspected(self, media: Sequence[Media]) -> list[MediaInfo]:
        for medium in media:
            if medium.key not in self.media:
                self.media[medium.key] = inspect_medium(medium, self.settings.decode)
        return [self.media[medium.key] for medium in media]

    def _digest(self, row: Row, example: Example) -> str:
        is_pair = self.settings.dialect is PREFERENCES
        pair = [row.values.get(name) for name in (*CHOSEN, *REJECTED) if is_pair]
        content = repr((example.history, example.question, [medium.key for medium in example.media], pair))
        return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def prompted_example(row: Row, settings: CheckSettings) -> Example:
    """The row as an example; for a pair, the prompt of both responses. Raises RowError."""
    if settings.dialect is not PREFERENCES:
        return to_example(row, settings.dialect, settings.media)
    example = preferences.prompt_example(row, settings.media)
    preferences.to_pair(row, example, settings.form)
    return example


def _media_found(row: Row, settings: CheckSettings) -> tuple[list[Media], list[RowError]]:
    """The media that an unreadable row names: those that are there, and errors of those that are not. Empty
    if its columns cannot be read."""
    if row.broken:
        return [], []
    try:
        media, missing = media_found(row, settings.dialect.parse(row), settings.media)
    except RowError:
        return [], []
    return [medium for kind in media.values() for medium in kind], missing


def _bare(row: Row, error: RowError) -> str:
    """The message without file and row."""
    return str(error).removeprefix(f"{row.file}, row {row.number}: ")


def learned_texts(row: Row, example: Example, settings: CheckSettings) -> tuple[str, ...]:
    """The texts of a row that a model would learn: steps and answer, or both responses of a pair."""
    if settings.dialect is PREFERENCES:
        pair = preferences.to_pair(row, example, settings.form)
        return pair.better, pair.worse
    return (*example.steps, *([] if example.answer is None else [str(example.answer)]))


def _faults(
    example: Example, media: Sequence[MediaInfo], settings: CheckSettings
) -> Iterator[tuple[str, str]]:
    kinds = TEXT_CHECKS if example.answer is not None else QUESTION_CHECKS
    text_faults = [(kind, message) for kind in kinds for message in TEXT_CHECKS[kind](example)]
    yield from text_faults
    if example.answer is None:
        if settings.dialect is not PREFERENCES:
            yield "no answer", f"there is no answer; {settings.dialect.answered_by}"
        return
    if (boxes := boxes_of(example)) and (size := _first_size(media)):
        box_faults = ((kind, message) for kind, check in BOX_CHECKS.items() for message in check(boxes, size))
        if first := next(box_faults, None):
            yield first
    # these two already say why the verifier gives less than 1
    if not {"no such option", "same option"} & {kind for kind, _ in text_faults}:
        yield from gold_faults(example, settings.form, settings.verifier, settings.label)


def _pair_faults(row: Row, settings: CheckSettings) -> Iterator[tuple[str, str]]:
    if settings.dialect is not PREFERENCES:
        return
    pair = preferences.to_pair(row, Example("pair", "?"), settings.form)
    for name, text in (("chosen", pair.better), ("rejected", pair.worse)):
        if fault := settings.form.parse(text).fault:
            yield "response breaks the format", f"{name}: {fault}"


def _empty_media(row: Row) -> Iterator[tuple[str, str]]:
    for column, n in empty_media(row, (*MEDIA, "image_path")).items():
        yield "empty medium", f"{column} has {n} empty cell{'s' * (n > 1)}, and nothing is shown for it"


def _farthest(example: Example, media: Sequence[MediaInfo]) -> tuple[float, int] | None:
    boxes, size = boxes_of(example), _first_size(media)
    return (max(max(box.corners) for box in boxes), max(size)) if boxes and size else None


def _first_size(media: Sequence[MediaInfo]) -> tuple[int, int] | None:
    return media[0].size if media else None


# All rows -------------------------------------------------------------------------------------------------

_CHECKER: RowChecker | None = None
"""The checker of a worker process. Rows and settings are inherited by fork, so neither is pickled."""


def check_rows(rows: Sequence[Row], settings: CheckSettings) -> tuple[list[CheckedRow], dict[str, MediaInfo]]:
    """The results of all rows, in order, and their media by key."""
    with scales_named() if settings.decode else nullcontext():
        chunks = _checked(rows, settings)
    media: dict[str, MediaInfo] = {}
    for _, new in chunks:
        media.update(new)
    return [row for checked, _ in chunks for row in checked], media


def _checked(rows: Sequence[Row], settings: CheckSettings) -> list[CheckedChunk]:
    """The results of each chunk, by all cores where there are enough rows."""
    cores = os.cpu_count() or 1
    begins = range(0, len(rows), ROWS_PER_CHUNK)
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    if len(rows) < MIN_ROWS_FOR_PROCESSES or cores == 1 or not can_fork:
        return [*map(RowChecker(settings, rows).chunk, begins)]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(cores, fork, _start_worker, (rows, settings)) as pool:
        return [*pool.map(_check_chunk, begins)]


def _start_worker(rows: Sequence[Row], settings: CheckSettings) -> None:
    global _CHECKER
    _CHECKER = RowChecker(settings, rows)


def _check_chunk(begin: int) -> CheckedChunk:
    assert _CHECKER is not None
    return _CHECKER.chunk(begin)
