"""A user's own files as Examples, whatever their dialect, checked before anything runs."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seethink.boxes import read_boxes
from seethink.formats import ANSWER_ONLY, TAGS, THINK_ANSWER
from seethink.media import Image, Video
from seethink.sources.dialects import PREFERENCES, Dialect, Told, dialect_of
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
    """Every row, in order, of a .jsonl, .json, .tsv or .parquet file, a folder that holds one, or a saved
    dataset.

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
            row.refuse(
                f"the id {example.id!r} was used before; make ids differ or leave the column out",
                kind="same id",
            )
        examples[example.id] = example
        for picture in example.media:
            if picture.key not in looked_at:
                _look_at(picture, row)
                looked_at.add(picture.key)
    return tuple(examples.values())


# One row --------------------------------------------------------------------------------------------------


def to_example(row: Row, dialect: Dialect, place: Place) -> Example:
    """The row as an Example. Columns a dialect keeps (and `meta`) go into the example's meta.

    Of a solution with tags, the answer is what stands in `<answer>` and the thought is a step. Raises
    InputError.
    """
    check_columns(row, dialect)
    if dialect is PREFERENCES:
        row.refuse("is a pair of responses; pairs are for `seethink train dpo`; or give an answer")
    told = dialect.tell(row)
    asked = ask(row, told, dialect, place)
    get = row.values.get
    steps = tuple(map(_thought, _texts(row, "steps", get("steps") if told.steps is None else told.steps)))
    thought, answer = _split_solution(row, _answer_text(row, told.answer))
    if any(tag in text for text in (*steps, *thought, answer) for tag in TAGS):
        row.refuse(
            f"a step or the answer holds one of {' '.join(TAGS)}, which only the format may write; remove it",
            kind="tag leak",
        )
    choices = _texts(row, "choices", get("choices") if told.choices is None else told.choices)
    return replace(asked, answer=answer, choices=choices, steps=steps or thought)


def ask(row: Row, told: Told, dialect: Dialect, place: Place) -> Example:
    """The row's question with its pictures and clips, and nothing yet about its answer."""
    question = told.question
    if not isinstance(question, str) or not question.strip():
        row.refuse("there is no question; it must be a text that is not empty", kind="no question")
    media = _media(row, told, place)
    marks = MEDIA_MARK.findall(question)
    if marks and any(marks.count(kind) != len(found) for kind, found in media.items()):
        marked = " ".join(f"<{mark}>" for mark in marks)
        has = f"{len(media['image'])} picture(s) and {len(media['video'])} clip(s)"
        row.refuse(f"the question marks {marked}, but the row has {has}; mark all or none", kind="marks")
    left = {kind: iter(found) for kind, found in media.items()}
    placed = [next(left[mark]) for mark in marks] or [*media["image"], *media["video"]]
    given = row.values.get(dialect.id)
    name = f"{row.file.stem}-{row.number}" if given is None else str(given)
    return Example(name, question, tuple(placed), meta={**told.more, **_meta(row, dialect)})


def check_columns(row: Row, dialect: Dialect) -> None:
    for column in row.values:
        if column in dialect.columns:
            continue
        near = difflib.get_close_matches(column, dialect.columns, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(dialect.columns)}."
        row.refuse(
            f"unknown column {column!r}; {known} Rename it, or move it into 'meta'", kind="unknown column"
        )


def _answer_text(row: Row, answer: Any) -> str:
    """Text, or a number or boxes as they are written. NaN is what tables hold where an answer is missing."""
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        row.refuse("there is no answer; give the text or number that is right", kind="no answer")
    if isinstance(answer, list | dict) and answer and (read_boxes(told := _json(answer))):
        return told
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        row.refuse(
            f"the answer must be a text or a number, not {answer!r:.40}; a box is [x1, y1, x2, y2]",
            kind="unreadable answer",
        )
    if isinstance(answer, float) and not math.isfinite(answer):
        row.refuse(
            f"there is no answer, only {answer}; give the text or number that is right", kind="no answer"
        )
    return str(answer).strip()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _split_solution(row: Row, solution: str) -> tuple[tuple[str, ...], str]:
    if not any(tag in solution for tag in TAGS):
        return (), solution
    said = THINK_ANSWER.parse(solution)
    if not said.answer:
        row.refuse(
            f"the answer cannot be read: {ANSWER_ONLY.parse(solution).fault}; write it once in <answer>",
            kind="unreadable answer",
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
    """What the dialect keeps, and `meta`: an object, or the JSON text of one, as tables hold it."""
    kept = {column: row.values[column] for column in dialect.kept if row.values.get(column) is not None}
    meta = row.values.get("meta")
    if meta is None:
        return kept
    if isinstance(meta, str) and meta.startswith("{"):
        try:
            meta = json.loads(meta)
        except ValueError as error:
            row.refuse(f"meta begins like JSON, but is none ({error}); mend or rename it", error)
    return kept | (meta if isinstance(meta, dict) else {"meta": meta})


def _media(row: Row, told: Told, place: Place) -> dict[str, list[Media]]:
    """The row's pictures and clips, each kind in its order."""
    own = told.images if isinstance(told.images, list) else [told.images]
    pictures = own if told.images is not None else _items(row, "image", "images")
    return {
        "image": [_picture(row, item, place) for item in pictures],
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
    """A path, or `{path, count, every_s, max_px, start_s, end_s}`: which frames of which part are looked at,
    as in `media.Video`."""
    chosen = dict(value) if isinstance(value, dict) else {"path": value}
    path = chosen.pop("path", None)
    if foreign := chosen.keys() - {*_CHOICE}:
        row.refuse(f"a clip has path, {', '.join(_CHOICE)}, not {', '.join(sorted(foreign))}")
    if not all(isinstance(number, int | float) for number in chosen.values()):
        row.refuse(f"{', '.join(_CHOICE)} of a clip are numbers, not {chosen}")
    ends = [chosen.pop(name, None) for name in ("start_s", "end_s")]
    if ends != [None, None]:
        if None in ends:
            row.refuse("a part of a clip has both start_s and end_s, in seconds; give the other one, too")
        chosen["span_s"] = tuple(ends)
    return _at(row, path, place, "clip", lambda file: Video(file, **{**place.clips, **chosen}))


def _at(row: Row, value: Any, place: Place, kind: str, make: Callable[[Path], Media]) -> Media:
    if not isinstance(value, str) or not value:
        row.refuse(
            f"a {kind} must be the path of a file, not {value!r:.40}; leave the column out if there is none",
            kind=f"missing {kind}",
        )
    try:
        return make(place.folder / value)
    except (InputError, OSError) as error:
        row.refuse(
            f"{error}; mend the path, or say in which folder the {kind}s are", error, f"missing {kind}"
        )


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
        word = _WORDS[medium.kind]
        row.refuse(f"{error}; replace the {word} or remove the row", error, f"broken {word}")


_CHOICE = ("count", "every_s", "max_px", "start_s", "end_s")
_WORDS = {"image": "picture", "video": "clip"}
