"""A user's own files as Examples: four dialects, told apart by columns, checked before anything runs."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from seethink.formats import ANSWER_ONLY, TAGS, THINK_ANSWER
from seethink.media import Image
from seethink.types import MEDIA_MARK, Example, InputError, Media

DECODE_BELOW_BYTES = 2_000_000
"""Every picture's header is read; a file smaller than this is decoded too, so that a cut one is found now."""

SUFFIXES = (".jsonl", ".json", ".parquet")


def read(path: Path, images: Path | None = None) -> tuple[Example, ...]:
    """Every row, in order, of a .jsonl, .json or .parquet file, a folder that holds one, or a saved dataset.

    Picture paths start at `images`, or else beside the data. All rows and pictures are checked before this
    returns; the first fault raises InputError naming file, row and mend. Pictures that stand inside a parquet
    file or a saved dataset stay in memory, undecoded.
    """
    rows, folder = located(path, images)
    dialect = dialect_of(rows)
    return checked(rows, (to_example(row, dialect, folder) for row in rows))


def located(path: Path, images: Path | None) -> tuple[list[Row], Path]:
    """The rows of a file, and the folder that their pictures' paths begin at."""
    path = Path(path)
    rows = list(rows_of(path))
    if not rows:
        raise InputError(f"{path} holds no rows")
    return rows, Path(images) if images else path if path.is_dir() else path.parent


def checked(rows: Iterable[Row], made: Iterable[Example]) -> tuple[Example, ...]:
    """The rows' examples, if no id comes twice and every picture can be opened; each is opened once."""
    examples: dict[str, Example] = {}
    looked_at: set[str] = set()
    for row, example in zip(rows, made, strict=True):
        if example.id in examples:
            row.refuse(f"the id {example.id!r} was used before; make ids differ or leave the column out")
        examples[example.id] = example
        for picture in example.media:
            if picture.key not in looked_at:
                _look_at(picture, row)
                looked_at.add(picture.key)
    return tuple(examples.values())


# Rows -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row as it stands in its file; `number` counts from 1 (in .jsonl it is the line)."""

    file: Path
    number: int
    values: Mapping[str, Any]

    def refuse(self, fault: str, cause: Exception | None = None) -> NoReturn:
        raise InputError(f"{self.file}, row {self.number}: {fault}") from cause


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file, or of the only data file in a folder. Raises InputError naming file and place."""
    if path.is_dir() and not (path / "state.json").is_file():
        path = _only_file_in(path)
    if path.is_dir():
        return _numbered(path, _saved_rows(path))
    if not path.is_file():
        raise InputError(f"there is no data at {path}")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is of no known kind; give one of {', '.join(SUFFIXES)}, or a saved dataset")
    if path.suffix == ".jsonl":
        return _json_lines(path)
    return _numbered(path, _parquet_rows(path) if path.suffix == ".parquet" else _json_array(path))


def _only_file_in(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    files = [file for file in files if file.stem == "data"] or files
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or f"no {', '.join(SUFFIXES)} file"
        raise InputError(f"{folder} must hold one data file, but holds {found}; name the file itself")
    return files[0]


def _numbered(file: Path, values: Iterable[Any]) -> Iterator[Row]:
    for number, value in enumerate(values, 1):
        yield _row(file, number, value)


def _row(file: Path, number: int, value: Any) -> Row:
    row = Row(file, number, value if isinstance(value, dict) else {})
    if not isinstance(value, dict):
        row.refuse(f"must be an object of named columns, not {value!r:.40}")
    return row


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield _row(path, number, _parsed(line, path, number, "every line must hold one JSON object"))


def _json_array(path: Path) -> list[Any]:
    rows = _parsed(_text(path), path, 1, "a .json file holds one array of rows, a .jsonl file one row a line")
    if not isinstance(rows, list):
        raise InputError(f"{path} must hold an array of rows, not one {type(rows).__name__}")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _parsed(text: str, path: Path, first_line: int, mend: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(
            f"{path}, line {line}, column {error.colno}: not JSON ({error.msg}); {mend}"
        ) from error


def _parquet_rows(path: Path) -> list[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error


def _saved_rows(folder: Path) -> list[Any]:
    """A folder that `datasets.Dataset.save_to_disk` wrote; pictures stay encoded."""
    import datasets

    table: Any = datasets.Dataset.load_from_disk(str(folder)).with_format("arrow")[:]
    return table.to_pylist()


# Dialects -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What a row says, whatever its dialect. `answer` is as it stands in the file."""

    question: Any
    answer: Any
    steps: Any = None
    choices: Any = None


