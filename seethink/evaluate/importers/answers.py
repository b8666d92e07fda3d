"""Answers of another tool's file, in one layout for all tools."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from seethink.formats import BOXED, THINK_ANSWER
from seethink.media import Image, given, is_file
from seethink.sources.cells import as_mapping, listed
from seethink.sources.parsed_row import messages_in
from seethink.types import CoordinateFrame, InputError
from seethink.verify.listed_options import listed_options

MAX_ANSWER_CHARACTERS = 1_000_000
"""Longer answers are not scored: no model wrote them, and patterns over them take minutes."""


@dataclass(frozen=True)
class NamedColumns:
    """Columns that the user names, and the filter of lmms-eval; empty where the tool's own hold."""

    prediction: str = ""
    question: str = ""
    answer: str = ""
    score: str = ""
    filter: str = ""


@dataclass(frozen=True)
class ImportedAnswer:
    """One answer.

    where: file and row. text: what the model wrote. question: the question alone, if the file has it.
    prompt: all that the model was sent as text. pictures: those it was sent, in order; None if the file does
    not hold them. gold: the file's reference answer. number: the tool's own number or id of the question.
    reported: the tool's scores by name, as they stand. step: of a training. failed: why there is no answer.
    columns: values that `--key` may name.
    """

    where: str
    text: str
    question: str = ""
    prompt: str = ""
    pictures: tuple[Image, ...] | None = None
    gold: str | None = None
    choices: tuple[str, ...] = ()
    number: str = ""
    reported: Mapping[str, float] = field(default_factory=dict)
    step: int | None = None
    truncated: bool = False
    n_tokens: int = 0
    failed: str = ""
    refused: str = ""
    unread: str = ""
    frame: CoordinateFrame | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportedFile:
    """The answers of one file.

    tool: who wrote it. task: its name there. totals: scores over all rows that the tool reports, by name.
    notes: sentences on what the file lacks. complete: whether a question without a row is a missing answer,
    as in an evaluation; not in rollouts of a training. format: name and prompt mode of our own formats.
    """

    tool: str
    task: str
    answers: tuple[ImportedAnswer, ...]
    totals: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    complete: bool = True
    format: tuple[str, str] | None = None


@contextmanager
def built_as_known(where: str) -> Iterator[None]:
    """What fails inside because a row or file is built otherwise than its tool builds them raises
    InputError."""
    try:
        yield
    except InputError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{where} is not built as its tool builds it ({error!r:.100}); correct it or leave it out"
        ) from error


def rows_read(
    rows: Iterable[tuple[str, Any]], read: Callable[[Any, str], Iterable[ImportedAnswer]]
) -> tuple[ImportedAnswer, ...]:
    """The answers of all rows, each given with its file and row."""
    found: list[ImportedAnswer] = []
    for where, row in rows:
        with built_as_known(where):
            found += read(row, where)
    return tuple(found)


# Values ---------------------------------------------------------------------------------------------------


_TRUTH = {"true": 1.0, "false": 0.0}


def number_in(value: Any) -> float | None:
    """A finite number, a truth value as 0 or 1, or a text of one, as tables hold them; None for anything
    else."""
    if isinstance(value, str):
        said = value.strip().casefold()
        try:
            value = _TRUTH[said] if said in _TRUTH else float(said)
        except ValueError:
            return None
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        return None
    return float(value)


def text_in(value: Any) -> str | None:
    """A text, or a number or truth value as text; None for what is missing or NaN, as tables store it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None


_GOLD_IN = ("ground_truth", "target", "answer", "text", "value")
"""Where an object that stands for a reference answer has it."""


def gold_in(value: Any) -> str | None:
    """A reference answer as it was logged: of an object its text, of a list with one its item, of several
    the list as JSON (of several texts, any is right); without the tags and the box of a training's solution.
    """
    if isinstance(value, Mapping):
        return gold_in(next((value[name] for name in _GOLD_IN if name in value), None))
    found = listed(value)
    if not isinstance(found, list):
        text = text_in(found)
        return text and untagged(text)
    if len(found) == 1:
        return gold_in(found[0])
    are_texts = all(isinstance(one, str) for one in found)
    if isinstance(value, str) and not are_texts:
        return value
    return json.dumps([untagged(one) for one in found] if are_texts else found, ensure_ascii=False)


def untagged(solution: str) -> str:
    """The answer of a solution in `<answer>` tags or `\\boxed{}`; any other text as it is."""
    for mark, form in (("<answer>", THINK_ANSWER), ("\\boxed", BOXED)):
        if mark in solution:
            solution = form.parse(solution).answer or solution
    return solution


def numbers_of(values: Mapping[str, Any], leave_out: Iterable[str]) -> dict[str, float]:
    """The numeric columns but for those of `leave_out`; of an object, its `score`."""
    left = set(leave_out)
    found: dict[str, float] = {}
    for name, value in values.items():
        value = value.get("score") if isinstance(value, Mapping) else value
        if name not in left and not isinstance(value, str) and (number := number_in(value)) is not None:
            found[name] = number
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"doc.id": ...}: the texts and numbers of a row, those of objects inside it by their path."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and prefix.count(".") < 3:
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float):
            found[f"{prefix}{name}"] = value
    return found


# Conversations --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PromptTexts:
    """Texts of a prompt: of its last turn by the user, and of all turns; its pictures, None if some are not
    in the file."""

    question: str
    prompt: str
    pictures: tuple[Image, ...] | None


def conversation(
    messages: Any, root: Path, where: str, stored: Mapping[str, Any] | None = None
) -> PromptTexts:
    """A prompt as text, or as messages in the layout of OpenAI, transformers or inspect_ai, which tables hold
    as text.

    root: the folder that pictures may lie in. stored: what `attachment://NAME` stands for.
    """
    if isinstance(held := messages_in(messages), list):
        messages = held
    if isinstance(messages, str):
        text = _resolved(messages, stored)
        return PromptTexts(text, text, None)
    turns: list[tuple[str, str]] = []
    pictures: list[Image | None] = []
    for message in _sequence(messages):
        if isinstance(message, Mapping):
            texts, shown = _parts(message.get("content"), root, where, stored)
            turns.append((str(message.get("role", "user")), texts))
            pictures += shown
    asked = [text for role, text in turns if role == "user"] or [text for _, text in turns]
    known = [picture for picture in pictures if picture is not None]
    return PromptTexts(
        asked[-1] if asked else "",
        "\n".join(text for _, text in turns),
        tuple(known) if len(known) == len(pictures) else None,
    )


def reply(completion: Any) -> str:
    """The text of a completion: a text, or the last message of the assistant, also of messages as text."""
    if isinstance(held := messages_in(completion), list):
        completion = held
    if isinstance(completion, str):
        return completion
    texts = [
        _parts(message.get("content"), Path(), "", None)[0]
        for message in _sequence(completion)
        if isinstance(message, Mapping) and message.get("role", "assistant") == "assistant"
    ]
    return texts[-1] if texts else ""


def _parts(
    content: Any, root: Path, where: str, stored: Mapping[str, Any] | None
) -> tuple[str, list[Image | None]]:
    """The text of a message's content, and its pictures, None for each that is not there."""
    if isinstance(content, str):
        return _resolved(content, stored), []
    texts: list[str] = []
    pictures: list[Image | None] = []
    for part in _sequence(content):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("type") == "text":
            texts.append(_resolved(str(part.get("text") or ""), stored))
        elif isinstance(part, Mapping) and part.get("type") in ("image", "image_url", "input_image"):
            value = part.get("image_url") or part.get("image")
            value = value.get("url") if isinstance(value, Mapping) and "url" in value else value
            pictures.append(picture_in(value, root, where, stored))
    return "\n".join(texts), pictures


