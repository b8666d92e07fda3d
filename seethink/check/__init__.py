"""The pre-flight: everything that is wrong with a user's data, row by row, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seethink.check import across
from seethink.check.faults import FAULTS, SUSPICIONS, Fault
from seethink.check.media import Seen
from seethink.check.rows import Looked, Looking, look_at, to_asked
from seethink.check.tokens import Asked, blank, measured
from seethink.sources.dialects import dialect_of
from seethink.sources.records import Place
from seethink.sources.rows import Row, every_row
from seethink.types import Format, InputError

__all__ = ["FAULTS", "SUSPICIONS", "Fault", "Preflight", "Report", "check"]


@dataclass(frozen=True)
class Preflight:
    """What is checked. images, clips: as in `records.read`. verifier: by name; without one, each row's own.
    model: whose tokens are counted; against: data whose pictures must not be among these."""

    data: Path
    form: Format
    images: Path | None = None
    clips: Mapping[str, Any] = field(default_factory=dict)
    verifier: str | None = None
    decode: bool = False
    model: str | None = None
    max_prompt_tokens: int | None = None
    against: Path | None = None


@dataclass(frozen=True)
class Report:
    """What was found. faults: in the order of rows. tokens: of the prompts, where a model was chosen."""

    data: str
    dialect: str
    rows: int
    pictures: int
    faults: tuple[Fault, ...]
    tokens: Mapping[str, Any] | None = None

    @property
    def clean(self) -> bool:
        """Whether no row is at fault; suspicions are no faults."""
        return all(fault.suspected for fault in self.faults)

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind of fault was found, the most frequent first."""
        return dict(Counter(fault.kind for fault in self.faults).most_common())

    def as_json(self) -> dict[str, Any]:
        told = {"data": self.data, "dialect": self.dialect, "rows": self.rows, "pictures": self.pictures}
        found = {
            name: [asdict(fault) for fault in self.faults if fault.suspected is suspected]
            for name, suspected in (("faults", False), ("suspected", True))
        }
        return {**told, "clean": self.clean, "counts": self.counts, **found, "tokens": self.tokens}


def check(asked: Preflight) -> Report:
    """All rows, all faults. Raises InputError where there is nothing to check, or the verifier, the model or
    the data to compare with cannot be used."""
    rows, looking = _rows(asked, asked.data)
    looked, seen = look_at(rows, looking)
    faults = [fault for one in looked for fault in one.faults]
    faults += _compared(looked, seen)
    if asked.against:
        tested, test_seen = look_at(*_rows(asked, asked.against))
        faults += across.in_test_data(looked, seen, tested, test_seen, str(asked.against))
    tokens = None
    if asked.model:
        askable = _askable(rows, looked, looking, seen)
        tokens, more = measured(askable, asked.model, asked.form, asked.max_prompt_tokens)
        faults += more
    faults.sort(key=lambda fault: fault.row)
    return Report(str(asked.data), looking.dialect.name, len(rows), len(seen), tuple(faults), tokens)


def _rows(asked: Preflight, path: Path) -> tuple[list[Row], Looking]:
    rows = list(every_row(path))
    if not rows:
        raise InputError(f"{path} holds no rows")
    place = Place(asked.images or (path if path.is_dir() else path.parent), asked.clips)
    return rows, Looking(dialect_of(rows), place, asked.form, asked.verifier, asked.decode)


def _compared(looked: Sequence[Looked], seen: Mapping[str, Seen]) -> Iterator[Fault]:
    yield from across.same_id(looked)
    yield from across.repeated(looked)
    yield from across.same_picture(looked, seen)
    yield from across.boxes_from_0_to_1000(looked)


def _askable(
    rows: Sequence[Row], looked: Sequence[Looked], looking: Looking, seen: Mapping[str, Seen]
) -> Iterator[Asked]:
    """The rows that can be asked at all."""
    for row, one in zip(rows, looked, strict=True):
        sizes = [seen[key].size for key in one.media]
        if one.asked and all(sizes):
            yield blank(row.number, to_asked(row, looking), sizes)
