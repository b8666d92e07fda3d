"""Logs of inspect_ai: `.eval` (a zip archive with a JSON file for each sample), or `.json`."""

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
    conversation,
    flat,
    gold_in,
    number_in,
    rows_read,
)
from seethink.evaluate.importers.archive import Archive
from seethink.evaluate.importers.files import OpenedFile
from seethink.types import InputError

_SAMPLE = re.compile(r"samples/[^/]+\.json")
_START, _HEADER = "_journal/start.json", "header.json"
_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Correct, incorrect, partial and no answer, as inspect_ai turns them into numbers."""
_CUT = ("max_tokens", "model_length")


def fits(file: OpenedFile) -> bool:
    if file.archive is not None:
        return bool({_START, _HEADER} & {*file.archive.names})
    return "eval" in file.document and isinstance(file.document.get("samples"), list)


def answers(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """An answer for each sample and epoch."""
    if file.archive is None:
        header: Mapping[str, Any] = file.document
        samples: Iterator[tuple[str, Any]] = ((file.where(i), s) for i, s in enumerate(header["samples"], 1))
    else:
        name = _HEADER if _HEADER in file.archive.names else _START
        header, samples = _json(file.archive, name), _samples(file.archive)
    found = rows_read(samples, lambda sample, where: [_answer(sample, where, file.path.parent)])
    notes = () if header.get("status") in (None, "success") else (f"its status is {header['status']!r}",)
    task = str((header.get("eval") or {}).get("task") or file.path.stem)
    return ImportedFile("inspect_ai", task, found, totals=_totals(header), notes=notes)


def _samples(archive: Archive) -> Iterator[tuple[str, Any]]:
    for name in archive.names:
        if _SAMPLE.fullmatch(name):
            yield f"{archive.path}, {name}", _json(archive, name)


def _json(archive: Archive, name: str) -> Any:
    try:
        found = json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{archive.path}: {name} is not JSON ({error}); copy the file again") from error
    if not isinstance(found, dict):
        raise InputError(f"{archive.path}: {name} is no object; it is no log of inspect_ai")
    return found


def _answer(sample: Mapping[str, Any], where: str, root: Path) -> ImportedAnswer:
    stored = sample.get("attachments") or {}
    asked = conversation(sample.get("input"), root, where, stored)
    sent = conversation(
        [m for m in sample.get("messages") or [] if m.get("source") == "input"], root, where, stored
    )
    output = sample.get("output") or {}
    choice = next(iter(output.get("choices") or []), {})
    usage, error = output.get("usage") or {}, sample.get("error") or {}
    return ImportedAnswer(
        where=where,
        text=str(output.get("completion") or ""),
        question=asked.question,
        prompt=sent.prompt or asked.prompt,
        pictures=() if isinstance(sample.get("input"), str) else asked.pictures,
        gold=target if isinstance(target := sample.get("target"), str) else gold_in(target),
        choices=tuple(map(str, sample.get("choices") or ())),
        number=str(sample.get("id")),
        reported=dict(_scores(sample.get("scores") or {})),
        truncated=choice.get("stop_reason") in _CUT,
        n_tokens=int(usage.get("output_tokens") or 0),
        failed=str(error.get("message") or "an error") if error else "",
        columns=flat({name: sample[name] for name in ("id", "metadata") if name in sample}),
    )


def _scores(scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """{scorer: value}; of a scorer with several values, {scorer/value: number}."""
    for name, score in scores.items():
        value = score.get("value") if isinstance(score, Mapping) else score
        parts = (
            {f"{name}/{key}": part for key, part in value.items()}
            if isinstance(value, Mapping)
            else {name: value}
        )
        for part, one in parts.items():
            number = _GRADES.get(one) if isinstance(one, str) and one in _GRADES else number_in(one)
            if number is not None:
                yield part, number


def _totals(header: Mapping[str, Any]) -> dict[str, float]:
    totals = {}
    for score in (header.get("results") or {}).get("scores") or []:
        for name in ("accuracy", "mean"):
            value = number_in(((score.get("metrics") or {}).get(name) or {}).get("value"))
            if value is not None:
                totals[str(score.get("name"))] = value
    return totals
