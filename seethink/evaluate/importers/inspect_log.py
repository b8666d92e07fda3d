"""Logs of inspect_ai: `.eval` (a zip archive with a JSON file for each sample), or `.json`.

A sample of an archive is `samples/{id}_epoch_{n}.json`, where an id may have slashes, or the folder of this
name, in which its attachments are lists of texts in files named by their first number.
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
    conversation,
    flat,
    gold_in,
    number_in,
    reply,
    rows_read,
)
from seethink.evaluate.importers.archive import Archive
from seethink.evaluate.importers.files import OpenedFile
from seethink.types import InputError

_SAMPLE = re.compile(r"samples/.+\.json")
_SHELL = re.compile(r"(samples/.+_epoch_\d+/)sample\.json")
_ATTACHMENTS = re.compile(r"attachments/(\d+)\.json")
_SUMMARIES = "summaries.json"
_START, _HEADER = "_journal/start.json", "header.json"
_KINDS = {dict: "object", list: "list"}
_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Correct, incorrect, partial and no answer, as inspect_ai turns them into numbers."""
_CUT = ("max_tokens", "model_length")


def fits(file: OpenedFile) -> bool:
    if file.archive is not None:
        return bool({_START, _HEADER} & {*file.archive.names})
    return "eval" in file.document and bool({"samples", "status"} & {*file.document})


def answers(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """An answer for each sample and epoch."""
    if file.archive is None:
        header: Mapping[str, Any] = file.document
        samples: Iterator[tuple[str, Any]] = (
            (file.where(i), s) for i, s in enumerate(header.get("samples") or (), 1)
        )
    else:
        name = _HEADER if _HEADER in file.archive.names else _START
        header, samples = _json(file.archive, name), _samples(file.archive)
    found = rows_read(samples, lambda sample, where: [_answer(sample, where, file.path.parent)])
    notes = [] if header.get("status") in (None, "success") else [f"its status is {header['status']!r}"]
    if (listed := _listed(file.archive)) > len(found):
        notes.append(f"it lists {listed:,} samples and holds {len(found):,} of them")
    task = str((header.get("eval") or {}).get("task") or file.path.stem)
    return ImportedFile("inspect_ai", task, found, totals=_totals(header), notes=tuple(notes))


def _samples(archive: Archive) -> Iterator[tuple[str, Any]]:
    folders = {match[1]: name for name in archive.names if (match := _SHELL.fullmatch(name))}
    inside = tuple(folders)
    for name in archive.names:
        if name in folders.values():
            yield f"{archive.path}, {name}", _of_folder(archive, name.removesuffix("sample.json"))
        elif _SAMPLE.fullmatch(name) and not name.startswith(inside):
            yield f"{archive.path}, {name}", _json(archive, name)


def _of_folder(archive: Archive, folder: str) -> dict[str, Any]:
    """The sample of a folder, with its attachments by their numbers."""
    inner = {name: name.removeprefix(folder) for name in archive.names if name.startswith(folder)}
    chunks = {int(match[1]): name for name, rest in inner.items() if (match := _ATTACHMENTS.fullmatch(rest))}
    stored = {
        str(start + i): text
        for start, name in chunks.items()
        for i, text in enumerate(_json(archive, name, list))
    }
    metadata = _json(archive, f"{folder}metadata.json") if f"{folder}metadata.json" in inner else {}
    return {**_json(archive, f"{folder}sample.json"), "attachments": stored, "metadata": metadata}


def _listed(archive: Archive | None) -> int:
    """How many samples an archive's summaries list; 0 without them."""
    has = archive is not None and _SUMMARIES in archive.names
    return len(_json(archive, _SUMMARIES, list)) if archive and has else 0


def _json(archive: Archive, name: str, kind: type = dict) -> Any:
    try:
        found = json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{archive.path}: {name} is not JSON ({error}); copy the file again") from error
    if not isinstance(found, kind):
        raise InputError(f"{archive.path}: {name} is no {_KINDS[kind]}; it is no log of inspect_ai")
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
        text=_completion(output, choice, stored),
        question=asked.question,
        prompt=sent.prompt or asked.prompt,
        pictures=() if isinstance(sample.get("input"), str) else asked.pictures,
        gold=target if isinstance(target := sample.get("target"), str) else gold_in(target),
        choices=tuple(map(str, sample.get("choices") or ())),
        number=str(sample.get("id")),
        reported=dict(_scores(sample.get("scores") or {"score": sample.get("score")})),
        truncated=choice.get("stop_reason") in _CUT,
        n_tokens=int(usage.get("output_tokens") or 0),
        failed=str(error.get("message") or "an error") if error else "",
        columns=flat({name: sample[name] for name in ("id", "metadata") if name in sample}),
    )


def _completion(output: Mapping[str, Any], choice: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    """The text of the first choice, which old logs also hold by itself."""
    text = str(output.get("completion") or "") or reply([choice.get("message") or {}])
    return str(stored.get(text.removeprefix("attachment://"), text)) if stored else text


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
