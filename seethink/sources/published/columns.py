"""Reading the columns of published rows: small readers that every data set's `to_example` is made of."""

from __future__ import annotations

import ast
import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from seethink.boxes import Box, read_boxes, write_boxes
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.sources.published.dataset import Files
from seethink.sources.rows import Row
from seethink.types import MEDIA_MARK, Example

LETTERS = "ABCDEFGHIJ"


def columns(row: Row, *names: str) -> list[Any]:
    """The values of these columns. A row without one of them is of another layout, and is refused."""
    if missing := [name for name in dict.fromkeys(names) if name not in row.values]:
        row.refuse(
            f"has no column {', '.join(missing)}, only {', '.join(row.values)}; "
            "this is another data set or layout than the published one"
        )
    return [row.values[name] for name in names]


def text(row: Row, name: str) -> str:
    """A text that is not empty, or a number as it is written."""
    (value,) = columns(row, name)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        row.refuse(f"{name} must be a text, not {value!r:.40}; copy the row as it was published")
    return str(value).strip()


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A list of texts, which may be written as Python writes one; none where nothing is given."""
    (value,) = columns(row, name)
    if isinstance(value, str) and value.strip():
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError) as error:
            row.refuse(f"{name} must be a list of texts, not {value!r:.40}; copy it as published", error)
    if value is not None and value != "" and not isinstance(value, list):
        row.refuse(f"{name} must be a list of texts, not {value!r:.40}; copy it as published")
    return tuple(str(item).strip() for item in value or ())


def index(row: Row, name: str, options: Sequence[str]) -> str:
    """The letter of the option whose number, from 0, the column holds."""
    told = text(row, name)
    if not told.isdecimal() or int(told) >= len(options):
        row.refuse(f"{name} must be the number of one of {len(options)} options from 0 on, not {told!r:.40}")
    return LETTERS[int(told)]


def meta(row: Row, *names: str) -> dict[str, Any]:
    return {name: row.values[name] for name in names if row.values.get(name) is not None}


# Options --------------------------------------------------------------------------------------------------


def lettered(question: str, options: Sequence[str]) -> str:
    """The question with its options below it, a line each: `A. four`. Options that are mere letters are
    left out."""
    if not options or list(options) == list(LETTERS[: len(options)]):
        return question
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])


def options_in(question: str) -> tuple[str, ...]:
    """The options that a question's text lists as A, B, ... in order (`A. four`, `(B) five`, `C: six, `)."""
    starts: list[re.Match[str]] = []
    for letter in LETTERS:
        begins = re.compile(rf"(?:^|(?<=[\s(])){letter}[.:)]\s*", re.MULTILINE)
        match = begins.search(question, starts[-1].end() if starts else 0)
        if match is None:
            break
        starts.append(match)
    if len(starts) < 2:
        return ()
    ends = [match.start() for match in starts[1:]] + [len(question)]
    told = [question[match.end() : end] for match, end in zip(starts, ends, strict=True)]
    told[-1] = told[-1].split("\n")[0]
    return tuple(option.strip(" \n,;(") for option in told)


def bare_letter(told: str) -> str:
    """`(A)`, `A.` or `A` as the letter alone; any other text as it is."""
    match = re.fullmatch(r"\(?([A-J])[).:]?", told.strip())
    return match[1] if match else told.strip()


# Solutions ------------------------------------------------------------------------------------------------


def solution(row: Row, told: str) -> tuple[tuple[str, ...], str]:
    """(steps, answer) of a solution with tags `<think> <answer>`; without tags, the answer alone."""
    if "<answer>" not in told:
        return (), told.strip()
    read = THINK_ANSWER.parse(told)
    if not read.answer:
        row.refuse(f"the answer cannot be read: {ANSWER_ONLY.parse(told).fault}; copy it as published")
    return (read.thought,) if read.thought else (), read.answer


def turns(row: Row) -> tuple[str, str]:
    """(question, answer) of a conversation of one question, in LLaVA's columns or in messages."""
    name = "messages" if "messages" in row.values else "conversations"
    (told,) = columns(row, name)
    said = [turn.get("value", turn.get("content")) for turn in told or () if isinstance(turn, Mapping)]
    if len(said) != 2 or not all(isinstance(part, str | int | float) for part in said):
        row.refuse(f"{name} must hold one question and one answer, not {len(said)} turns")
    return str(said[0]).strip(), str(said[1]).strip()


def unmarked(question: str) -> str:
    """Without marks of media: they stand before the question."""
    return MEDIA_MARK.sub("", question).strip()


def boxed(row: Row, boxes: Sequence[Sequence[Any]], labels: Sequence[str] = ()) -> str:
    """Corners `[x1, y1, x2, y2]` in pixels of the original picture, as the gold text that verifiers read."""
    told = labels or [""] * len(boxes)
    try:
        made = [Box(*map(float, corners), label=label) for corners, label in zip(boxes, told, strict=True)]
    except (TypeError, ValueError) as error:
        row.refuse(f"a box must be four numbers, x1 y1 x2 y2, not {boxes!r:.60}", error)
    return write_boxes(made) if made else "None"


def corners_in(row: Row, told: str) -> list[float]:
    """The one box that an answer text holds."""
    boxes = read_boxes(told)
    if not boxes or len(boxes) != 1:
        row.refuse(f"the answer must be one box, [x1, y1, x2, y2], not {told!r:.60}")
    return list(boxes[0].corners)


def decoded(row: Row, name: str) -> bytes:
    """A picture written as base64, with or without the `data:` address before it."""
    told = text(row, name)
    try:
        return base64.b64decode(told.rpartition(",")[2], validate=True)
    except binascii.Error as error:
        row.refuse(f"{name} is no base64 ({error}); copy the row as it was published", error)


# Layouts that several data sets share ---------------------------------------------------------------------


def problem_and_solution(row: Row, files: Files) -> Example:
    """The columns of R1-V and its kin: `image problem solution`, perhaps `thinking`."""
    image, told = columns(row, "image", "solution")
    steps, answer = solution(row, str(told))
    thought = row.values.get("thinking")
    return Example(
        "",
        text(row, "problem"),
        () if image is None else (files.picture(row, image),),
        answer,
        steps=(str(thought).strip(),) if thought else steps,
        meta=meta(row, "original_question", "original_answer"),
    )


def question_and_truth(row: Row, files: Files) -> Example:
    """R1-V's evaluation rows: `image_path question ground_truth`."""
    (path,) = columns(row, "image_path")
    return Example("", text(row, "question"), (files.picture(row, path),), text(row, "ground_truth"))
