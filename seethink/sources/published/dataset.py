"""Published data sets: source, readers of their files, and lazy conversion of rows to Examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from seethink import verify
from seethink.media import Image, Video, given
from seethink.media.paths import MissingMedium
from seethink.sequences import LazySequence
from seethink.sources.row_reader import Row, read_rows
from seethink.types import Example, InputError, Verifier


@dataclass(frozen=True)
class MediaView:
    """The resolution at which media are loaded.

    max_image_px: larger pictures are downscaled; None keeps the original size, which gold boxes in pixels
    need. num_frames: evenly spaced frames of a clip. frame_interval: seconds between frames; overrides
    `num_frames`. max_frame_px: larger frames are downscaled.
    """

    max_image_px: int | None = None
    num_frames: int = 8
    frame_interval: float | None = None
    max_frame_px: int = 401_408


@dataclass(frozen=True)
class MediaFiles:
    """Opens the media of a data set, whose paths are relative to `folder`; decoding is deferred."""

    folder: Path
    view: MediaView = MediaView()

    def picture(self, row: Row, value: Any) -> Image:
        """A picture as `media.given.picture` reads it. Raises RowError."""
        try:
            picture = given.picture(value, self.folder, f"the picture of {row.file}, row {row.number}")
        except MissingMedium as error:
            row.refuse(f"{error}; unpack the pictures into {self.folder}", error)
        except InputError as error:
            row.refuse(f"{error}; the layout differs from the published one", error)
        limit = self.view.max_image_px
        return picture if limit is None else picture.fit(limit)

    def clip(self, row: Row, value: Any, span_s: tuple[float, float] | None = None) -> Video:
        """A clip from a path; span_s: (start, end) of the part to use. Raises RowError."""
        path, view = self._path(row, value, "clip"), self.view
        return Video(path, view.num_frames, view.frame_interval, view.max_frame_px, span_s=span_s)

    def _path(self, row: Row, value: Any, kind: str) -> Path:
        if not isinstance(value, str | Path) or not str(value):
            row.refuse(f"there is no {kind}, only {value!r:.40}; the layout differs from the published one")
        if not (self.folder / value).is_file():
            row.refuse(f"there is no {kind} at {self.folder / value}; unpack the {kind}s into {self.folder}")
        return self.folder / value


Reader = Callable[[str, str], Sequence[Row]]
"""(source, split) -> rows; source is a hub id or an existing folder."""


@dataclass(frozen=True)
class PublishedDataset:
    """A data set as published by its authors; one row of the table in `docs/benchmarks.md`.

    source: its id on the hub, or the URL of its archives. splits: the number of rows of each split, the
    default split first; an int is exact and checked, a text is the source's own statement. verifier: names
    in `verify.VERIFIERS`; the first that can judge a response does. rows: reads a split. layout: the
    required files of a local folder, for data sets that the hub does not serve completely.
    """

    name: str
    title: str
    source: str
    licence: str
    splits: Mapping[str, int | str]
    verifier: tuple[str, ...]
    rows: Reader
    to_example: Callable[[Row, MediaFiles], Example]
    layout: str = ""

    def judge(self) -> Verifier:
        """The verifier of this data set's answers."""
        named = [verify.by_name(name) for name in self.verifier]
        return named[0] if len(named) == 1 else verify.first_of(*named)

    @property
    def address(self) -> str:
        """The URL of the data set."""
        on_hub = not self.source.startswith("https://")
        return f"https://huggingface.co/datasets/{self.source}" if on_hub else self.source


