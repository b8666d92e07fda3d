"""A user's own files as Examples: four dialects, told apart by columns, checked before anything runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seethink.formats import ANSWER_ONLY, TAGS, THINK_ANSWER
from seethink.media import Image, Video
from seethink.sources.rows import Row, rows_of
from seethink.types import MEDIA_MARK, Example, InputError, Media

DECODE_BELOW_BYTES = 2_000_000
"""Every picture's header is read; a file smaller than this is decoded too, so that a cut one is found now."""


@dataclass(frozen=True)
class Place:
    """Where the paths of a file's media begin, and what `media.Video` is told of a clip whose row says
    nothing."""

    folder: Path
    clips: Mapping[str, Any] = field(default_factory=dict)


def read(
    path: Path, images: Path | None = None, clips: Mapping[str, Any] | None = None
) -> tuple[Example, ...]:
    """Every row, in order, of a .jsonl, .json or .parquet file, a folder that holds one, or a saved dataset.

    Paths of pictures and clips start at `images`, or else beside the data. All rows and media are checked
    before this returns; the first fault raises InputError naming file, row and mend. Pictures that stand
    inside a parquet file or a saved dataset stay in memory, undecoded.
    """
    rows, place = located(path, images, clips)
    dialect = dialect_of(rows)
    return checked(rows, (to_example(row, dialect, place) for row in rows))


def located(
    path: Path, images: Path | None, clips: Mapping[str, Any] | None = None
) -> tuple[list[Row], Place]:
    """The rows of a file, and where their media are."""
    path = Path(path)
    rows = list(rows_of(path))
    if not rows:
        raise InputError(f"{path} holds no rows")
    return rows, Place(Path(images) if images else path if path.is_dir() else path.parent, clips or {})


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


COMMON = ("id", "image", "images", "video", "videos", "meta")
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


def to_example(row: Row, dialect: Dialect, place: Place) -> Example:
    """The row as an Example. Columns a dialect keeps (and `meta`) go into the example's meta.

    Of a solution with tags, the answer is what stands in `<answer>` and the thought is a step. Raises
    InputError.
    """
    check_columns(row, dialect)
    told = dialect.tell(row)
    asked = ask(row, told.question, place)
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


def ask(row: Row, question: Any, place: Place) -> Example:
    """The row's question with its pictures and clips, and nothing yet about its answer."""
    if not isinstance(question, str) or not question.strip():
        row.refuse("there is no question; it must be a text that is not empty")
    media = _media(row, place)
    marks = MEDIA_MARK.findall(question)
    if marks and any(marks.count(kind) != len(found) for kind, found in media.items()):
        marked = " ".join(f"<{mark}>" for mark in marks)
        has = f"{len(media['image'])} picture(s) and {len(media['video'])} clip(s)"
        row.refuse(f"the question marks {marked}, but the row has {has}; mark all or none")
    left = {kind: iter(found) for kind, found in media.items()}
    placed = [next(left[mark]) for mark in marks] or [*media["image"], *media["video"]]
    given = row.values.get("id")
    return Example(f"{row.file.stem}-{row.number}" if given is None else str(given), question, tuple(placed))


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


def _media(row: Row, place: Place) -> dict[str, list[Media]]:
    """The row's pictures and clips, each kind in its order."""
    return {
        "image": [_picture(row, item, place) for item in _items(row, "image", "images")],
        "video": [_clip(row, item, place) for item in _items(row, "video", "videos")],
    }


def _items(row: Row, one: str, many: str) -> list[Any]:
    given = [column for column in (one, many) if row.values.get(column) is not None]
    if len(given) > 1:
        row.refuse(f"both {one!r} and {many!r} are given; keep one")
    value = row.values[given[0]] if given else []
    return value if isinstance(value, list) else [value]


def _picture(row: Row, value: Any, place: Place) -> Media:
    """A path, encoded bytes, or the `{bytes, path}` that datasets store."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return Image.data(value, f"the picture of {row.file}, row {row.number}")
    return _at(row, value, place, "picture", Image.file)


def _clip(row: Row, value: Any, place: Place) -> Media:
    """A path, or `{path, count, every_s, max_px}`: which frames are looked at, as in `media.Video`."""
    chosen = dict(value) if isinstance(value, dict) else {"path": value}
    path = chosen.pop("path", None)
    if foreign := chosen.keys() - {"count", "every_s", "max_px"}:
        row.refuse(f"a clip has path, count, every_s and max_px, not {', '.join(sorted(foreign))}")
    if not all(isinstance(number, int | float) for number in chosen.values()):
        row.refuse(f"count, every_s and max_px of a clip are numbers, not {chosen}")
    return _at(row, path, place, "clip", lambda file: Video(file, **{**place.clips, **chosen}))


def _at(row: Row, value: Any, place: Place, kind: str, make: Callable[[Path], Media]) -> Media:
    if not isinstance(value, str) or not value:
        row.refuse(
            f"a {kind} must be the path of a file, not {value!r:.40}; leave the column out if there is none"
        )
    try:
        return make(place.folder / value)
    except (InputError, OSError) as error:
        row.refuse(f"{error}; mend the path, or say in which folder the {kind}s are", error)


def _look_at(medium: Media, row: Row) -> None:
    """Read the header of a clip or picture, and decode a picture that is small or stands inside the data; see
    `DECODE_BELOW_BYTES`."""
    try:
        if isinstance(medium, Video):
            medium.seconds()
        elif isinstance(medium, Image):
            medium.size()
            file = Path(medium.where)
            if not file.is_file() or file.stat().st_size < DECODE_BELOW_BYTES:
                medium.load()
    except InputError as error:
        row.refuse(f"{error}; replace the {_WORDS[medium.kind]} or remove the row", error)


_WORDS = {"image": "picture", "video": "clip"}
