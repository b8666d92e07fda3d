"""Evaluations on disk as arms of a comparison: their attempts, and under what conditions they were made."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import AttemptRow
from seethink.evaluate.joining import placed_attempts
from seethink.identity import digest
from seethink.types import InputError

_ATTEMPTS, _STAGE = "attempts.jsonl", "stage.json"


@dataclass(frozen=True)
class ComparedArm:
    """An evaluation. rows: its attempts, with absolute paths of their pictures. headline: the part of the
    score that counts. conditions: {name: what was recorded of it, in words}, without what was not recorded.
    asked: {task: number of its questions}, where that was recorded."""

    name: str
    file: Path
    rows: tuple[AttemptRow, ...] = field(repr=False)
    headline: str = "correct"
    conditions: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)


def read_arms(names: Sequence[str]) -> dict[str, ComparedArm]:
    """The arms in files and folders, {name: arm}, in order. `NAME=PATH` names an arm; others are named by
    what tells their paths apart. A folder of a run gives an arm for each of its evaluations. Raises
    InputError where there are none, where two have one name, and for rows that cannot be compared."""
    given = [_named(word) for word in names]
    files = [(name, file, len(own)) for name, path in given for own in [_evaluations(path)] for file in own]
    short = _short_names([file for _, file, _ in files])
    found: dict[str, ComparedArm] = {}
    for (name, file, n), tail in zip(files, short, strict=True):
        arm = f"{name}: {tail}" if name and n > 1 else name or tail
        if arm in found:
            raise InputError(f"{file} and {found[arm].file} are both named {arm}; write NAME={file}")
        found[arm] = _arm(arm, file)
    return found


def _named(word: str) -> tuple[str, Path]:
    name, equals, path = word.partition("=")
    return (name, Path(path)) if equals and not Path(word).exists() else ("", Path(word))


def _evaluations(path: Path) -> list[Path]:
    """The attempts.jsonl of all evaluations in a folder, the earliest first, or the file that `path` is."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"there is no {path}; name a run, a folder of an evaluation or an attempts.jsonl")
    if (path / _ATTEMPTS).is_file():
        return [path / _ATTEMPTS]
    files = [file for file in path.rglob(_ATTEMPTS) if ".stale" not in file.parts and not _is_training(file)]
    if not files:
        raise InputError(
            f"{path} holds no evaluation (attempts.jsonl); run `seethink eval`, or name a folder that "
            "`seethink eval`, `run` or `rescore` wrote"
        )
    return sorted(files, key=lambda file: (str(_record(file).get("started", "")), str(file)))


def _is_training(file: Path) -> bool:
    """Whether the attempts are a training's: their rows have a step."""
    with file.open(encoding="utf-8") as lines:
        first = next(lines, "")
    try:
        row = json.loads(first) if first.strip() else {}
    except json.JSONDecodeError as error:
        raise InputError(f"{file}, line 1 is not JSON ({error}); move it away") from error
    return isinstance(row, dict) and row.get("step") is not None


def _short_names(files: Sequence[Path]) -> list[str]:
    """What tells the folders of the files apart: their parts without those that all have in common at the
    beginning or the end."""
    parts = [list((file.parent if file.name == _ATTEMPTS else file).parts) for file in files]
    if len(parts) < 2:
        return [own[-1] for own in parts]
    while all(len(own) > 1 for own in parts) and len({own[0] for own in parts}) == 1:
        parts = [own[1:] for own in parts]
    while all(len(own) > 1 for own in parts) and len({own[-1] for own in parts}) == 1:
        parts = [own[:-1] for own in parts]
    return ["/".join(own) for own in parts]


def _record(file: Path) -> dict[str, Any]:
    """stage.json beside the attempts; empty if there is none."""
    record = file.with_name(_STAGE)
    if not record.is_file():
        return {}
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{record} is no record of a stage ({error}); move it away") from error
    if not isinstance(found, dict):
        raise InputError(f"{record} is no record of a stage; move it away")
    return found


