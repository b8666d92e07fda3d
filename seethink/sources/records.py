"""A user's data files as Examples: any dialect, validated before work begins."""

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
from seethink.media import Image, PictureError, Video
from seethink.sources.dialects import PREFERENCES, Dialect, ParsedRow, dialect_of
from seethink.sources.row_reader import Row, read_rows
from seethink.types import MEDIA_MARK, Example, InputError, Media

DECODE_BELOW_BYTES = 2_000_000
"""Every picture's header is read; files smaller than this are decoded as well, to detect truncation early."""


@dataclass(frozen=True)
class MediaSettings:
    """How the media of a file's rows are opened.

    root: the folder that relative paths start from. video_options: keyword arguments of `media.Video` for
    clips whose row does not set them, such as {"num_frames": 16}.
    """

    root: Path
    video_options: Mapping[str, Any] = field(default_factory=dict)


def read(
    path: Path, media_root: Path | None = None, video_options: Mapping[str, Any] | None = None
) -> tuple[Example, ...]:
    """All rows, in order, of a .jsonl, .json, .tsv or .parquet file, a folder with one such file, or a saved
    dataset.

    media_root: the folder that paths of media start from; the folder of the data by default. video_options:
    as in `MediaSettings`. All rows and media are validated first; the first fault raises InputError with
    file, row and fix. Pictures embedded in a parquet file or a saved dataset stay in memory, encoded.
    """
    rows, settings = open_rows(path, media_root, video_options)
    dialect = dialect_of(rows)
    return validated(rows, (to_example(row, dialect, settings) for row in rows))


def open_rows(
    path: Path, media_root: Path | None, video_options: Mapping[str, Any] | None = None
) -> tuple[list[Row], MediaSettings]:
    """The rows of a file and the settings of their media. Raises InputError if there are no rows."""
    path = Path(path)
    rows = list(read_rows(path))
    if not rows:
        raise InputError(f"{path} has no rows")
    root = Path(media_root) if media_root else path if path.is_dir() else path.parent
    return rows, MediaSettings(root, video_options or {})


def validated(rows: Iterable[Row], examples: Iterable[Example]) -> tuple[Example, ...]:
    """The rows' examples, if ids are unique and every medium can be opened; each medium is opened once."""
    by_id: dict[str, Example] = {}
    opened: set[str] = set()
    for row, example in zip(rows, examples, strict=True):
        if example.id in by_id:
            row.refuse(
                f"the id {example.id!r} was used before; make ids unique or leave the column out",
                kind="same id",
            )
        by_id[example.id] = example
        for medium in example.media:
            if medium.key not in opened:
                _open_medium(medium, row)
                opened.add(medium.key)
    return tuple(by_id.values())


# One row --------------------------------------------------------------------------------------------------


def to_example(row: Row, dialect: Dialect, settings: MediaSettings) -> Example:
    """The row as an Example. Columns that the dialect keeps, and `meta`, go into the example's meta.

    The answer of a tagged solution is the content of `<answer>`, and its thought is a step. Raises
    InputError.
    """
    check_columns(row, dialect)
    if dialect is PREFERENCES:
        row.refuse("is a pair of responses, for `seethink train dpo` only; give an answer instead")
    parsed = dialect.parse(row)
    example = question_example(row, parsed, dialect, settings)
    get = row.values.get
    step_texts = _texts(row, "steps", get("steps") if parsed.steps is None else parsed.steps)
    steps = tuple(map(_thought, step_texts))
    thought, answer = _split_solution(row, _answer_text(row, parsed.answer))
    if any(tag in text for text in (*steps, *thought, answer) for tag in TAGS):
        row.refuse(
            f"a step or the answer contains one of {' '.join(TAGS)}, which only the format writes; remove it",
            kind="tag leak",
        )
    choices = _texts(row, "choices", get("choices") if parsed.choices is None else parsed.choices)
    return replace(example, answer=answer, choices=choices, steps=steps or thought)


def question_example(row: Row, parsed: ParsedRow, dialect: Dialect, settings: MediaSettings) -> Example:
    """The row's question with its media, without an answer."""
    question = parsed.question
    if not isinstance(question, str) or not question.strip():
        row.refuse("there is no question; give a text that is not empty", kind="no question")
    media = _media(row, parsed, settings)
    marks = MEDIA_MARK.findall(question)
    if marks and any(marks.count(kind) != len(items) for kind, items in media.items()):
        marked = " ".join(f"<{mark}>" for mark in marks)
        has = f"{len(media['image'])} picture(s) and {len(media['video'])} clip(s)"
        row.refuse(f"the question marks {marked}, but the row has {has}; mark all or none", kind="marks")
    remaining = {kind: iter(items) for kind, items in media.items()}
    ordered = [next(remaining[mark]) for mark in marks] or [*media["image"], *media["video"]]
    given = row.values.get(dialect.id)
    name = f"{row.file.stem}-{row.number}" if given is None else str(given)
    return Example(name, question, tuple(ordered), meta={**parsed.more, **_meta(row, dialect)})


def check_columns(row: Row, dialect: Dialect) -> None:
    """Raise RowError for a column that the dialect does not have; the message gives the closest name."""
    for column in row.values:
        if column in dialect.columns:
            continue
        near = difflib.get_close_matches(column, dialect.columns, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(dialect.columns)}."
        row.refuse(
            f"unknown column {column!r}; {known} Rename it, or move it into 'meta'", kind="unknown column"
        )


