"""What a synthesis kept, as a data set: each part as JSONL and parquet, their media, views, and a data card.

It is made of the ledger alone, in the order of the data, one example in memory at a time; equal ledgers give
equal bytes.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seethink.boxes import read_boxes
from seethink.media import Image
from seethink.sources import layouts, writing
from seethink.sources.shelf import Shelf
from seethink.sources.table import IMAGES, TEXT, TRUTH, WHOLE, Table
from seethink.synth.card import card
from seethink.synth.chain import Chain
from seethink.synth.draft import Draft
from seethink.synth.ledger import Ledger
from seethink.types import Example, InputError
from seethink.verify.text import read_quantity

ROWS = "rows"
"""The folder of the data set, beside the ledger."""
DATA = "data"
"""The part that every chain has, named first."""
PAIRED = "pairs"
"""The part whose rows are two responses; it is written as DPO takes it, every other in our own dialect."""
_FEATURES: dict[str, Any] = {
    "id": TEXT, "source": TEXT, "split": TEXT, "license": TEXT, "lang": TEXT,
    "images": IMAGES, "videos": [TEXT], "question": TEXT, "choices": [TEXT],
    "answer": TEXT, "answer_type": TEXT,
    "formal": [{"kind": TEXT, "text": TEXT}],
    "trace": [TEXT], "think": TEXT, "final": TEXT,
    "samples": [{
        "trace": [TEXT], "answer": TEXT, "correct": TRUTH, "grade": WHOLE, "band": TEXT, "summary": TEXT,
    }],
    "pref": {"chosen": TEXT, "rejected": TEXT, "round": WHOLE}, "twin_of": TEXT,
    "provenance": [{"step": TEXT, "version": TEXT, "models": [TEXT], "passed": TRUTH, "why": TEXT}],
    "meta": TEXT,
}  # fmt: skip
_COLUMNS = ("source", "split", "license", "lang", "formal", "final", "pref", "twin_of", "provenance")
"""What stands in an example's meta and has a column of its own in parquet."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""A disk, somebody's share of it, or a file system's longest file."""


@dataclass(frozen=True)
class Written:
    """Rows by part, those of "data" first; where they are."""

    folder: Path
    rows: Mapping[str, int]


def write(
    ledger: Ledger, chain: Chain, examples: Sequence[Example], out: Path, views: Sequence[str] = ()
) -> Written:
    """All that was kept so far, as `out`/rows, which is replaced as a whole. views: dialects of
    `sources.layouts`, each in a folder of its own.

    Raises InputError for a full disk, a view that cannot hold the media, and a row that is no JSON.
    """
    folder, part = out / ROWS, out / f".{ROWS}.{os.getpid()}.part"
    for left in out.glob(f".{ROWS}.*.part"):
        shutil.rmtree(left)
    part.mkdir(parents=True)
    try:
        counts = _parts(ledger, chain, examples, part)
        for view in views:
            for name in counts:
                if (name == PAIRED) == (view == "dpo"):
                    told = (row for named, row in _rows(ledger, chain, examples) if named == name)
                    writing.write(told, part / "views" / view / name, view)
        (part / "README.md").write_text(card(ledger, chain, counts), encoding="utf-8")
        _swap(part, folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(
            f"the disk of {out} is full ({error.strerror}); make room, and the same command writes the rows"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Written(folder, counts)


def _swap(part: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old.part")
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)


def _rows(ledger: Ledger, chain: Chain, examples: Sequence[Example]) -> Iterator[tuple[str, Example]]:
    for name, row, _ in _drafted(ledger, chain, examples):
        yield name, row


def _drafted(
    ledger: Ledger, chain: Chain, examples: Sequence[Example]
) -> Iterator[tuple[str, Example, Draft]]:
    """(part, row, the draft that it is of). Every row tells in its meta by which steps it went."""
    for done in ledger.finished("kept"):
        draft = Draft.of(examples[done.at], done.draft)
        walked = _provenance(draft)
        for name, row in chain.emit(draft):
            yield name, replace(row, meta={**row.meta, "provenance": walked}), draft


def _provenance(draft: Draft) -> list[dict[str, Any]]:
    return [
        {
            "step": stop.step,
            "version": stop.version,
            "models": list(stop.models),
            "passed": stop.verdict.passed if stop.verdict else None,
            "why": stop.verdict.why if stop.verdict else None,
        }
        for stop in draft.walk
    ]


def _parts(ledger: Ledger, chain: Chain, examples: Sequence[Example], part: Path) -> dict[str, int]:
    shelf, counts = Shelf(part, copy=True), Counter[str]()
    with ExitStack() as stack:
        files: dict[str, Callable[[Example, Draft], None]] = {}
        for name, row, draft in _drafted(ledger, chain, examples):
            if name not in files:
                files[name] = stack.enter_context(_Part(part, name, shelf))
            files[name](row, draft)
            counts[name] += 1
    first = [name for name in (DATA, *counts) if name in counts]
    return {name: counts[name] for name in first}


class _Part:
    """The two files of a part; called with each of its rows."""

    def __init__(self, folder: Path, name: str, shelf: Shelf) -> None:
        self.shelf = shelf
        self.layout = layouts.LAYOUTS["dpo" if name == PAIRED else "ours"]
        self.lines = (folder / f"{name}.jsonl").open("w", encoding="utf-8")
        self.table = Table(folder / f"{name}.parquet", _FEATURES)

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *error: Any) -> None:
        self.lines.close()
        self.table.__exit__(*error)

    def __call__(self, row: Example, draft: Draft) -> None:
        told = layouts.filled(self.layout.row(row, self.shelf))
        self.lines.write(layouts.as_json(told, row.id) + "\n")
        self.table.add(_columns(row, draft, self.shelf))


def _columns(row: Example, draft: Draft, shelf: Shelf) -> dict[str, Any]:
    """The row in the columns that the nine systems' data have between them; paths of clips begin at the
    folder."""
    meta = dict(row.meta)
    told = {name: meta.pop(name) for name in _COLUMNS if name in meta}
    return {
        **told,
        "id": row.id,
        "images": [shelf.held(medium) for medium in row.media if isinstance(medium, Image)],
        "videos": [shelf.path(medium) for medium in row.media if medium.kind == "video"],
        "question": layouts.marked(row),
        "choices": list(row.choices),
        "answer": row.answer,
        "answer_type": answer_type(row),
        "trace": list(row.steps),
        "think": "\n\n".join(row.steps) or None,
        "samples": [asdict(path) | {"trace": list(path.steps)} for path in draft.paths],
        "meta": layouts.as_json(meta, row.id) if meta else None,
    }


def answer_type(example: Example) -> str | None:
    """ "mcq", "bbox", "number", "latex" or "text"; None without an answer."""
    if example.answer is None:
        return None
    if example.choices:
        return "mcq"
    if read_boxes(example.answer):
        return "bbox"
    if read_quantity(example.answer):
        return "number"
    return "latex" if "\\" in example.answer else "text"
