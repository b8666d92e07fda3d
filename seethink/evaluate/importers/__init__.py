"""Files of answers that other tools wrote, by layout: a module for each tool, found by a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from seethink.evaluate.importers import inspect_log, lmms_eval, ours, plain, training_logs, vlmevalkit
from seethink.evaluate.importers.answers import ImportedAnswer, ImportedFile, NamedColumns, built_as_known
from seethink.evaluate.importers.files import OpenedFile, opened
from seethink.types import InputError

__all__ = ["IMPORTERS", "ImportedAnswer", "ImportedFile", "NamedColumns", "read_answers"]


class Importer(NamedTuple):
    """fits: whether a file has the layout. read: its answers. layout: files and columns, for messages."""

    fits: Callable[[OpenedFile], bool]
    read: Callable[[OpenedFile, NamedColumns], ImportedFile]
    layout: str


IMPORTERS: dict[str, Importer] = {
    "seethink": Importer(ours.fits, ours.answers, "attempts.jsonl"),
    "lmms-eval": Importer(
        lmms_eval.fits, lmms_eval.answers, "*_samples_*.jsonl with doc_id and resps or filtered_resps"
    ),
    "inspect_ai": Importer(inspect_log.fits, inspect_log.answers, "a log, .eval or .json"),
    "VLMEvalKit": Importer(
        vlmevalkit.fits, vlmevalkit.answers, ".xlsx, .tsv or .json with prediction and index or question"
    ),
    "verl": Importer(
        training_logs.fits_verl, training_logs.verl, "{step}.jsonl with input, output and score"
    ),
    "TRL": Importer(
        training_logs.fits_trl, training_logs.trl, "completions_*.parquet with step, prompt and completion"
    ),
    "verifiers": Importer(
        training_logs.fits_verifiers,
        training_logs.verifiers,
        "results.jsonl with prompt, completion and reward, or traces.jsonl",
    ),
}
"""The layouts, in the order in which they are tried."""

IN_FOLDERS = (
    *("attempts.jsonl", "*_samples_*.jsonl", "*.eval", "completions_*.parquet", "[0-9]*.jsonl"),
    *("traces.jsonl", "results.jsonl"),
)
"""Names of files that a folder is searched for; the first pattern with a file holds."""


def read_answers(path: Path, columns: NamedColumns | None = None) -> list[ImportedFile]:
    """The answers of a file, or of the files of one kind in a folder, steps in order.

    Raises InputError where the layout is none of `IMPORTERS`; the message says what the file has.
    """
    return [_read(file, columns or NamedColumns()) for file in _files(path)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    for pattern in IN_FOLDERS:
        found = [file for file in path.rglob(pattern) if ".stale" not in file.parts]
        if found:
            return sorted(found, key=lambda f: (f.parent, int(f.stem) if f.stem.isdigit() else 0, f.name))
    raise InputError(f"{path} has none of {', '.join(IN_FOLDERS)}; give the files themselves")


def _read(path: Path, columns: NamedColumns) -> ImportedFile:
    file = opened(path)
    if not file.rows and not file.document and file.archive is None:
        raise InputError(f"{path} has no rows; give a file with answers")
    if columns.filter and "filter" not in file.columns:
        raise InputError(f"{path} has no filters, which are lmms-eval's; leave out --filter")
    if columns.prediction:
        found = plain.answers(file, columns)
    else:
        with built_as_known(str(path)):
            importer = next((one for one in IMPORTERS.values() if one.fits(file)), None)
        if importer is None:
            raise InputError(f"{path} is of no known layout: {_described(file)}; {_KNOWN}")
        with built_as_known(str(path)):
            found = importer.read(file, columns)
    if not found.answers:
        raise InputError(f"{path} has no answers")
    return _with_score(found, columns.score, path) if columns.score else found


def _with_score(file: ImportedFile, name: str, path: Path) -> ImportedFile:
    """The chosen score first."""
    if not any(name in answer.reported for answer in file.answers):
        known = sorted({name for answer in file.answers for name in answer.reported})
        raise InputError(f"{path} reports no {name!r}; it reports {', '.join(known) or 'nothing'}")
    return replace(
        file,
        answers=tuple(
            replace(
                answer,
                reported={key: answer.reported[key] for key in sorted(answer.reported, key=name.__ne__)},
            )
            for answer in file.answers
        ),
    )


def _described(file: OpenedFile) -> str:
    if file.archive is not None:
        return f"an archive with {', '.join(file.archive.names[:5]) or 'nothing'}"
    if file.document:
        return f"an object with {', '.join(list(file.document)[:12])}"
    return f"its columns are {', '.join(sorted(file.columns)[:30]) or 'none'}"


_KNOWN = (
    "known are "
    + "; ".join(f"{importer.layout} ({name})" for name, importer in IMPORTERS.items())
    + "; or name the column of the answers with --prediction-column"
)