def _answer_text(row: Row, answer: Any) -> str:
    """The answer as text: a text, a number, or boxes. NaN is how tables store a missing answer."""
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        row.refuse("there is no answer; give the correct text or number", kind="no answer")
    if isinstance(answer, list | dict) and answer and (read_boxes(text := _json(answer))):
        return text
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        row.refuse(
            f"the answer must be a text or a number, not {answer!r:.40}; a box is [x1, y1, x2, y2]",
            kind="unreadable answer",
        )
    if isinstance(answer, float) and not math.isfinite(answer):
        row.refuse(f"there is no answer, only {answer}; give the correct text or number", kind="no answer")
    return str(answer).strip()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _split_solution(row: Row, solution: str) -> tuple[tuple[str, ...], str]:
    """(steps, answer) of a solution; without tags, the whole text is the answer."""
    if not any(tag in solution for tag in TAGS):
        return (), solution
    response = THINK_ANSWER.parse(solution)
    if not response.answer:
        row.refuse(
            f"the answer cannot be read: {ANSWER_ONLY.parse(solution).fault}; write it once in <answer>",
            kind="unreadable answer",
        )
    return (response.thought,) if response.thought else (), response.answer


def _thought(text: str) -> str:
    return THINK_ANSWER.parse(text).thought or text


def _texts(row: Row, column: str, value: Any) -> tuple[str, ...]:
    """A text or a list of texts as a tuple, without blank ones; empty for None."""
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        row.refuse(f"{column} must be a list of texts, not {value!r:.40}")
    return tuple(text for text in texts if text.strip())


def _meta(row: Row, dialect: Dialect) -> dict[str, Any]:
    """The columns that the dialect keeps, and `meta`: an object, or its JSON text as tables store it."""
    kept = {column: row.values[column] for column in dialect.kept if row.values.get(column) is not None}
    meta = row.values.get("meta")
    if meta is None:
        return kept
    if isinstance(meta, str) and meta.startswith("{"):
        try:
            meta = json.loads(meta)
        except ValueError as error:
            row.refuse(f"meta starts like JSON but is invalid ({error}); correct or rename it", error)
    return kept | (meta if isinstance(meta, dict) else {"meta": meta})


def _media(row: Row, parsed: ParsedRow, settings: MediaSettings) -> dict[str, list[Media]]:
    """The row's pictures and clips, each kind in order."""
    images = parsed.images if isinstance(parsed.images, list) else [parsed.images]
    pictures = images if parsed.images is not None else _items(row, "image", "images")
    return {
        "image": [_picture(row, item, settings) for item in pictures],
        "video": [_clip(row, item, settings) for item in _items(row, "video", "videos")],
    }


def _items(row: Row, one: str, many: str) -> list[Any]:
    given = [column for column in (one, many) if row.values.get(column) is not None]
    if len(given) > 1:
        row.refuse(f"both {one!r} and {many!r} are given; keep one")
    value = row.values[given[0]] if given else []
    return value if isinstance(value, list) else [value]


def _picture(row: Row, value: Any, settings: MediaSettings) -> Media:
    """A picture from a path, encoded bytes, or the `{bytes, path}` of `datasets`."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return Image.data(value, f"the picture of {row.file}, row {row.number}")
    return _from_path(row, value, settings, "picture", Image.file)


def _clip(row: Row, value: Any, settings: MediaSettings) -> Media:
    """A clip from a path, or from `{path, count, every_s, max_px, start_s, end_s}`, which selects frames as
    `media.Video` does."""
    given = dict(value) if isinstance(value, dict) else {"path": value}
    path = given.pop("path", None)
    if unknown := given.keys() - {*_CLIP_KEYS}:
        row.refuse(f"a clip has path, {', '.join(_CLIP_KEYS)}, not {', '.join(sorted(unknown))}")
    if not all(isinstance(number, int | float) for number in given.values()):
        row.refuse(f"{', '.join(_CLIP_KEYS)} of a clip are numbers, not {given}")
    ends = [given.pop(name, None) for name in ("start_s", "end_s")]
    options = {_VIDEO_OPTIONS.get(name, name): number for name, number in given.items()}
    if ends != [None, None]:
        if None in ends:
            row.refuse("a part of a clip has both start_s and end_s, in seconds; give the other one as well")
        options["span_s"] = tuple(ends)
    return _from_path(
        row, path, settings, "clip", lambda file: Video(file, **{**settings.video_options, **options})
    )


def _from_path(
    row: Row, value: Any, settings: MediaSettings, kind: str, make: Callable[[Path], Media]
) -> Media:
    if not isinstance(value, str) or not value:
        row.refuse(
            f"a {kind} must be the path of a file, not {value!r:.40}; leave the column out if there is none",
            kind=f"missing {kind}",
        )
    try:
        return make(settings.root / value)
    except (InputError, OSError) as error:
        row.refuse(f"{error}; correct the path, or set --media-root", error, f"missing {kind}")


def _open_medium(medium: Media, row: Row) -> None:
    """Read the header of a clip or picture, and decode a picture that is small or embedded in the data; see
    `DECODE_BELOW_BYTES`."""
    try:
        if isinstance(medium, Video):
            medium.duration_s()
        elif isinstance(medium, Image):
            medium.size()
            file = Path(medium.where)
            if not file.is_file() or file.stat().st_size < DECODE_BELOW_BYTES:
                medium.load()
    except InputError as error:
        word = _WORDS[medium.kind]
        kind = error.kind if isinstance(error, PictureError) else f"broken {word}"
        row.refuse(f"{error}; replace the {word} or remove the row", error, kind)


_CLIP_KEYS = ("count", "every_s", "max_px", "start_s", "end_s")
_VIDEO_OPTIONS = {"count": "num_frames", "every_s": "frame_interval"}
"""Key of a clip in a row -> parameter of `media.Video`, where they differ."""
_WORDS = {"image": "picture", "video": "clip"}
