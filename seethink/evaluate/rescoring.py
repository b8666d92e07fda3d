"""Scores of answers that another tool collected, by our verifiers, beside what the tool reports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from seethink.attempt import judge_all
from seethink.evaluate.attempts import RIGHT_FROM, AttemptRow, append_rows, attempt_row
from seethink.evaluate.importers import ImportedAnswer, ImportedFile
from seethink.evaluate.matching import Joined, question_id, unusable
from seethink.formats.any_form import ANY_FORM
from seethink.media import Image
from seethink.types import (
    Completion,
    CoordinateFrame,
    Example,
    FrameKind,
    InputError,
    Messages,
    Rollout,
    Score,
    Task,
)
from seethink.verify.listed_options import letter_gold, with_listed_options

CHUNK = 128
REPORTED = "reported"
"""The part of a rescored attempt that holds the score of the other tool."""
CLOSE = 1e-6
"""Graded scores that differ by less agree."""

Pair = tuple[ImportedAnswer, Example]


@dataclass(frozen=True)
class Disagreement:
    """A judged answer that the tool scored otherwise."""

    where: str
    said: str | None
    gold: str | None
    reported: float
    here: float


def own_questions(file: ImportedFile, key: str = "") -> tuple[Joined, int]:
    """(the answers with the questions that the file itself holds, how many questions share their words).

    A question is known by `question_id`; those that share it though the tool numbers them apart also get its
    number. With `key`, by that column. Our own attempts keep their ids. Raises InputError for a file without
    any gold.
    """
    where = file.answers[0].where
    refused: dict[str, list[str]] = {}
    for answer in file.answers:
        if why := unusable(answer):
            refused.setdefault(why, []).append(answer.where)
    file = replace(file, answers=tuple(answer for answer in file.answers if not unusable(answer)))
    if not file.answers:
        raise InputError(f"no row can be scored: {'; '.join(counted(refused))}; give answers as texts")
    if all(answer.gold is None for answer in file.answers):
        raise InputError(
            f"{where} and all others have no gold answer, so nothing can be scored; give the "
            "questions with --data"
        )
    own = file.format is not None and not key
    ids = [_id(answer, key, own) for answer in file.answers]
    numbers: dict[str, set[str]] = {}
    for name, answer in zip(ids, file.answers, strict=True):
        numbers.setdefault(name, set()).add(answer.number)
    shared = {name for name, found in numbers.items() if len(found) > 1} if not own and not key else set()
    pairs = tuple(
        (answer, _example(answer, f"{name}-{answer.number}" if name in shared else name))
        for name, answer in zip(ids, file.answers, strict=True)
    )
    return Joined(pairs, refused), sum(len(numbers[name]) for name in shared)


def _id(answer: ImportedAnswer, key: str, own: bool) -> str:
    if key:
        if key not in answer.columns:
            raise InputError(
                f"{answer.where} has no {key!r}; it has {', '.join(sorted(answer.columns)[:40])}"
            )
        return str(answer.columns[key])
    return answer.number if own else question_id(answer)


def _example(answer: ImportedAnswer, name: str) -> Example:
    example = Example(
        name,
        _unmarked(answer.question or answer.prompt) or "?",
        answer.pictures or (),
        answer.gold,
        answer.choices,
        meta=letter_gold(answer.choices) if answer.choices else {},
        where=answer.where,
    )
    return with_listed_options(example, answer.prompt)


def _unmarked(text: str) -> str:
    return text.replace("<image>", "").replace("<video>", "").strip()


# Scoring --------------------------------------------------------------------------------------------------


def rescored(
    task: Task, pairs: Sequence[Pair], frame: FrameKind | None, media: Path
) -> Iterator[tuple[ImportedAnswer, AttemptRow]]:
    """Each answer with its row of attempts.jsonl. frame: units of boxes and points in the texts of other
    tools. media: the folder for previews."""
    remaining = iter(pairs)
    while chunk := list(islice(remaining, CHUNK)):
        examples = [example for _, example in chunk]
        completions = [[_completion(answer, example, frame)] for answer, example in chunk]
        prompts: list[Messages] = [[{"role": "user", "content": []}]] * len(chunk)  # nothing was prefilled
        groups = judge_all(task, examples, prompts, completions)
        for (answer, _), (rollout,) in zip(chunk, groups, strict=True):
            yield answer, _row(task, answer, rollout, media)


def _row(task: Task, answer: ImportedAnswer, rollout: Rollout, media: Path) -> AttemptRow:
    score = rollout.score
    if answer.reported:
        score = replace(score, parts={**score.parts, REPORTED: _reported(answer)})
    row = attempt_row(task, replace(rollout, score=score), media, answer.step)
    scores = {f"{REPORTED}/{name}": value for name, value in answer.reported.items()}
    asked_nothing = {"mode": "", "fault": None} if task.format is ANY_FORM else {}
    return row | {"meta": row["meta"] | scores, "from": answer.where} | asked_nothing


def _reported(answer: ImportedAnswer) -> Score:
    name, value = next(iter(answer.reported.items()))
    if 0.0 <= value <= 1.0:
        return Score(value, name)
    return Score(None, f"{name} is {value:g}, which is no score from 0 to 1")


def _completion(answer: ImportedAnswer, example: Example, frame: FrameKind | None) -> Completion:
    if answer.failed:
        return Completion(answer.failed, "unanswered")
    own = answer.frame or (_frame(frame, example) if frame else None)
    return Completion(answer.text, "length" if answer.truncated else "stop", answer.n_tokens, frame=own)


_UNITS: Mapping[str, tuple[int, int]] = {"thousandths": (1_000, 1_000), "unit": (1, 1)}


def _frame(kind: FrameKind, example: Example) -> CoordinateFrame | None:
    """The frame of an answer about one picture."""
    sizes = [medium.size() for medium in example.media if isinstance(medium, Image)]
    return CoordinateFrame(kind, sizes[0], _UNITS.get(kind, sizes[0])) if sizes else None


def unanswered(task: Task, examples: Sequence[Example], tool: str, media: Path) -> list[AttemptRow]:
    """Rows of questions that the tool's file does not answer."""
    missing = Completion(f"{tool}'s file has no answer to it", "unanswered")
    return [row for _, row in rescored(task, [(_without(missing, e), e) for e in examples], None, media)]


