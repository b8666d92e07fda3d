"""lmms-eval's samples (`*_samples_*.jsonl` of `--log_samples`), and the one file of its first releases.

0.7 leaves `doc` and `arguments` out, unwraps lists of one, and leaves `resps` out where they equal
`filtered_resps`; earlier files have all of them, as lists in lists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.importers.answers import (
    ImportedAnswer,
    ImportedFile,
    NamedColumns,
    choices_in,
    flat,
    gold_in,
    number_in,
    numbers_of,
    rows_read,
)
from seethink.evaluate.importers.files import OpenedFile
from seethink.types import InputError

_OWN = (
    *("doc_id", "doc", "target", "arguments", "input", "resps", "filtered_resps", "token_counts", "filter"),
    *("doc_hash", "prompt_hash", "target_hash", "input_media", "per_sample_scores"),
)
_SAMPLES = re.compile(r"(?P<run>.+)_samples_(?P<task>.+)")
_FAILED = re.compile(r"\[LMMS_EVAL_(REQUEST_FAILED|BUDGET_EXCEEDED)")
_NO_TARGET = (None, "None", "", "nan")
_QUESTION = ("question", "query", "problem")


def fits(file: OpenedFile) -> bool:
    if isinstance(file.document.get("logs"), list):
        return True
    if "results" in file.document and ("configs" in file.document or "n-samples" in file.document):
        raise InputError(
            f"{file.path} holds lmms-eval's totals and no answers; give the *_samples_*.jsonl files beside "
            "it, which --log_samples writes"
        )
    return "doc_id" in file.columns and bool(file.columns & {"resps", "filtered_resps"})


def answers(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """An answer for each response; a document that was asked several times has several. Of rows that differ
    in their filter alone, those of one."""
    rows = file.rows or list(enumerate(file.document.get("logs", ()), 1))
    filters = list(dict.fromkeys(str(row["filter"]) for _, row in rows if "filter" in row))
    kept = columns.filter or next(iter(filters), "none")
    if columns.filter and kept not in filters:
        raise InputError(f"{file.path} has no filter {kept!r}; it has {', '.join(filters)}")
    note = (
        f"each document is in the file once for each of the filters {', '.join(filters)}: the rows of {kept} "
        "are kept; --filter chooses another"
    )
    if filters:
        rows = [(number, row) for number, row in rows if str(row.get("filter")) == kept]
    if all(row.get("target") in _NO_TARGET for _, row in rows):  # 0.7 writes a missing one as its text
        rows = [(number, {**row, "target": None}) for number, row in rows]
    named = _SAMPLES.fullmatch(file.path.name.removesuffix(".jsonl"))
    task = named["task"] if named else file.path.stem
    return ImportedFile(
        "lmms-eval",
        task,
        rows_read(((file.where(number), row) for number, row in rows), _of_row),
        totals=_totals(file.path.with_name(f"{named['run']}_results.json"), task, kept) if named else {},
        notes=(note,) if len(filters) > 1 else (),
    )


def _of_row(row: Mapping[str, Any], where: str) -> Iterator[ImportedAnswer]:
    held = row.get("doc")
    doc: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
    texts = list(_texts(row.get("resps") or row.get("filtered_resps")))
    options, unread = choices_in(doc)
    question = next((str(doc[name]) for name in _QUESTION if isinstance(doc.get(name), str)), "")
    counts = row.get("token_counts") or [None]
    for i, text in enumerate(texts or [None]):
        count = counts[min(i, len(counts) - 1)] if isinstance(counts, list) else None
        yield ImportedAnswer(
            where=where,
            text=text or "",
            question=question,
            prompt=next(_texts(row.get("input") or row.get("arguments")), ""),
            gold=gold_in(row.get("target")),
            choices=options,
            unread=unread,
            number=str(row["doc_id"]),
            reported=numbers_of(row, _OWN),
            n_tokens=int(count.get("output_tokens") or 0) if isinstance(count, Mapping) else 0,
            failed=_failure(text),
            columns=flat(row),
        )


def _failure(text: str | None) -> str:
    if text is None:
        return "the row has likelihoods of options and no text"
    return text if _FAILED.match(text) else ""


def _texts(value: Any) -> Iterator[str]:
    """The texts in lists of any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _totals(path: Path, task: str, kept: str) -> dict[str, float]:
    """{metric: value} of the results beside the samples, of the kept filter; empty if there are none."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["results"].get(task, {})
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is no results file of lmms-eval ({error!r}); move it away") from error
    names = [name for name in found if "stderr" not in name and name.endswith(f",{kept}")]
    values = {name.removesuffix(f",{kept}"): number_in(found[name]) for name in names}
    return {name: value for name, value in values.items() if value is not None}