def picture_in(value: Any, root: Path, where: str, stored: Mapping[str, Any] | None = None) -> Image | None:
    """A picture in the file, or a file under `root`; None for what is elsewhere, such as a URL."""
    value = _resolved(value, stored) if isinstance(value, str) else value
    if value is None or value == "":
        return None
    is_path = isinstance(value, str) and len(value) < given.PATH_CHARACTERS and is_file(root / value)
    if is_path and not (root / value).resolve().is_relative_to(root.resolve()):
        return None
    try:
        picture = given.picture(value, root, f"the picture of {where}")
        picture.size()
    except InputError:
        return None
    return picture


def _resolved(text: str, stored: Mapping[str, Any] | None) -> str:
    name = text.removeprefix("attachment://")
    return str(stored[name]) if stored and name != text and name in stored else text


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


_TEXTS_IN = ("text", "content", "message", "answer", "prediction", "response", "output")
NOT_ONE = "its prediction is not one text"


def prediction_in(value: Any) -> tuple[str, str]:
    """(the text of a prediction, why it has none): a text or number, a list with one, the messages of a
    completion or the parts of a message, or an object with one of these in a column that texts are in."""
    if value is None or isinstance(value, str | int | float):
        return text_in(value) or "", ""
    if isinstance(value, list) and len(value) == 1:
        return prediction_in(value[0])
    if isinstance(value, Mapping):
        held = [value[name] for name in _TEXTS_IN if value.get(name) not in (None, "")]
        return prediction_in(held[0]) if len(held) == 1 else ("", NOT_ONE)
    parts = value if isinstance(value, list) and all(isinstance(one, Mapping) for one in value) else []
    text = reply(parts if any("role" in part for part in parts) else [{"content": parts}])
    return text, "" if text else NOT_ONE


# Options --------------------------------------------------------------------------------------------------

_OPTION = re.compile(r"([A-Z])|(?:choice|option)[_ ]?([A-Za-z])")
_LISTS = ("choices", "options")
_AS_LIST = "they are left out; write them as a JSON list of texts"


def choices_in(values: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """(the options of a row, what could not be read of them).

    They are in `choices` or `options`, as a list, as an object by letter, as {"label": [...], "text": [...]},
    as either in text, or as lines `A. four`; or in the columns A, B, ..., or choice_a, choice_b, ..., up to
    the first that is empty.
    """
    given = next((values[name] for name in _LISTS if values.get(name) not in (None, "", [], {})), None)
    given = (as_mapping(given) or listed(given)) if isinstance(given, str) else given
    if isinstance(given, Mapping):
        given = given.get("text") if isinstance(given.get("text"), list) else lettered_choices(given)
    if isinstance(given, str):
        lines = listed_options(given) or lettered_choices(values)
        return lines, "" if lines or not given.strip() else f"its options are no list, but a text; {_AS_LIST}"
    texts = [text_in(one.get("text") if isinstance(one, Mapping) else one) for one in given or ()]
    if None in texts:
        return (), f"one of its options is no text; {_AS_LIST}"
    return tuple(text for text in texts if text is not None) or lettered_choices(values), ""


def lettered_choices(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The options in columns A, B, C, ..., or choice_a, choice_b, ..., up to the first that is empty."""
    by_letter: dict[str, Any] = {}
    for name, value in values.items():
        if match := _OPTION.fullmatch(str(name)):
            by_letter.setdefault((match[1] or match[2]).upper(), value)
    texts: list[str] = []
    for letter in ascii_uppercase:
        text = text_in(by_letter.get(letter))
        if text is None or not text.strip():
            break
        texts.append(text)
    return tuple(texts)
