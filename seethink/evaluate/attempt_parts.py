"""The attempts of an evaluation while it is under way: one file for each process, joined at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from seethink.evaluate.attempts import AttemptRow, append_rows, attempts_in

QuestionKey = tuple[str, str]
"""(task, id) of a question."""
_JOINED = "attempts.jsonl"


def part_of(out: Path, rank: int) -> Path:
    """The file that process `rank` appends to; that of the first becomes the result."""
    return out / (f"attempts-{rank}.jsonl" if rank else _JOINED)


def _parts(out: Path) -> list[Path]:
    """The files that are there, the first process's first."""
    return [file for file in (out / _JOINED, *sorted(out.glob("attempts-*.jsonl"))) if file.is_file()]


def read_parts(out: Path) -> dict[QuestionKey, list[AttemptRow]]:
    """{question: its attempts} from the files of all processes, without questions that lack some.

    A process may be writing meanwhile, or have been killed while it wrote: an incomplete last line is left
    out, and a question's attempts count once all of them are there. Raises InputError as `read_attempts`
    does.
    """
    complete: dict[QuestionKey, list[AttemptRow]] = {}
    old: dict[QuestionKey, list[AttemptRow]] = {}
    for part in _parts(out):
        begun: dict[QuestionKey, list[AttemptRow]] = {}
        for row in attempts_in(part):
            key = row["task"], row["id"]
            if "samples" not in row:  # written before rows said it
                old.setdefault(key, []).append(row)
                continue
            if key in complete:
                continue
            if row["sample"] == 0:
                begun[key] = []
            begun.setdefault(key, []).append(row)
            if len(begun[key]) == row["samples"]:
                complete[key] = begun.pop(key)
    return old | complete


def join(
    out: Path, attempts: Mapping[QuestionKey, list[AttemptRow]], keys: Sequence[QuestionKey]
) -> list[AttemptRow]:
    """All rows in the order of `keys`, which `out/attempts.jsonl` then holds alone. Rows of other questions
    stay, behind them."""
    rows = [row for key in dict.fromkeys((*keys, *attempts)) for row in attempts[key]]
    _write(out, rows)
    for file in _parts(out)[1:]:
        file.unlink()
    return rows


def drop_failed(out: Path) -> int:
    """Remove the questions with an attempt that was not answered or not judged; returns how many."""
    attempts = read_parts(out)
    failed = {key for key, rows in attempts.items() if any(map(_failed, rows))}
    if failed:
        _write(out, [row for key, rows in attempts.items() if key not in failed for row in rows])
    return len(failed)


def _failed(row: AttemptRow) -> bool:
    return row["stop"] == "unanswered" or row["correct"] is None


def _write(out: Path, rows: Sequence[AttemptRow]) -> None:
    """Replace the joined file."""
    joined = out / _JOINED
    part = joined.with_suffix(".jsonl.part")
    part.unlink(missing_ok=True)
    append_rows(part, rows)
    os.replace(part, joined)