def _arm(name: str, file: Path) -> ComparedArm:
    record = _record(file)
    tasks = [one for one in (record.get("inputs") or {}).get("tasks") or () if isinstance(one, dict)]
    headline = next((one["headline"] for one in tasks if "headline" in one), "correct")
    rows = tuple(_complete(row, file, headline) for row in placed_attempts(file))
    if not rows:
        raise InputError(f"{file} holds no attempts yet; wait for the evaluation, or leave it out")
    asked = {one["name"]: one["questions"] for one in tasks if "name" in one and "questions" in one}
    return ComparedArm(name, file, rows, headline, _conditions(rows, record, tasks), asked)


def _complete(row: AttemptRow, file: Path, headline: str) -> AttemptRow:
    """A row with what other programs' rows may lack. Raises InputError for a score on another scale."""
    parts = row["parts"] or {}
    value = row["correct"] if "correct" in row else parts.get(headline, row)["value"]
    if value is not None and not (
        isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1
    ):
        raise InputError(
            f"{file}: the score {value!r} of {row['id']} is no share between 0 and 1; divide every score of "
            "the task by the best possible one"
        )
    correct = None if value is None else float(value)
    said = row.get("said")
    usual = {"stop": "stop", "said": None, "by_steps": False, "fault": None, "n_tokens": None}
    lenient = row.get("lenient") or {"value": correct, "said": said, "why": ""}
    return {**usual, **row, "parts": parts, "correct": correct, "lenient": lenient}


def _conditions(
    rows: Sequence[AttemptRow], record: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """What decides a score besides the model, as far as it was recorded."""
    asked = dict.fromkeys(f"{row['format']}, {row['mode']}" for row in rows if row.get("mode"))
    frames = dict.fromkeys(_frames(clip) for row in rows for clip in row.get("clips") or ())
    wordings = dict.fromkeys(_recorded(one["format"]) for one in tasks if one.get("format"))
    verifiers = dict.fromkeys(_recorded(one["verifier"]) for one in tasks if one.get("verifier"))
    results = (record.get("result") or {}).values()
    records = [one["record"] for one in results if isinstance(one, dict) and "record" in one]
    pixels = dict.fromkeys(_words(one["pixels"]) for one in records if one.get("pixels"))
    versions = record.get("versions") or {}
    found = {
        "prompts": "; ".join(asked),
        "wording of the prompts": "; ".join(wordings),
        "decoding": _words(record.get("config")),
        "verifiers": "; ".join(verifiers),
        "pixels": "; ".join(pixels),
        "frames of clips": "; ".join(frames),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return {name: words for name, words in found.items() if words}


def _frames(clip: Any) -> str:
    """The frames that were chosen of a clip, without its place."""
    if not isinstance(clip, Mapping):
        return str(clip)
    return _words({name: clip[name] for name in ("count", "every_s", "max_px") if clip.get(name) is not None})


def _recorded(value: Any) -> str:
    """A format or verifier: the names in it, and a digest that changes with anything else."""
    names: list[str] = []

    def collect(part: Any) -> None:
        for name, inner in part.items() if isinstance(part, Mapping) else ():
            if name in ("is", "name") and isinstance(inner, str):
                names.append(inner.rpartition(".")[2])
            collect(inner)
        for inner in part if isinstance(part, list) else ():
            collect(inner)

    collect(value)
    return f"{' '.join(dict.fromkeys(names))} ({digest(value)[:8]})"


def _words(value: Any) -> str:
    """A recorded value on one line: {"class": "Sampling", "n": 1} -> "Sampling, n 1"."""
    if isinstance(value, Mapping):
        return ", ".join(
            _words(part) if name == "class" else f"{name} {_words(part)}"
            for name, part in value.items()
            if part is not None
        )
    if isinstance(value, list):
        return f"[{'; '.join(map(_words, value))}]"
    return "" if value is None else str(value)
