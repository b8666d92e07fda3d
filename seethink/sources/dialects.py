"""How the field writes its rows: one `Dialect` for each way, told apart by columns.

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
from seethink.sources.rows import Row


@dataclass(frozen=True)
class Told:
    """What a row says, whatever its dialect. answer: as it stands in the file. images: where the dialect has
    a column of its own for them. more: what else is kept in the example's meta."""

    question: Any
    answer: Any
    steps: Any = None
    choices: Any = None
    images: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """How rows of one kind are written: their own columns, beside those that every dialect may have. kept:
    columns that go into meta as they are. id: the column that names a row."""

    name: str
    own: tuple[str, ...]
    tell: Callable[[Row], Told]
    kept: tuple[str, ...] = ()
    id: str = "id"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.id, *MEDIA, "meta", *self.own, *self.kept, "choices", "steps")))

    @property
    def telling(self) -> frozenset[str]:
        """Columns that speak for this dialect."""
        return frozenset((self.id, *self.own, *self.kept))


MEDIA = ("image", "images", "video", "videos")


def dialect_of(rows: Iterable[Row]) -> Dialect:
    """The dialect that knows the most columns of these rows; the plain one where none knows any."""
    shapes = Counter(tuple(row.values) for row in rows)
    known = {
        dialect.name: sum(
            n * len({*shape} & {dialect.id, *dialect.own, *dialect.kept}) for shape, n in shapes.items()
        )
        for dialect in DIALECTS
    }
    return max(DIALECTS, key=lambda dialect: known[dialect.name])


# One question and one answer ------------------------------------------------------------------------------


def _columns(question: str, answer: str, steps: str = "steps") -> Callable[[Row], Told]:
    def tell(row: Row) -> Told:
        get = row.values.get
        return Told(get(question), get(answer), get(steps), get("choices"))

    return tell


def _query(row: Row) -> Told:
    if row.values.get("history"):
        row.refuse(
            "there is a history; a row holds one question and one answer, so split the turns into rows"
        )
    return Told(row.values.get("query"), row.values.get("response"))


def _truth(row: Row) -> Told:
    get = row.values.get
    if get("image_path") is not None and (get("image") is not None or get("images") is not None):
        row.refuse("both 'image_path' and another column of pictures are given; keep one")
    return Told(get("question"), get("ground_truth"), images=get("image_path"))


# Conversations --------------------------------------------------------------------------------------------


def _conversations(row: Row) -> Told:
    turns, more = _turns(row, "conversations", ("from", "value"), ("human", "gpt"))
    if len(turns) == 1:
        row.refuse("there is no answer; add the gpt turn to conversations", kind="no answer")
    return Told(*turns, more=more)


def _messages(row: Row) -> Told:
    """The answer is in the assistant's turn, or beside it in `solution`, as reinforcement in ms-swift has
    it; then the turn may tell the thought."""
    turns, more = _turns(row, "messages", ("role", "content"), ("user", "assistant"))
    solution = row.values.get("solution")
    if solution is None and len(turns) == 1:
        row.refuse(
            "there is no answer; add the assistant turn to messages, or a column solution", kind="no answer"
        )
    if solution is None:
        return Told(*turns, more=more)
    thought = THINK_ANSWER.parse(turns[1]).thought if len(turns) == 2 and isinstance(turns[1], str) else None
    return Told(turns[0], solution, row.values.get("steps") or thought, more=more)


def _prompt(row: Row) -> Told:
    question, more = prompted(row)
    given = (row.values.get(column) for column in ("solution", "answer", "completion"))
    answer = next((value for value in given if value is not None), None)
    if isinstance(answer, list):
        (answer,), _ = _turns(row, "completion", ("role", "content"), ("assistant",))
    return Told(question, answer, more=more)


def _pair(row: Row) -> Told:
    question, more = prompted(row)
    return Told(question, None, more=more)


def prompted(row: Row) -> tuple[Any, Mapping[str, Any]]:
    """The question of a `prompt` that is a text, or a conversation that ends with the user's turn."""
    if not isinstance(row.values.get("prompt"), list):
        return row.values.get("prompt"), {}
    (question,), more = _turns(row, "prompt", ("role", "content"), ("user",))
    return question, more