def _plain(row: Row) -> Told:
    get = row.values.get
    return Told(get("question"), get("answer"), get("steps"), get("choices"))


def _hf_columns(row: Row) -> Told:
    return Told(row.values.get("problem"), row.values.get("solution"), row.values.get("thinking"))


def _conversations(row: Row) -> Told:
    return _turns(row, "conversations", ("from", "value"), ("human", "gpt"))


def _messages(row: Row) -> Told:
    return _turns(row, "messages", ("role", "content"), ("user", "assistant"))


def _turns(row: Row, column: str, keys: tuple[str, str], speakers: tuple[str, str]) -> Told:
    turns = row.values.get(column)
    shape = f"[{{{keys[0]}: {speakers[0]}, {keys[1]}: ...}}, {{{keys[0]}: {speakers[1]}, {keys[1]}: ...}}]"
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        row.refuse(f"{column} must be {shape}")
    told = tuple(turn.get(keys[0]) for turn in turns)
    if told == speakers[:1]:
        row.refuse(f"there is no answer; add the {speakers[1]} turn to {column}")
    if told != speakers:
        row.refuse(f"{column} has the turns {', '.join(map(str, told)) or 'of nobody'}; it must be {shape}")
    return Told(turns[0].get(keys[1]), turns[1].get(keys[1]))


@dataclass(frozen=True)
class Dialect:
    """How rows of one kind are written: their own columns, beside those that every dialect may have."""

    name: str
    own: tuple[str, ...]
    tell: Callable[[Row], Told]
    kept: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*COMMON, *self.own, *self.kept)


COMMON = ("id", "image", "images", "meta")
PLAIN = Dialect("plain", ("question", "answer", "steps", "choices"), _plain)
HF_COLUMNS = Dialect(
    "hf columns",
    ("problem", "solution", "thinking"),
    _hf_columns,
    kept=(
        "original_question",
        "original_answer",
        "accu_reward_method",
        "normal_caption",
        "normalized_solution",
    ),
)
CONVERSATIONS = Dialect("conversations", ("conversations",), _conversations, kept=("accu_reward_method",))
MESSAGES = Dialect("messages", ("messages",), _messages)
DIALECTS = (PLAIN, HF_COLUMNS, CONVERSATIONS, MESSAGES)


def dialect_of(rows: Iterable[Row]) -> Dialect:
    """The dialect that knows the most columns of these rows; the plain one where none knows any."""
    known = dict.fromkeys((dialect.name for dialect in DIALECTS), 0)
    for row in rows:
        for dialect in DIALECTS:
            known[dialect.name] += len(row.values.keys() & {*dialect.own, *dialect.kept})
    return max(DIALECTS, key=lambda dialect: known[dialect.name])


# One row --------------------------------------------------------------------------------------------------


def to_example(row: Row, dialect: Dialect, folder: Path) -> Example:
    """The row as an Example. Columns a dialect keeps (and `meta`) go into the example's meta.

    Of a solution with tags, the answer is what stands in `<answer>` and the thought is a step. Raises
    InputError.
    """
    check_columns(row, dialect)
    told = dialect.tell(row)
    asked = ask(row, told.question, folder)
    steps = tuple(_thought(step) for step in _texts(row, "steps", told.steps))
    thought, answer = _split_solution(row, _answer_text(row, told.answer))
    if any(tag in text for text in (*steps, *thought, answer) for tag in TAGS):
        row.refuse(
            f"a step or the answer holds one of {' '.join(TAGS)}, which only the format may write; remove it"
        )
    return replace(
        asked,
        answer=answer,
        choices=_texts(row, "choices", told.choices),
        steps=steps or thought,
        meta=_meta(row, dialect),
    )


