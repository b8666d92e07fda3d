"""Readers of the columns of published rows, from which each data set's `to_example` is composed.

All raise RowError for a value that differs from the published layout.
"""

from __future__ import annotations

import ast
import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from seethink.boxes import Box, read_boxes, write_boxes
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.sources.published.dataset import MediaFiles
from seethink.sources.row_reader import Row
from seethink.types import MEDIA_MARK, Example

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def columns(row: Row, *names: str) -> list[Any]:
    """The values of these columns. Raises RowError if the row lacks one of them."""
    if missing := [name for name in dict.fromkeys(names) if name not in row.values]:
        row.refuse(
            f"has no column {', '.join(missing)}, only {', '.join(row.values)}; "
            "the data set or its layout differs from the published one"
        )
    return [row.values[name] for name in names]


def text(row: Row, name: str) -> str:
    """A non-empty text, or a number as text."""
    (value,) = columns(row, name)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        row.refuse(f"{name} must be a text, not {value!r:.40}; copy the row as published")
    return str(value).strip()


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A list of texts, given as such or as Python source; empty if missing."""
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
    """The letter of the option whose zero-based index is in the column."""
    number = text(row, name)
    if not number.isdecimal() or int(number) >= len(options):
        row.refuse(f"{name} must be the index of one of {len(options)} options, from 0, not {number!r:.40}")
    return LETTERS[int(number)]


def meta(row: Row, *names: str) -> dict[str, Any]:
    """The values of these columns that are not None, by name."""
    return {name: row.values[name] for name in names if row.values.get(name) is not None}


# Options --------------------------------------------------------------------------------------------------


def lettered(question: str, options: Sequence[str]) -> str:
    """The question followed by its options, one per line: `A. four`. Options that are only letters are
    omitted."""
    if not options or list(options) == list(LETTERS[: len(options)]):
        return question
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])


def bare_letter(answer: str) -> str:
    """The letter of `(A)`, `A.` or `A`; any other text stripped."""
    match = re.fullmatch(r"\(?([A-Z])[).:]?", answer.strip())
    return match[1] if match else answer.strip()


# Solutions ------------------------------------------------------------------------------------------------


def solution(row: Row, tagged: str) -> tuple[tuple[str, ...], str]:
    """(steps, answer) of a solution with tags `<think> <answer>`; without tags, the whole text is the
    answer."""
    if "<answer>" not in tagged:
        return (), tagged.strip()
    response = THINK_ANSWER.parse(tagged)
    if not response.answer:
        row.refuse(f"the answer cannot be read: {ANSWER_ONLY.parse(tagged).fault}; copy it as published")
    return (response.thought,) if response.thought else (), response.answer


def turns(row: Row) -> tuple[str, str]:
    """(question, answer) of a single-turn conversation in LLaVA's columns or in messages."""
    name = "messages" if "messages" in row.values else "conversations"
    (conversation,) = columns(row, name)
    turns = [turn for turn in conversation or () if isinstance(turn, Mapping)]
    contents = [turn.get("value", turn.get("content")) for turn in turns]
    if len(contents) != 2 or not all(isinstance(content, str | int | float) for content in contents):
        row.refuse(f"{name} must be one question and one answer, not {len(contents)} turns")
    return str(contents[0]).strip(), str(contents[1]).strip()


def unmarked(question: str) -> str:
    """The question without marks of media, which then come before it."""
    return MEDIA_MARK.sub("", question).strip()


def boxed(row: Row, boxes: Sequence[Sequence[Any]], labels: Sequence[str] = ()) -> str:
    """The gold text of boxes `[x1, y1, x2, y2]` in pixels of the original picture, as verifiers read it."""
    names = labels or [""] * len(boxes)
    try:
        gold = [Box(*map(float, corners), label=label) for corners, label in zip(boxes, names, strict=True)]
    except (TypeError, ValueError) as error:
        row.refuse(f"a box must be four numbers, x1 y1 x2 y2, not {boxes!r:.60}", error)
    return write_boxes(gold) if gold else "None"


def corners_in(row: Row, answer: str) -> list[float]:
    """The corners of the only box in an answer text."""
    boxes = read_boxes(answer)
    if not boxes or len(boxes) != 1:
        row.refuse(f"the answer must be one box, [x1, y1, x2, y2], not {answer!r:.60}")
    return list(boxes[0].corners)


def decoded(row: Row, name: str) -> bytes:
    """The bytes of a base64 picture, with or without a `data:` URL prefix."""
    encoded = text(row, name)
    try:
        return base64.b64decode(encoded.rpartition(",")[2], validate=True)
    except binascii.Error as error:
        row.refuse(f"{name} is not base64 ({error}); copy the row as published", error)


# Layouts that several data sets share ---------------------------------------------------------------------


def problem_and_solution(row: Row, files: MediaFiles) -> Example:
    """R1-V's training rows: `image problem solution`, optionally `thinking`."""
    image, tagged = columns(row, "image", "solution")
    steps, answer = solution(row, str(tagged))
    thought = row.values.get("thinking")
    return Example(
        "",
        text(row, "problem"),
        () if image is None else (files.picture(row, image),),
        answer,
        steps=(str(thought).strip(),) if thought else steps,
        meta=meta(row, "original_question", "original_answer"),
    )


def question_and_truth(row: Row, files: MediaFiles) -> Example:
    """R1-V's evaluation rows: `image_path question ground_truth`."""
    (path,) = columns(row, "image_path")
    return Example("", text(row, "question"), (files.picture(row, path),), text(row, "ground_truth"))
