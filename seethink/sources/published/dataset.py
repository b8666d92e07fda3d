"""What a published data set is: where it comes from, how its rows are found, and how a row becomes an
Example when somebody looks at it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from seethink import verify
from seethink.media import Image, Video
from seethink.sources.rows import Row, rows_of
from seethink.types import Example, InputError, Verifier


@dataclass(frozen=True)
class View:
    """How much of each medium is looked at.

    picture_px: larger pictures are shrunk; None leaves them whole, as golds in pixels demand. Of a clip,
    `frames` evenly spaced frames are seen, or one `every_s` seconds, each of at most `frame_px` pixels.
    """

    picture_px: int | None = None
    frames: int = 8
    every_s: float | None = None
    frame_px: int = 401_408


@dataclass(frozen=True)
class Files:
    """The media of a data set: paths begin at `folder`; media are opened when they are looked at."""

    folder: Path
    view: View = View()

    def picture(self, row: Row, value: Any) -> Image:
        """From a path, encoded bytes, or the `{bytes, path}` that the hub's tables hold."""
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            picture = Image.data(value, f"the picture of {row.file}, row {row.number}")
        else:
            picture = Image.file(self._path(row, value, "picture"))
        return picture if self.view.picture_px is None else picture.fit(self.view.picture_px)

    def clip(self, row: Row, value: Any, span_s: tuple[float, float] | None = None) -> Video:
        path, view = self._path(row, value, "clip"), self.view
        return Video(path, view.frames, view.every_s, view.frame_px, span_s=span_s)

    def _path(self, row: Row, value: Any, kind: str) -> Path:
        if not isinstance(value, str | Path) or not str(value):
            row.refuse(
                f"there is no {kind}, only {value!r:.40}; this is another layout than the published one"
            )
        if not (self.folder / value).is_file():
            row.refuse(f"there is no {kind} at {self.folder / value}; unpack the {kind}s below {self.folder}")
        return self.folder / value


Reader = Callable[[str, str], Sequence[Row]]
"""(source, split) -> rows, where source is a hub id or an existing folder."""


@dataclass(frozen=True)
class Published:
    """One data set as its authors published it; one row of the table in `docs/benchmarks.md`.

    source: its id on the hub, or the address of its archives. splits: how many rows each has, the usual one
    first; a number is exact and is checked, a text is what the source says. verifier: names from
    `verify.VERIFIERS`; the first that can judge does. layout: what a local folder must hold, where the hub
    alone is not enough.
    """

    name: str
    title: str
    source: str
    licence: str
    splits: Mapping[str, int | str]
    verifier: tuple[str, ...]
    rows: Reader
    to_example: Callable[[Row, Files], Example]
    layout: str = ""

    def judge(self) -> Verifier:
        named = [verify.by_name(name) for name in self.verifier]
        return named[0] if len(named) == 1 else verify.first_of(*named)

    @property
    def address(self) -> str:
        on_hub = not self.source.startswith("https://")
        return f"https://huggingface.co/datasets/{self.source}" if on_hub else self.source


@dataclass(frozen=True)
class Examples(Sequence[Example]):
    """The first `n` examples of a split, or all; the data are opened at the first one.

    source: a hub id, or a folder in the published layout.
    """

    data: Published
    split: str
    source: str
    n: int | None = None
    view: View = View()

    @property
    def identity(self) -> str:
        return f"{self.data.name}/{self.split}/{self.source}/{self.n}/{self.view}"

    def __len__(self) -> int:
        """Without opening the data, where the number is given or published."""
        told = self._told
        return len(self._rows) if told is None else told

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        row = self._rows[i]
        try:
            example = self.data.to_example(row, Files(Path(self.source), self.view))
        except InputError:
            raise
        except ValueError as error:  # marks in the question that do not fit the row's media
            row.refuse(f"{error}; copy the row as it was published", error)
        return replace(example, id=f"{self.data.name}-{self.split}-{i + 1}")

    @property
    def _told(self) -> int | None:
        published = self.data.splits[self.split]
        return published if self.n is None and isinstance(published, int) else self.n

    @cached_property
    def _rows(self) -> Sequence[Row]:
        data, told = self.data, self._told
        if data.layout and not Path(self.source).is_dir():
            raise InputError(
                f"there is no folder {self.source}; get {data.title} from {data.address}, unpack "
                f"{data.layout.format(split=self.split)} into a folder, and name it"
            )
        rows = data.rows(self.source, self.split)
        if told is not None and (len(rows) < told or (self.n is None and len(rows) != told)):
            raise InputError(
                f"{self.source} has {len(rows):,} rows, not {told:,}; copy {data.title} as it was "
                f"published, or ask for at most n={len(rows)}"
            )
        return rows


