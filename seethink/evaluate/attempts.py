"""Rows of attempts.jsonl and metrics.jsonl: build, append, read, and repair a file cut by a kill."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from seethink import media
from seethink.attempt import headline, lenient
from seethink.boxes import read_boxes
from seethink.formats import by_steps
from seethink.types import Example, InputError, Rollout, Task

AttemptRow = dict[str, Any]
"""A line of attempts.jsonl."""
Verdict = Literal["wrong", "partly", "right"]
VERDICTS: tuple[Verdict, ...] = ("wrong", "partly", "right")
"""From the worst to the best. A score has full credit, none, or a part of it."""
AttemptVerdict = Verdict | None
"""None: could not be judged."""

RIGHT_FROM = 0.5
"""An overlap of boxes counts as right from this value on, and else as wrong, as is common; so does what must
be one or the other, as when two verifiers are compared."""
FULL = 1 - 1e-9
"""Full credit, rounding errors apart."""

_FIELDS = ("task", "id", "question", "media", "gold", "text", "value", "why", "parts")


def attempt_row(task: Task, rollout: Rollout, media_folder: Path, step: int | None = None) -> AttemptRow:
    """A rollout as a row of attempts.jsonl. Its pictures are saved under `media_folder`, each once.

    step: optimiser step of a training, None in an evaluation.
    """
    example, response, score = rollout.example, rollout.response, rollout.score
    lenient_response, lenient_score = lenient(task, rollout)
    return {
        "task": task.name,
        "format": task.format.name,
        "mode": task.format.prompt_mode,
        "id": example.id,
        "step": step,
        "question": transcript(example),
        "media": [media.save_preview(medium, media_folder) for medium in example.media],
        "clips": [medium.frame_selection for medium in example.media if isinstance(medium, media.Video)],
        "gold": example.answer,
        "choices": list(example.choices),
        "meta": {k: v for k, v in example.meta.items() if isinstance(v, str | int | float)},
        "text": response.text,
        **({"earlier": list(response.earlier)} if response.earlier else {}),
        "thought": response.thought,
        "said": response.answer,
        "boxes": None if response.boxes is None else [box.corners for box in response.boxes],
        "points": response.points,
        "frame": None if response.frame is None else asdict(response.frame),
        "stop": response.stop,
        "n_tokens": response.n_tokens,
        "fault": response.fault,
        "value": score.value,
        "why": score.why,
        "parts": {
            name: {"value": part.value, "why": part.why}
            | ({"unread": True} if part.unread else {})
            | ({"parts": {inner: one.value for inner, one in part.parts.items()}} if part.parts else {})
            for name, part in score.parts.items()
        },
        "correct": headline(task, score).value,
        "lenient": {
            "value": lenient_score.value,
            "said": lenient_response.answer,
            "why": lenient_score.why,
        },
        "by_steps": by_steps(response.text),
        "usage": None if rollout.usage is None else asdict(rollout.usage),
        "way": [part._asdict() for part in rollout.parts],
    }


def transcript(example: Example) -> str:
    """The question; with the turns before it, one paragraph each, if there are any."""
    turns = [f"{turn.role}: {turn.text}" for turn in example.history]
    return "\n\n".join([*turns, f"user: {example.question}"]) if turns else example.question


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append `rows` as whole lines; the file and its folder are created where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def drop_cut_line(path: Path) -> None:
    """Remove an incomplete last line, left by a process killed while writing. The file may be missing."""
    if not path.exists():
        return
    content = path.read_bytes()
    complete = content.rfind(b"\n") + 1
    if complete < len(content):
        with path.open("r+b") as file:
            file.truncate(complete)


def read_rows(path: Path, fields: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file. Raises InputError where there is none, and for a line that is not JSON or
    lacks a field, since a stage that is resumed meets the same line again."""
    if not path.is_file():
        raise InputError(f"there is no {path}; run its stage again")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            yield _parsed(line, fields, path, number)


def _parsed(line: str | bytes, fields: tuple[str, ...], path: Path, number: int) -> dict[str, Any]:
    mend = f"move {path} away and run the same command again"
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, line {number} is not JSON ({error}); {mend}") from error
    missing = [name for name in fields if not isinstance(row, dict) or name not in row]
    if missing:
        raise InputError(f"{path}, line {number} lacks {', '.join(missing)}; {mend}")
    return row


def attempts_in(path: Path) -> Iterator[AttemptRow]:
    """The rows of a file of attempts that may be growing: a last line without its end is left out. Raises
    InputError as `read_attempts` does."""
    with path.open("rb") as lines:  # the last line may end inside a character
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n"):
                yield _parsed(line, _FIELDS, path, number)


def read_attempts(path: Path) -> Iterator[AttemptRow]:
    """The rows of an attempts.jsonl. Raises InputError as `read_rows` does."""
    return read_rows(path, _FIELDS)


def parsed_attempt(line: str | bytes, path: Path, number: int) -> AttemptRow:
    """Line `number` of an attempts.jsonl that is still being written. Raises InputError as `read_rows`
    does."""
    return _parsed(line, _FIELDS, path, number)


def verdict(row: Mapping[str, Any], headline: str) -> AttemptVerdict:
    """The verdict on an attempt by its `headline` part, or by the whole score without that part."""
    return verdict_of(row, row["parts"].get(headline, row)["value"])


def verdict_of(row: Mapping[str, Any], value: float | None) -> AttemptVerdict:
    """The verdict on a score: right for full credit, wrong for none, partly right in between. Where the
    reference is boxes, right from `RIGHT_FROM` on, else wrong."""
    if value is None:
        return None
    if read_boxes(str(row.get("gold") or "")) is not None:
        return "right" if value >= RIGHT_FROM else "wrong"
    return "right" if value >= FULL else "partly" if value > 0 else "wrong"


def overall(verdicts: Iterable[AttemptVerdict]) -> AttemptVerdict:
    """The verdict on several attempts at a question: right if at least half of those judged are, wrong if
    more than half are, else partly right."""
    judged = [verdict for verdict in verdicts if verdict is not None]
    if not judged:
        return None
    if 2 * judged.count("right") >= len(judged):
        return "right"
    return "wrong" if 2 * judged.count("wrong") > len(judged) else "partly"