def _without(missing: Completion, example: Example) -> ImportedAnswer:
    return ImportedAnswer(where=example.label, text="", failed=missing.text)


# Comparison -----------------------------------------------------------------------------------------------


def disagreement(row: AttemptRow) -> Disagreement | None:
    """Where the tool's score is on the other side of right and wrong, or another number for a graded one.
    None where one of them did not judge."""
    reported, here = row["parts"].get(REPORTED, {"value": None})["value"], row["correct"]
    if reported is None or here is None:
        return None
    binary = {reported, here} <= {0.0, 1.0}
    differs = (reported >= RIGHT_FROM) != (here >= RIGHT_FROM) if binary else abs(reported - here) > CLOSE
    return Disagreement(row["from"], row["said"], row["gold"], reported, here) if differs else None


def write(
    rows: Sequence[AttemptRow], disagreements: Sequence[Disagreement], summary: Any, folder: Path
) -> None:
    """attempts.jsonl, disagreements.jsonl and rescore.json, each moved to its place when it is whole."""
    files = {
        "disagreements.jsonl": [vars(one) for one in disagreements],
        "attempts.jsonl": list(rows),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        part = folder / f".{name}.{os.getpid()}.part"
        part.unlink(missing_ok=True)
        append_rows(part, lines)
        os.replace(part, folder / name)
    part = folder / f".rescore.{os.getpid()}.part"
    part.write_text(json.dumps(summary, indent=2, ensure_ascii=False), encoding="utf-8")
    os.replace(part, folder / "rescore.json")


def counted(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each reason: how many rows, and which come first."""
    lines = []
    for reason, rows in sorted(reasons.items(), key=lambda item: -len(item[1])):
        first = "; ".join([*rows[:3], *(["..."] if len(rows) > 3 else [])])
        lines.append(f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}: {reason} ({first})")
    return lines
