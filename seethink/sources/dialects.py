"""Dialects: the column layouts in which this field writes its rows, recognised by their columns.

Sources: open-r1-multimodal and R1-V (problem, solution), LLaVA and VLM-R1 (conversations), LLaMA-Factory and
ms-swift (messages; query, response), TRL (prompt), EasyR1 (problem, answer), and the published benchmarks.
"""

from __future__ import annotations

import ast
import base64
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seethink.formats import THINK_ANSWER
from seethink.sources.row_reader import Row


@dataclass(frozen=True)
class ParsedRow:
    """The content of a row, independent of its dialect. answer: as in the file. images: set by dialects with
    an image column of their own. more: further entries of the example's meta."""

    question: Any
    answer: Any
    steps: Any = None
    choices: Any = None
    images: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """One layout of rows. own: its columns, beyond those that every dialect may have. parse: reads a row.
    kept: columns that are copied to meta. id: the column of a row's id."""

    name: str
    own: tuple[str, ...]
    parse: Callable[[Row], ParsedRow]
    kept: tuple[str, ...] = ()
    id: str = "id"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that a row of this dialect may have."""
        return tuple(dict.fromkeys((self.id, *MEDIA, "meta", *self.own, *self.kept, "choices", "steps")))


MEDIA = ("image", "images", "video", "videos")


def dialect_of(rows: Iterable[Row]) -> Dialect:
    """The dialect with the most of these rows' columns; the plain one if none has any."""
    shapes = Counter(tuple(row.values) for row in rows)
    matches = {
        dialect.name: sum(
            n * len({*shape} & {dialect.id, *dialect.own, *dialect.kept}) for shape, n in shapes.items()
        )
        for dialect in DIALECTS
    }
    return max(DIALECTS, key=lambda dialect: matches[dialect.name])


# One question and one answer ------------------------------------------------------------------------------


def _columns(question: str, answer: str, steps: str = "steps") -> Callable[[Row], ParsedRow]:
    def parse(row: Row) -> ParsedRow:
        get = row.values.get
        return ParsedRow(get(question), get(answer), get(steps), get("choices"))

    return parse


def _query(row: Row) -> ParsedRow:
    if row.values.get("history"):
        row.refuse("there is a history; a row is one question and one answer, so split the turns into rows")
    return ParsedRow(row.values.get("query"), row.values.get("response"))


def _truth(row: Row) -> ParsedRow:
    get = row.values.get
    if get("image_path") is not None and (get("image") is not None or get("images") is not None):
        row.refuse("both 'image_path' and another column of pictures are given; keep one")
    return ParsedRow(get("question"), get("ground_truth"), images=get("image_path"))


# Conversations --------------------------------------------------------------------------------------------


def _conversations(row: Row) -> ParsedRow:
    turns, more = _turns(row, "conversations", ("from", "value"), ("human", "gpt"))
    if len(turns) == 1:
        row.refuse("there is no answer; add the gpt turn to conversations", kind="no answer")
    return ParsedRow(*turns, more=more)


def _messages(row: Row) -> ParsedRow:
    """The answer is the assistant's turn, or the column `solution` as in ms-swift's RLHF data; in the second
    case, the thought is taken from the turn, if there is one."""
    turns, more = _turns(row, "messages", ("role", "content"), ("user", "assistant"))
    solution = row.values.get("solution")
    if solution is None and len(turns) == 1:
        row.refuse(
            "there is no answer; add the assistant turn to messages, or a column solution", kind="no answer"
        )
    if solution is None:
        return ParsedRow(*turns, more=more)
    thought = THINK_ANSWER.parse(turns[1]).thought if len(turns) == 2 and isinstance(turns[1], str) else None
    return ParsedRow(turns[0], solution, row.values.get("steps") or thought, more=more)


def _prompt(row: Row) -> ParsedRow:
    question, more = prompted(row)
    given = (row.values.get(column) for column in ("solution", "answer", "completion"))
    answer = next((value for value in given if value is not None), None)
    if isinstance(answer, list):
        (answer,), _ = _turns(row, "completion", ("role", "content"), ("assistant",))
    return ParsedRow(question, answer, more=more)


def _pair(row: Row) -> ParsedRow:
    question, more = prompted(row)
    return ParsedRow(question, None, more=more)


def prompted(row: Row) -> tuple[Any, Mapping[str, Any]]:
    """(question, entries of meta) of a `prompt`: a text, or a conversation that ends with the user's turn."""
    if not isinstance(row.values.get("prompt"), list):
        return row.values.get("prompt"), {}
    (question,), more = _turns(row, "prompt", ("role", "content"), ("user",))
    return question, more


def _turns(
    row: Row, column: str, keys: tuple[str, str], speakers: tuple[str, ...]
) -> tuple[list[Any], dict[str, Any]]:
    """(contents of the turns, entries of meta). A system turn may come first; the last of two speakers may be
    missing."""
    turns = row.values.get(column)
    shape = ", ".join(f"{{{keys[0]}: {speaker}, {keys[1]}: ...}}" for speaker in speakers)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        row.refuse(f"{column} must be [{shape}]")
    roles = tuple(turn.get(keys[0]) for turn in turns)
    system = roles[:1] == ("system",)
    if roles[system:] not in (speakers, speakers[:1]):
        turns_text = f"the turns {', '.join(map(str, roles))}" if roles else "no turns"
        row.refuse(f"{column} has {turns_text}; it must be [{shape}]")
    contents = [_content(row, column, turn.get(keys[1])) for turn in turns]
    return contents[system:], {"system": contents[0]} if system else {}