# Readers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Rows of parquet, TSV, JSONL or JSON files, on the hub or in a folder.

    patterns: names of files in a folder, `{split}` being the split; the first that is found counts. config:
    the hub's name of a part. key: of a JSON object, the array that holds the rows. spread: one row as
    several; not for tables.
    """

    patterns: tuple[str, ...] = ("{split}-*.parquet", "{split}.parquet", "{split}/*.parquet")
    config: str | None = None
    key: str | None = None
    spread: Callable[[Row], Iterable[Row]] | None = None

    def __call__(self, source: str, split: str) -> Sequence[Row]:
        folder = Path(source)
        if not folder.exists():
            return Opened(_from_hub(source, self.config, split), folder)
        if (folder / "state.json").is_file():
            return Opened(_datasets().Dataset.load_from_disk(source), folder)
        files = found(folder, split, *self.patterns)
        kind = files[0].suffix
        if kind == ".parquet":
            return Opened(_datasets().Dataset.from_parquet([str(file) for file in files]), folder)
        if kind == ".tsv":
            return Opened(_datasets().Dataset.from_csv([str(file) for file in files], sep="\t"), folder)
        rows = [row for file in files for row in self._written(file)]
        return [part for row in rows for part in self.spread(row)] if self.spread else rows

    def _written(self, file: Path) -> Iterable[Row]:
        if self.key is None:
            return rows_of(file)
        held = as_json(file)
        if not isinstance(held, dict) or not isinstance(held.get(self.key), list):
            raise InputError(f"{file} must be an object with the array {self.key!r}; copy it as published")
        return numbered(file, held[self.key])


@dataclass(frozen=True)
class Opened(Sequence[Row]):
    """The rows of a table that `datasets` holds, taken one by one, pictures still encoded."""

    table: Any
    file: Path

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        (values,) = self.table.with_format("arrow")[i : i + 1].to_pylist()
        # NaN is what tables hold where nothing was written
        return Row(
            self.file, i + 1, {name: None if value != value else value for name, value in values.items()}
        )


def found(folder: Path, split: str, *patterns: str) -> list[Path]:
    """The files below `folder` that the first fitting pattern names. Raises InputError where none fits."""
    names = [pattern.format(split=split) for pattern in patterns]
    for name in names:
        if files := sorted(folder.rglob(name)):
            return files
    raise InputError(
        f"{folder} holds neither a saved dataset (state.json) nor {' nor '.join(names)}; "
        "name the folder that the published files were unpacked in"
    )


def as_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is not JSON ({error}); copy it anew") from error


def numbered(file: Path, rows: Iterable[Any]) -> Iterator[Row]:
    for number, values in enumerate(rows, 1):
        row = Row(file, number, values if isinstance(values, dict) else {})
        if not isinstance(values, dict):
            row.refuse(f"must be an object of named columns, not {values!r:.40}; copy the file as published")
        yield row


def _from_hub(source: str, config: str | None, split: str) -> Any:
    try:
        return _datasets().load_dataset(source, config, split=split)
    except (OSError, ValueError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{source} ({split}) is no folder here, and the hub does not give it: {told}; name a local copy"
        ) from error


def _datasets() -> Any:
    import datasets

    return datasets
