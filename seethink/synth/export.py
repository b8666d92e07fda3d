"""Write the kept rows of a synthesis as a data set: JSONL, parquet, media, exports in other formats, and a
card.

Everything is built from the ledger, in the order of the data, with one example in memory at a time; equal
ledgers give equal bytes.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seethink.boxes import read_boxes
from seethink.media import Image
from seethink.sources import row_parts, row_writers, writing
from seethink.sources.media_store import MediaStore
from seethink.sources.parquet import BOOLEAN, IMAGES, INTEGER, TEXT, ParquetWriter
from seethink.synth.chain import Chain
from seethink.synth.data_card import data_card
from seethink.synth.draft import Draft
from seethink.synth.ledger import Ledger
from seethink.types import Example, InputError
from seethink.verify.text import read_quantity

ROWS = "rows"
"""Folder of the data set, beside the ledger."""
DATA = "data"
"""Name of the part that every chain has; it is listed first."""
PAIRED = "pairs"
"""Name of the part whose rows are preference pairs, written for DPO; all others are in SeeThink's own
dialect."""
_FEATURES: dict[str, Any] = {
    "id": TEXT, "source": TEXT, "split": TEXT, "license": TEXT, "lang": TEXT,
    "images": IMAGES, "videos": [TEXT], "question": TEXT, "choices": [TEXT],
    "answer": TEXT, "answer_type": TEXT,
    "formal": [{"kind": TEXT, "text": TEXT}],
    "trace": [TEXT], "think": TEXT, "final": TEXT,
    "samples": [{
        "trace": [TEXT], "answer": TEXT, "correct": BOOLEAN, "grade": INTEGER, "band": TEXT, "summary": TEXT,
    }],
    "pref": {"chosen": TEXT, "rejected": TEXT, "round": INTEGER}, "twin_of": TEXT,
    "provenance": [{"step": TEXT, "version": TEXT, "models": [TEXT], "passed": BOOLEAN, "why": TEXT}],
    "meta": TEXT,
}  # fmt: skip
_COLUMNS = ("source", "split", "license", "lang", "formal", "final", "pref", "twin_of", "provenance")
"""Keys of an example's meta that have their own column in parquet."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of a full disk, a reached quota, and a file that exceeds the file system's limit."""


@dataclass(frozen=True)
class WrittenRows:
    """rows: number of rows by part, "data" first. folder: where they are."""

    folder: Path
    rows: Mapping[str, int]


def write_rows(
    ledger: Ledger, chain: Chain, examples: Sequence[Example], out: Path, export_formats: Sequence[str] = ()
) -> WrittenRows:
    """Write the rows of all kept examples to `out`/rows, which is replaced as a whole.

    export_formats: dialects of `sources.row_writers`, each in its own folder. Raises InputError for a full
    disk, for an export format that cannot hold the media, and for a row that cannot be written as JSON.
    """
    folder, part = out / ROWS, out / f".{ROWS}.{os.getpid()}.part"
    for leftover in out.glob(f".{ROWS}.*.part"):
        shutil.rmtree(leftover)
    part.mkdir(parents=True)
    try:
        counts = _write_parts(ledger, chain, examples, part)
        for format_name in export_formats:
            for name in counts:
                if (name == PAIRED) == (format_name == "dpo"):
                    rows = (row for row_part, row, _ in _rows(ledger, chain, examples) if row_part == name)
                    writing.write(rows, part / "exports" / format_name / name, format_name)
        (part / "README.md").write_text(data_card(ledger, chain, counts), encoding="utf-8")
        _replace_folder(part, folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(
            f"the disk of {out} is full ({error.strerror}); free some space and run the same command again"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return WrittenRows(folder, counts)


def _replace_folder(part: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old.part")
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)


def _rows(ledger: Ledger, chain: Chain, examples: Sequence[Example]) -> Iterator[tuple[str, Example, Draft]]:
    """(part, row, its draft) of every kept row; the row's meta has its provenance."""
    for record in ledger.examples("kept"):
        draft = Draft.from_json(examples[record.index], record.draft)
        provenance = _provenance(draft)
        for name, row in chain.build_rows(draft):
            yield name, replace(row, meta={**row.meta, "provenance": provenance}), draft


def _provenance(draft: Draft) -> list[dict[str, Any]]:
    return [
        {
            "step": record.step,
            "version": record.version,
            "models": list(record.models),
            "passed": record.verdict.passed if record.verdict else None,
            "why": record.verdict.why if record.verdict else None,
        }
        for record in draft.trace
    ]


def _write_parts(ledger: Ledger, chain: Chain, examples: Sequence[Example], part: Path) -> dict[str, int]:
    """Write the files of all parts; the number of rows of each."""
    store, counts = MediaStore(part, copy=True), Counter[str]()
    with ExitStack() as stack:
        writers: dict[str, _PartWriter] = {}
        for name, row, draft in _rows(ledger, chain, examples):
            if name not in writers:
                writers[name] = stack.enter_context(_PartWriter(part, name, store))
            writers[name].add(row, draft)
            counts[name] += 1
    names = [name for name in (DATA, *counts) if name in counts]
    return {name: counts[name] for name in names}


class _PartWriter:
    """Writer of the two files of a part: JSONL and parquet."""

    def __init__(self, folder: Path, name: str, store: MediaStore) -> None:
        self.store = store
        self.writer = row_writers.ROW_WRITERS["dpo" if name == PAIRED else "ours"]
        self.lines = (folder / f"{name}.jsonl").open("w", encoding="utf-8")
        self.table = ParquetWriter(folder / f"{name}.parquet", _FEATURES)

    def __enter__(self) -> _PartWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.lines.close()
        self.table.__exit__(*error)

    def add(self, row: Example, draft: Draft) -> None:
        columns = row_writers.filled(self.writer.row(row, self.store))
        self.lines.write(row_parts.as_json(columns, row.id) + "\n")
        self.table.add(_columns(row, draft, self.store))


def _columns(row: Example, draft: Draft, store: MediaStore) -> dict[str, Any]:
    """The row in the union of the columns of the nine systems' data sets; paths of clips are relative to the
    folder."""
    meta = dict(row.meta)
    from_meta = {name: meta.pop(name) for name in _COLUMNS if name in meta}
    return {
        **from_meta,
        "id": row.id,
        "images": [store.embedded(medium) for medium in row.media if isinstance(medium, Image)],
        "videos": [store.path(medium) for medium in row.media if medium.kind == "video"],
        "question": row_parts.question_of(row),
        "choices": list(row.choices),
        "answer": row.answer,
        "answer_type": answer_type(row),
        "trace": list(row.steps),
        "think": "\n\n".join(row.steps) or None,
        "samples": [asdict(path) | {"trace": list(path.steps)} for path in draft.paths],
        "meta": row_parts.as_json(meta, row.id) if meta else None,
    }


def answer_type(example: Example) -> str | None:
    """The kind of the answer: "mcq", "bbox", "number", "latex" or "text"; None without an answer."""
    if example.answer is None:
        return None
    if example.choices:
        return "mcq"
    if read_boxes(example.answer):
        return "bbox"
    if read_quantity(example.answer):
        return "number"
    return "latex" if "\\" in example.answer else "text"