def _turns(
    row: Row, column: str, keys: tuple[str, str], speakers: tuple[str, ...]
) -> tuple[list[Any], dict[str, Any]]:
    """What was said in turn, and the system's turn, if there is one before them. The last of two speakers
    may be missing."""
    turns = row.values.get(column)
    shape = ", ".join(f"{{{keys[0]}: {speaker}, {keys[1]}: ...}}" for speaker in speakers)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        row.refuse(f"{column} must be [{shape}]")
    told = tuple(turn.get(keys[0]) for turn in turns)
    system = told[:1] == ("system",)
    if told[system:] not in (speakers, speakers[:1]):
        row.refuse(f"{column} has the turns {', '.join(map(str, told)) or 'of nobody'}; it must be [{shape}]")
    said = [_content(row, column, turn.get(keys[1])) for turn in turns]
    return said[system:], {"system": said[0]} if system else {}


def _content(row: Row, column: str, content: Any) -> Any:
    """A turn's text; of a list of parts, the text with a mark where each medium stands."""
    if not isinstance(content, list):
        return content
    told = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "image", "video") or (
            kind == "text" and not isinstance(part.get("text"), str)
        ):
            row.refuse(f"a part of {column} must be of type text, image or video, not {part!r:.60}")
        if kind != "text" and part.get(kind) is not None:
            row.refuse(f"a part of {column} holds its {kind} itself; list it in the column {kind}s instead")
        told.append(part["text"] if kind == "text" else f"<{kind}>")
    return "".join(told)


# Benchmarks -----------------------------------------------------------------------------------------------

_LETTER = re.compile(r"\(?([A-J])[).:]?")
_OPTION = re.compile(r"\(?[A-J][).:]\s*(.*)")


def _cv_bench(row: Row) -> Told:
    """`prompt` is `question` with its options in it."""
    get = row.values.get
    return Told(get("prompt"), _letter(get("answer")), choices=_options(row))


def _onevision_bench(row: Row) -> Told:
    """The question holds its options; the picture is base64 in TSV, several are a list of it (VLMEvalKit),
    and as datasets store it in parquet."""
    get = row.values.get
    image = get("image")
    if isinstance(image, str):
        image = (
            [_decoded(row, one) for one in _list(row, "image")] if image[:1] == "[" else _decoded(row, image)
        )
    steps = _list(row, "steps") if str(get("steps"))[:1] == "[" else get("steps")
    return Told(get("question"), _letter(get("answer")), steps, _options(row), image)


def _decoded(row: Row, picture: Any) -> bytes:
    if not isinstance(picture, str):
        row.refuse(f"image is no base64, but {picture!r:.40}; write the picture anew", kind="broken picture")
    try:
        return base64.b64decode(picture.rpartition(",")[2], validate=True)
    except ValueError as error:
        row.refuse(f"image is no base64 ({error}); write the picture anew", error, kind="broken picture")


def _vrc(row: Row) -> Told:
    get = row.values.get
    return Told(get("question"), _letter(get("final_answer")), get("steps"), _options(row))


def _letter(answer: Any) -> Any:
    """`(A)`, `A.` and `A` as the letter; anything else as it is."""
    match = _LETTER.fullmatch(answer.strip()) if isinstance(answer, str) else None
    return match[1] if match else answer


def _options(row: Row) -> Any:
    """A list as it is, or as Python writes one; or lines that begin with A, B, ..."""
    told = row.values.get("choices")
    if not isinstance(told, str) or not told.strip():
        return told
    if told.lstrip().startswith("["):
        return _list(row, "choices")
    lines = [_OPTION.fullmatch(line.strip()) for line in told.strip().splitlines()]
    if not all(lines):
        row.refuse(f"choices must be a list, or lines that begin with A., B., ..., not {told!r:.40}")
    return [line[1] for line in lines if line]


def _list(row: Row, column: str) -> Any:
    """A list as it is, or as Python writes one."""
    told = row.values[column]
    if not isinstance(told, str):
        return told
    try:
        return ast.literal_eval(told.strip())
    except (ValueError, SyntaxError) as error:
        row.refuse(f"{column} must be a list of texts, not {told!r:.40}", error)


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