@dataclass(frozen=True)
class PublishedExamples(LazySequence[Example]):
    """The first `n` examples of a split, or all, converted on access; the data are opened at the first
    access.

    source: a hub id, or a folder in the published layout. Raises InputError at the first access if the data
    cannot be read or have another number of rows than published.
    """

    data: PublishedDataset
    split: str
    source: str
    n: int | None = None
    view: MediaView = MediaView()

    @property
    def identity(self) -> str:
        return f"{self.data.name}/{self.split}/{self.source}/{self.n}/{self.view}"

    def __len__(self) -> int:
        """The data are opened only if the number is neither given nor published."""
        expected = self._expected
        return len(self._rows) if expected is None else expected

    def item(self, i: int) -> Example:
        row = self._rows[i]
        try:
            example = self.data.to_example(row, MediaFiles(Path(self.source), self.view))
        except InputError:
            raise
        except ValueError as error:  # the marks of the question do not match the media
            row.refuse(f"{error}; copy the row as published", error)
        where = f"{self.source}, row {i + 1} of {self.split}"
        return replace(example, id=f"{self.data.name}-{self.split}-{i + 1}", where=where)

    @property
    def _expected(self) -> int | None:
        """The number of examples that is given or published exactly."""
        published = self.data.splits[self.split]
        return published if self.n is None and isinstance(published, int) else self.n

    @cached_property
    def _rows(self) -> Sequence[Row]:
        data, expected = self.data, self._expected
        if data.layout and not Path(self.source).is_dir():
            raise InputError(
                f"there is no folder {self.source}; download {data.title} from {data.address}, unpack "
                f"{data.layout.format(split=self.split)} into a folder, and give its path"
            )
        rows = data.rows(self.source, self.split)
        if expected is not None and (len(rows) < expected or (self.n is None and len(rows) != expected)):
            raise InputError(
                f"{self.source} has {len(rows):,} rows, not {expected:,}; copy {data.title} as "
                f"published, or set n to at most {len(rows)}"
            )
        return rows


# Readers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TableReader:
    """Reader of parquet, TSV, JSONL or JSON files, on the hub or in a folder.

    patterns: file names in a folder, with `{split}`; the first pattern that matches is used. config: the
    configuration on the hub. key: the array of rows in a JSON object. spread: turns one row into several;
    for JSON and JSONL only.
    """

    patterns: tuple[str, ...] = ("{split}-*.parquet", "{split}.parquet", "{split}/*.parquet")
    config: str | None = None
    key: str | None = None
    spread: Callable[[Row], Iterable[Row]] | None = None

    def __call__(self, source: str, split: str) -> Sequence[Row]:
        folder = Path(source)
        if not folder.exists():
            return TableRows(_from_hub(source, self.config, split), folder)
        if (folder / "state.json").is_file():
            return TableRows(_datasets().Dataset.load_from_disk(source), folder)
        files = find_files(folder, split, *self.patterns)
        kind = files[0].suffix
        if kind == ".parquet":
            return TableRows(_datasets().Dataset.from_parquet([str(file) for file in files]), folder)
        if kind == ".tsv":
            return TableRows(_datasets().Dataset.from_csv([str(file) for file in files], sep="\t"), folder)
        rows = [row for file in files for row in self._file_rows(file)]
        return [part for row in rows for part in self.spread(row)] if self.spread else rows

    def _file_rows(self, file: Path) -> Iterable[Row]:
        if self.key is None:
            return read_rows(file)
        content = read_json(file)
        if not isinstance(content, dict) or not isinstance(content.get(self.key), list):
            raise InputError(f"{file} must be an object with the array {self.key!r}; copy it as published")
        return numbered(file, content[self.key])


@dataclass(frozen=True)
class TableRows(LazySequence[Row]):
    """The rows of a `datasets` table, read one by one; pictures stay encoded."""

    table: Any
    file: Path

    def __len__(self) -> int:
        return len(self.table)

    def item(self, i: int) -> Row:
        (values,) = self.table.with_format("arrow")[i : i + 1].to_pylist()
        # tables store a missing value as NaN
        return Row(
            self.file, i + 1, {name: None if value != value else value for name, value in values.items()}
        )


def find_files(folder: Path, split: str, *patterns: str) -> list[Path]:
    """The files below `folder` of the first pattern that matches any. Raises InputError if none does."""
    names = [pattern.format(split=split) for pattern in patterns]
    for name in names:
        if files := sorted(folder.rglob(name)):
            return files
    raise InputError(
        f"{folder} has neither a saved dataset (state.json) nor {' nor '.join(names)}; "
        "give the folder into which the published files were unpacked"
    )


def read_json(file: Path) -> Any:
    """The content of a JSON file. Raises InputError if it is invalid."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is not JSON ({error}); copy it again") from error


def numbered(file: Path, rows: Iterable[Any]) -> Iterator[Row]:
    """Objects as rows numbered from 1. Raises RowError for anything but an object."""
    for number, values in enumerate(rows, 1):
        row = Row(file, number, values if isinstance(values, dict) else {})
        if not isinstance(values, dict):
            row.refuse(f"must be an object of named columns, not {values!r:.40}; copy the file as published")
        yield row


def _from_hub(source: str, config: str | None, split: str) -> Any:
    try:
        return _datasets().load_dataset(source, config, split=split)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{source} ({split}) is no local folder, and the hub cannot load it: {reason}; give a local copy"
        ) from error


def _datasets() -> Any:
    import datasets

    return datasets