def _content(row: Row, column: str, content: Any) -> Any:
    """A turn's text; a list of parts becomes one text with a mark for each medium."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "image", "video") or (
            kind == "text" and not isinstance(part.get("text"), str)
        ):
            row.refuse(f"a part of {column} must be of type text, image or video, not {part!r:.60}")
        if kind != "text" and part.get(kind) is not None:
            row.refuse(f"a part of {column} contains its {kind}; list it in the column {kind}s instead")
        texts.append(part["text"] if kind == "text" else f"<{kind}>")
    return "".join(texts)


# Benchmarks -----------------------------------------------------------------------------------------------

_LETTER = re.compile(r"\(?([A-J])[).:]?")
_OPTION = re.compile(r"\(?[A-J][).:]\s*(.*)")


def _cv_bench(row: Row) -> ParsedRow:
    """`prompt` is `question` followed by its options."""
    get = row.values.get
    return ParsedRow(get("prompt"), _letter(get("answer")), choices=_options(row))


def _onevision_bench(row: Row) -> ParsedRow:
    """The question contains its options. In TSV the picture is base64, several pictures a list of base64
    (VLMEvalKit); in parquet it is stored as by `datasets`."""
    get = row.values.get
    image = get("image")
    if isinstance(image, str):
        image = (
            [_decoded(row, one) for one in _list(row, "image")] if image[:1] == "[" else _decoded(row, image)
        )
    steps = _list(row, "steps") if str(get("steps"))[:1] == "[" else get("steps")
    return ParsedRow(get("question"), _letter(get("answer")), steps, _options(row), image)


def _decoded(row: Row, picture: Any) -> bytes:
    if not isinstance(picture, str):
        row.refuse(
            f"image must be base64, not {picture!r:.40}; encode the picture again", kind="broken picture"
        )
    try:
        return base64.b64decode(picture.rpartition(",")[2], validate=True)
    except ValueError as error:
        row.refuse(f"image is not base64 ({error}); encode the picture again", error, kind="broken picture")


def _vrc(row: Row) -> ParsedRow:
    get = row.values.get
    return ParsedRow(get("question"), _letter(get("final_answer")), get("steps"), _options(row))


def _letter(answer: Any) -> Any:
    """The letter of `(A)`, `A.` or `A`; anything else unchanged."""
    match = _LETTER.fullmatch(answer.strip()) if isinstance(answer, str) else None
    return match[1] if match else answer


def _options(row: Row) -> Any:
    """A list, a list as Python source, or lines that start with A, B, ..."""
    choices = row.values.get("choices")
    if not isinstance(choices, str) or not choices.strip():
        return choices
    if choices.lstrip().startswith("["):
        return _list(row, "choices")
    lines = [_OPTION.fullmatch(line.strip()) for line in choices.strip().splitlines()]
    if not all(lines):
        row.refuse(f"choices must be a list, or lines that start with A., B., ..., not {choices!r:.40}")
    return [line[1] for line in lines if line]


def _list(row: Row, column: str) -> Any:
    """A list, given as such or as Python source."""
    value = row.values[column]
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError) as error:
        row.refuse(f"{column} must be a list of texts, not {value!r:.40}", error)


# All of them ----------------------------------------------------------------------------------------------

_ORIGINAL = ("original_question", "original_answer", "accu_reward_method")
_CV_BENCH = ("type", "source", "source_dataset", "source_filename", "target_class", "target_size", "bbox")

PLAIN = Dialect("plain", ("question", "answer"), _columns("question", "answer"))
HF_COLUMNS = Dialect(
    "hf columns",
    ("problem", "solution", "thinking"),
    _columns("problem", "solution", "thinking"),
    kept=(*_ORIGINAL, "normal_caption", "normalized_solution"),
)
EASYR1 = Dialect("easyr1", ("problem", "answer"), _columns("problem", "answer"))
CONVERSATIONS = Dialect(
    "conversations", ("conversations",), _conversations, kept=("accu_reward_method", "system")
)
MESSAGES = Dialect("messages", ("messages", "solution"), _messages, kept=("accu_reward_method", "system"))
QUERY = Dialect("query", ("query", "response", "history"), _query, kept=("system",))
TRL = Dialect("trl", ("prompt", "solution", "answer", "completion"), _prompt)
TRUTH = Dialect("eval", ("image_path", "question", "ground_truth"), _truth)
CV_BENCH = Dialect(
    "cv-bench",
    ("prompt", "question", "answer", "task"),
    _cv_bench,
    kept=("task", *_CV_BENCH, "filename"),
    id="idx",
)
ONEVISION_BENCH = Dialect(
    "r1-onevision-bench", ("question", "answer"), _onevision_bench, kept=("level", "category"), id="index"
)
VRC = Dialect("vrc", ("question", "final_answer"), _vrc, id="idx")
PREFERENCES = Dialect("preferences", ("prompt", "chosen", "rejected"), _pair, kept=("answer",))
DIALECTS = (
    *(PLAIN, HF_COLUMNS, EASYR1, CONVERSATIONS, MESSAGES, QUERY, TRL),
    *(TRUTH, CV_BENCH, ONEVISION_BENCH, VRC, PREFERENCES),
)
