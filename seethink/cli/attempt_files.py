"""What `seethink look` shows: the attempts of runs, each under its arm, or unanswered questions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seethink.evaluate.joining import PREVIEW
from seethink.types import InputError

_ATTEMPTS, _METRICS, _STAGE = "attempts.jsonl", "metrics.jsonl", "stage.json"


def attempts_of(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of every attempts.jsonl in `paths`, or of those that `paths` are, with absolute paths of their
    pictures and the name of their arm: evaluations first, the earliest before the others, then trainings.
    A lone arm needs no name. Empty if there are none. Raises InputError for one of several paths without
    attempts."""
    arms: list[tuple[str, list[dict[str, Any]]]] = []
    for path in paths:
        files = _files(path, _ATTEMPTS)
        if not files and path.is_dir() and trainings_of([path]):
            raise InputError(
                f"{path} holds no attempts: SFT and DPO sample none; evaluate its checkpoint first"
            )
        if not files and len(paths) > 1:
            raise InputError(
                f"{path} holds no attempts to show beside others; name folders that `seethink eval`, `train` "
                "or `run` wrote"
            )
        read = [(file, [placed(row, file) for row in _with_tokens(file)]) for file in files]
        read.sort(key=lambda item: (any(row.get("step") is not None for row in item[1]), _started(item[0])))
        arms += [(_name(file, path, len(files), len(paths)), rows) for file, rows in read]
    rows = [row | {"arm": name if len(arms) > 1 else ""} for name, rows in arms for row in rows]
    if arms and not rows:
        raise InputError(f"{paths[0]} holds no attempts yet; look again when its first step is done")
    return rows


def _with_tokens(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of an attempts.jsonl, with the tokens that its training recorded of them."""
    from seethink.evaluate.attempts import read_attempts
    from seethink.evaluate.token_rows import tokens_of

    recorded, seen = tokens_of(file), Counter[tuple[Any, str]]()
    for row in read_attempts(file):
        place = (row.get("step"), row["id"])
        tokens = recorded.get((*place, seen[place]))
        seen[place] += 1
        # two processes that ask the same example number its completions each for itself
        fits = tokens is not None and len(tokens["text"]) == row["n_tokens"]
        yield row | {"tokens": tokens} if fits else row


def live_attempts(paths: Sequence[Path]) -> dict[str, Path]:
    """{arm: attempts.jsonl} of what is in `paths` by now; evaluations first."""
    named: dict[str, Path] = {}
    for path in paths:
        files = _files(path, _ATTEMPTS)
        files.sort(key=lambda file: (file.with_name(_METRICS).is_file(), _started(file)))
        for file in files:
            named[_name(file, path, len(files), len(paths)) or path.resolve().name] = file
    return named


def trainings_of(paths: Sequence[Path]) -> dict[str, Path]:
    """{arm: metrics.jsonl} of all trainings in the folders, or of those whose attempts.jsonl `paths` are."""
    found = {}
    for path in paths:
        files = _files(path, _METRICS) if path.is_dir() else [path.with_name(_METRICS)]
        if path.is_file() and path.name != _ATTEMPTS:
            continue
        named = {_name(file, path, len(files), len(paths)) or path.resolve().name: file for file in files}
        found |= {name: file for name, file in named.items() if file.is_file()}
    return found


def questions_of(path: Path, temporary: Path) -> list[dict[str, Any]]:
    """Examples of a data file in the form of attempts without an answer; their media are copied to
    `temporary`."""
    from seethink import media
    from seethink.evaluate.attempts import transcript
    from seethink.sources import records

    return [
        {
            "task": path.stem,
            "id": example.id,
            "question": transcript(example),
            "media": [
                str(temporary / media.save_preview(medium, temporary / "media")) for medium in example.media
            ],
            "clips": [medium.key for medium in example.media if medium.kind == "video"],
            "gold": example.answer,
            "meta": dict(example.meta),
        }
        for example in records.read(path, answered=False)
    ]


def _files(path: Path, name: str) -> list[Path]:
    """`path` itself, or the files of this name in the folder, but for what was moved away as stale."""
    if path.is_file():
        return [path] if path.name == name else []
    return [file for file in sorted(path.rglob(name)) if ".stale" not in file.parts]


def _name(file: Path, path: Path, n_files: int, n_paths: int) -> str:
    """An arm: its stage within a single path; of several, the path, with the stage if it has several."""
    stage = "" if path.is_file() or file.parent == path else str(file.parent.relative_to(path))
    if n_paths == 1:
        return stage
    of_path = str(path.parent if path.is_file() else path)
    return f"{of_path}: {stage}" if stage and n_files > 1 else of_path


def _started(file: Path) -> tuple[str, str]:
    """When the stage of `file` began, as text that sorts; its path where that is not recorded."""
    record = file.with_name(_STAGE)
    try:
        started = json.loads(record.read_text(encoding="utf-8"))["started"] if record.is_file() else ""
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{record} is no record of a stage ({error}); move it away") from error
    return str(started), str(file)


def with_found_pictures(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """(the rows, in which a picture that is not on disk is the one of the same name of another row, how many
    pictures no row has). A row that lacks some has none, and names all of its own in `lost`.

    Only for names of previews, which are hashes of what they show.
    """
    files = {file for row in rows for file in row.get("media") or ()}
    there = {file: file for file in sorted(files) if Path(file).is_file()}
    by_name = {Path(file).name: file for file in there if PREVIEW.fullmatch(Path(file).name)}
    found = {file: there.get(file) or by_name.get(Path(file).name) for file in files}
    kept = []
    for row in rows:
        own = [found[file] for file in row.get("media") or ()]
        kept.append(row | ({"media": [], "lost": row["media"]} if None in own else {"media": own}))
    return kept, len({Path(file).name for file, one in found.items() if one is None})


def placed(row: dict[str, Any], file: Path) -> dict[str, Any]:
    """A row of `file`, whose pictures lie in the folder of its run, with absolute paths to them."""
    run = next((parent for parent in file.resolve().parents if (parent / "media").is_dir()), file.parent)
    return row | {"media": [str(run / name) for name in row["media"]]}
