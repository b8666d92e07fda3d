"""Pre-flight check: all faults of a user's data, row by row, before any work begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seethink import verify
from seethink.check import cross_row
from seethink.check.faults import FAULTS, SUSPICIONS, Fault
from seethink.check.media_info import MediaInfo
from seethink.check.prompt_lengths import BlankedPrompt, measure_prompts
from seethink.check.row_checks import CheckedRow, CheckSettings, check_rows, learned_texts, prompted_example
from seethink.sources.dialects import Dialect, dialect_of
from seethink.sources.further_columns import is_blank
from seethink.sources.other_names import renamed
from seethink.sources.records import MediaSettings
from seethink.sources.row_reader import Row, media_folder, read_rows_with_errors
from seethink.types import Format, InputError, Verifier

__all__ = ["FAULTS", "SUSPICIONS", "CheckReport", "Fault", "Preflight", "check"]


@dataclass(frozen=True)
class Preflight:
    """What to check.

    media_root, video_options: as in `records.read`. verifier: a verifier, or its name in `verify.VERIFIERS`;
    None and "auto" use each row's own. label: its name in messages, if it is given as an object. decode:
    decode all media, not only their headers. model: the model whose tokens are counted. max_prompt_length:
    tokens; the model's own limit if None. decontaminate_against: test data whose media must not occur here.
    """

    data: Path
    form: Format
    media_root: Path | None = None
    video_options: Mapping[str, Any] = field(default_factory=dict)
    verifier: Verifier | str | None = None
    label: str = ""
    decode: bool = False
    model: str | None = None
    max_prompt_length: int | None = None
    decontaminate_against: Path | None = None


@dataclass(frozen=True)
class CheckReport:
    """The result of a check. pictures: different pictures and clips that the rows name; missing: those of
    them that are not there; clips: those that are there. faults: in the order of rows. golds: number of
    answers by the verifier that pays for them in other spellings, "" for none. tokens: statistics of the
    prompts, if a model was given. unused: number of rows by the column that no method uses; further: by the
    column that the dialect does not have, which is kept in meta."""

    data: str
    dialect: str
    rows: int
    pictures: int
    missing: int
    clips: int
    faults: tuple[Fault, ...]
    golds: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, Any] | None = None
    unused: Mapping[str, int] = field(default_factory=dict)
    further: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether no row is at fault; suspicions do not count."""
        return all(fault.suspected for fault in self.faults)

    @property
    def counts(self) -> dict[str, int]:
        """Kind of fault -> number of occurrences, the most frequent first."""
        return dict(Counter(fault.kind for fault in self.faults).most_common())

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object that names every row."""
        names = ("data", "dialect", "rows", "pictures", "missing", "clips")
        data = {name: getattr(self, name) for name in names}
        faults = {
            name: [asdict(fault) for fault in self.faults if fault.suspected is suspected]
            for name, suspected in (("faults", False), ("suspected", True))
        }
        return {
            **data,
            "clean": self.clean,
            "counts": self.counts,
            **faults,
            "golds": {**self.golds},
            "tokens": self.tokens,
            "unused": {**self.unused},
            "further": {**self.further},
        }


def check(job: Preflight) -> CheckReport:
    """Check every row and report every fault.

    Raises InputError if there are no rows, or if the verifier, the model or the test data cannot be used.
    """
    if job.max_prompt_length and not job.model:
        raise InputError("max_prompt_length counts a model's tokens; name it with --model")
    if isinstance(job.verifier, str):
        verify.by_name(job.verifier)  # an unknown name is an error of the call, not of a row
    rows, settings = _rows(job, job.data)
    checked, media = check_rows(rows, settings)
    faults = [fault for one in checked for fault in one.faults]
    faults += _cross_row_faults(checked, media)
    if job.decontaminate_against:
        test_rows, test_media = check_rows(*_rows(job, job.decontaminate_against))
        name = str(job.decontaminate_against)
        faults += cross_row.in_test_data(checked, media, test_rows, test_media, name)
    tokens = None
    if job.model:
        prompts = _readable(rows, checked, settings, media)
        tokens, prompt_faults = measure_prompts(prompts, job.model, job.max_prompt_length)
        sized = {fault.row for fault in faults if fault.kind in ("tiny picture", "narrow picture")}
        faults += [f for f in prompt_faults if f.kind != "refused by the processor" or f.row not in sized]
    faults.sort(key=lambda fault: fault.row)
    golds = dict(Counter(one.gold for one in checked if one.gold is not None).most_common())
    missing = len({path for one in checked for path in one.missing})
    named, clips = len(media) + missing, sum(one.is_clip for one in media.values())
    return CheckReport(
        *(str(job.data), _layout(rows, settings), len(rows), named, missing, clips),
        *(tuple(faults), golds, tokens, _unused(rows, settings), _further(rows, checked, settings.dialect)),
    )


def _rows(job: Preflight, path: Path) -> tuple[list[Row], CheckSettings]:
    rows = [renamed(row) for row in read_rows_with_errors(path)]
    if not rows:
        raise InputError(f"{path} has no rows")
    media = MediaSettings(job.media_root or media_folder(path), job.video_options)
    return rows, CheckSettings(dialect_of(rows), media, job.form, job.verifier, job.label, job.decode)


def _layout(rows: Sequence[Row], settings: CheckSettings) -> str:
    """The dialect of the rows, and what they stand in."""
    wrappings = dict.fromkeys(row.wrapped_in for row in rows if row.wrapped_in)
    return ", ".join((settings.dialect.name, *wrappings))


def _unused(rows: Sequence[Row], settings: CheckSettings) -> dict[str, int]:
    """{column that no method uses: number of rows that fill it}."""
    filled = (column for row in rows for column, value in row.values.items() if value not in (None, [], ""))
    columns = [column for column in filled if column in settings.dialect.unused]
    return dict(Counter([*columns, *(column for row in rows for column in row.unused)]))


def _further(rows: Sequence[Row], checked: Sequence[CheckedRow], dialect: Dialect) -> dict[str, int]:
    """{column that is kept in meta, though the dialect does not name it: number of rows that fill it}; of
    rows that can be read."""
    known = {*dialect.columns, *dialect.unused}
    readable = [row for row, one in zip(rows, checked, strict=True) if one.digest and not dialect.is_open]
    filled = (name for row in readable for name, value in row.values.items() if not is_blank(value))
    return dict(Counter(name for name in filled if name not in known))


def _cross_row_faults(checked: Sequence[CheckedRow], media: Mapping[str, MediaInfo]) -> Iterator[Fault]:
    yield from cross_row.same_id(checked)
    yield from cross_row.repeated(checked)
    yield from cross_row.same_picture(checked, media)
    yield from cross_row.boxes_from_0_to_1000(checked)


def _readable(
    rows: Sequence[Row],
    checked: Sequence[CheckedRow],
    settings: CheckSettings,
    media: Mapping[str, MediaInfo],
) -> Iterator[BlankedPrompt]:
    """The rows whose question and media could be read, with blank pictures."""
    for row, one in zip(rows, checked, strict=True):
        sizes = [media[key].size for key in one.media]
        if one.digest and all(sizes):
            example = prompted_example(row, settings)
            replies = learned_texts(row, example, settings)
            yield BlankedPrompt.of(row.number, example, settings.form, sizes, replies)