def ask(row: Row, question: Any, folder: Path) -> Example:
    """The row's question with its pictures, and nothing yet about its answer."""
    if not isinstance(question, str) or not question.strip():
        row.refuse("there is no question; it must be a text that is not empty")
    pictures = _pictures(row, folder)
    marks = MEDIA_MARK.findall(question)
    if marks and (len(marks) != len(pictures) or "video" in marks):
        marked = " ".join(f"<{mark}>" for mark in marks)
        row.refuse(
            f"the question marks {marked}, but the row has {len(pictures)} picture(s); mark all or none"
        )
    given = row.values.get("id")
    return Example(f"{row.file.stem}-{row.number}" if given is None else str(given), question, pictures)


def check_columns(row: Row, dialect: Dialect) -> None:
    for column in row.values:
        if column in dialect.columns:
            continue
        near = difflib.get_close_matches(column, dialect.columns, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(dialect.columns)}."
        row.refuse(f"unknown column {column!r}; {known} Rename it, or move it into 'meta'")


def _answer_text(row: Row, answer: Any) -> str:
    """Text, or a number as it is written. NaN is what tables hold where an answer is missing."""
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        row.refuse("there is no answer; give the text or number that is right")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        row.refuse(f"the answer must be a text or a number, not {answer!r:.40}")
    if isinstance(answer, float) and not math.isfinite(answer):
        row.refuse(f"there is no answer, only {answer}; give the text or number that is right")
    return str(answer).strip()


def _split_solution(row: Row, solution: str) -> tuple[tuple[str, ...], str]:
    if not any(tag in solution for tag in TAGS):
        return (), solution
    said = THINK_ANSWER.parse(solution)
    if not said.answer:
        row.refuse(
            f"the answer cannot be read: {ANSWER_ONLY.parse(solution).fault}; write <answer>...</answer> once"
        )
    return (said.thought,) if said.thought else (), said.answer


def _thought(text: str) -> str:
    return THINK_ANSWER.parse(text).thought or text


def _texts(row: Row, column: str, value: Any) -> tuple[str, ...]:
    """A text, or a list of them; none where nothing is given."""
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        row.refuse(f"{column} must be a list of texts, not {value!r:.40}")
    return tuple(text for text in texts if text.strip())


def _meta(row: Row, dialect: Dialect) -> dict[str, Any]:
    kept = {column: row.values[column] for column in dialect.kept if row.values.get(column) is not None}
    meta = row.values.get("meta")
    if meta is None:
        return kept
    return kept | (meta if isinstance(meta, dict) else {"meta": meta})


def _pictures(row: Row, folder: Path) -> tuple[Image, ...]:
    given = [column for column in ("image", "images") if row.values.get(column) is not None]
    if len(given) > 1:
        row.refuse("both 'image' and 'images' are given; keep one")
    value = row.values[given[0]] if given else []
    return tuple(_picture(row, item, folder) for item in (value if isinstance(value, list) else [value]))


def _picture(row: Row, value: Any, folder: Path) -> Image:
    """A path, encoded bytes, or the `{bytes, path}` that datasets store."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return Image.data(value, f"the picture of {row.file}, row {row.number}")
    if not isinstance(value, str) or not value:
        row.refuse(
            f"a picture must be the path of a file, not {value!r:.40}; leave the column out if there is none"
        )
    try:
        return Image.file(folder / value)
    except (InputError, OSError) as error:
        row.refuse(f"{error}; mend the path, or say in which folder the pictures are", error)


def _look_at(picture: Media, row: Row) -> None:
    """Read the header, and decode what is small or stands inside the data; see `DECODE_BELOW_BYTES`."""
    assert isinstance(picture, Image)
    file = Path(picture.where)
    try:
        picture.size()
        if not file.is_file() or file.stat().st_size < DECODE_BELOW_BYTES:
            picture.load()
    except InputError as error:
        row.refuse(f"{error}; replace the picture or remove the row", error)
