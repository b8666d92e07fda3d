"""Data sets as their authors published them, from the hub or from a local copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from seethink.media import Image
from seethink.sources.dialects import HF_COLUMNS
from seethink.sources.records import Place, to_example
from seethink.sources.rows import Row, rows_of
from seethink.types import Example, InputError

CLEVR_COUNTING = "leonardPKU/clevr_cogen_a_train"
CLEVR_COUNTING_ROWS = 70_000
SUPERCLEVR_FILE = "superclevr_test200_counting_problems.jsonl"
SUPERCLEVR_ROWS = 200


@dataclass(frozen=True)
class Published(Sequence[Example]):
    """The first `n` examples of a data set with columns `image problem solution`, opened at the first one.

    source: a name on the hub, a folder that `save_to_disk` wrote, or a folder of parquet files.
    """

    source: str
    split: str
    n: int

    @property
    def identity(self) -> str:
        return f"{self.source}/{self.split}/{self.n}"

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.n))]
        i = range(self.n)[index]
        (values,) = self._rows.with_format("arrow")[i : i + 1].to_pylist()
        return to_example(Row(Path(self.source), i + 1, values), HF_COLUMNS, Place(Path(self.source)))

    @cached_property
    def _rows(self) -> Any:
        rows = _opened(self.source, self.split)
        if len(rows) < self.n:
            raise InputError(
                f"{self.source} has {len(rows):,} rows, not {self.n:,}; ask for at most n={len(rows)}"
            )
        return rows


def clevr_counting(n: int | None = None, split: str = "train", source: str = CLEVR_COUNTING) -> Published:
    """CLEVR CoGenT-A counting, 70,000 rows: how many objects of a rendered scene have some property.

    `n` is how many of them, from the first; all 70,000 if not given. Source: R1-V,
    https://huggingface.co/datasets/leonardPKU/clevr_cogen_a_train; scenes of CLEVR (Johnson et al., 2017).
    """
    if n is not None and n < 1:
        raise InputError(f"n={n} examples cannot be given; ask for at least 1")
    return Published(source, split, CLEVR_COUNTING_ROWS if n is None else n)


@dataclass(frozen=True)
class SuperClevr(Sequence[Example]):
    """The 200 questions below `folder`, read at the first one."""

    folder: Path

    @property
    def identity(self) -> str:
        return f"superclevr-200/{self.folder}"

    def __len__(self) -> int:
        return SUPERCLEVR_ROWS

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        return self._examples[index]

    @cached_property
    def _examples(self) -> tuple[Example, ...]:
        rows = list(rows_of(self.folder / SUPERCLEVR_FILE))
        if len(rows) != SUPERCLEVR_ROWS:
            raise InputError(
                f"{self.folder / SUPERCLEVR_FILE} has {len(rows)} rows, not {SUPERCLEVR_ROWS}; copy it whole"
            )
        return tuple(_superclevr_example(row, self.folder) for row in rows)


def superclevr_200(folder: Path | str) -> SuperClevr:
    """SuperCLEVR-200: 200 counting questions over scenes of another renderer, copied into `folder` by hand.

    Layout: `superclevr_test200_counting_problems.jsonl` with rows `{image_path, question, ground_truth}`,
    and the pictures at `image_path` below the folder. Source: R1-V's repository; scenes of Super-CLEVR (Li
    et al., 2023).
    """
    return SuperClevr(Path(folder))


def _superclevr_example(row: Row, folder: Path) -> Example:
    columns = ("image_path", "question", "ground_truth")
    if set(row.values) != set(columns):
        row.refuse(f"must have the columns {', '.join(columns)}, not {', '.join(row.values)}")
    path, question, truth = (row.values[column] for column in columns)
    if not isinstance(truth, int) or not isinstance(path, str) or not isinstance(question, str):
        row.refuse("must hold a path, a question and a whole number")
    try:
        picture = Image.file(folder / path)
    except InputError as error:
        row.refuse(f"{error}; unpack the pictures of SuperCLEVR below {folder}", error)
    return Example(f"superclevr-{row.number}", question, (picture,), str(truth))


def _opened(source: str, split: str) -> Any:
    """A datasets.Dataset, its pictures still encoded where rows are taken in arrow format."""
    import datasets

    folder = Path(source)
    if not folder.exists():
        return datasets.load_dataset(source, split=split)
    if (folder / "state.json").is_file():
        return datasets.Dataset.load_from_disk(source)
    files: list[Any] = sorted(str(file) for file in folder.rglob(f"{split}*.parquet"))
    if not files:
        raise InputError(f"{folder} holds neither a saved dataset (state.json) nor {split}*.parquet files")
    return datasets.Dataset.from_parquet(files)
