"""A user's data files as Examples: any dialect, validated before work begins."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from seethink.boxes import read_boxes
from seethink.formats import ANSWER_ONLY, TAGS, THINK_ANSWER
from seethink.media import Image, PictureError, Video, given
from seethink.media.paths import MissingMedium, is_file, shown
from seethink.sources import marks
from seethink.sources.cells import listed
from seethink.sources.dialects import MEDIA, PREFERENCES, Dialect, dialect_of
from seethink.sources.further_columns import further_columns, is_blank, kept, refuse_without_answer
from seethink.sources.json_rows import as_object, value_fault
from seethink.sources.other_names import renamed
from seethink.sources.parsed_row import ParsedRow, media_in
from seethink.sources.row_reader import Row, RowError, media_folder, read_rows
from seethink.types import MEDIA_MARK, Example, InputError, Media
from seethink.verify.listed_options import letter_gold, with_listed_options

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
    path: Path,
    media_root: Path | None = None,
    video_options: Mapping[str, Any] | None = None,
    answered: bool = True,
) -> tuple[Example, ...]:
    """All rows, in order, of a data file, a folder with one, a folder of parquet shards, or a saved dataset;
    docs/data.md lists files and dialects.

    media_root: the folder that paths of media start from; the folder of the data by default. video_options:
    as in `MediaSettings`. answered: refuse rows without an answer; otherwise a file without any answer, such
    as the questions of an evaluation, is read. All rows and media are validated first; the first fault
    raises InputError with file, row and fix. Pictures embedded in the data stay in memory, encoded.
    """
    return examples_of(*open_rows(path, media_root, video_options), answered)


def examples_of(rows: Sequence[Row], settings: MediaSettings, answered: bool = True) -> tuple[Example, ...]:
    """The examples of rows, as `read` gives them."""
    dialect = dialect_of(rows)
    examples = validated(rows, (to_example(row, dialect, settings) for row in rows))
    unanswered = [row for row, example in zip(rows, examples, strict=True) if example.answer is None]
    if unanswered and (answered or len(unanswered) < len(rows)):
        refuse_unanswered(unanswered[0], dialect)
    return examples


def refuse_unanswered(row: Row, dialect: Dialect) -> NoReturn:
    """Raise RowError for a row without an answer."""
    row.refuse(f"there is no answer; {dialect.answered_by}", kind="no answer")


def open_rows(
    path: Path, media_root: Path | None, video_options: Mapping[str, Any] | None = None
) -> tuple[list[Row], MediaSettings]:
    """The rows of a file and the settings of their media. Raises InputError if there are no rows."""
    path = Path(path)
    rows = [renamed(row) for row in read_rows(path)]
    if not rows:
        raise InputError(f"{path} has no rows")
    root = Path(media_root) if media_root else media_folder(path)
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

    The answer of a tagged solution is the content of `<answer>`, and its thought is a step; a missing answer
    is None. Options that the question alone lists are its choices, if the answer is one of them. Raises
    InputError.
    """
    further = further_columns(row, dialect, settings.root)
    if dialect is PREFERENCES:
        row.refuse("it is a pair of responses, for `seethink train dpo` only; give an answer instead")
    parsed = dialect.parse(row)
    media = _media(row, parsed, settings)
    parsed = marks.fill_objects(row, parsed, media["image"])
    example = question_example(row, parsed, dialect, media)
    get = row.values.get
    step_texts = _texts(row, "steps", get("steps") if parsed.steps is None else parsed.steps)
    steps = tuple(map(_thought, step_texts))
    text = _answer_text(row, parsed.answer)
    thought, answer = ((), None) if text is None else _split_solution(row, text)
    if answer is None:
        refuse_without_answer(row, further, dialect)
    if media["image"] + media["video"] and MEDIA_MARK.search(text or "") and not example.is_marked:
        row.refuse("the answer marks the row's media; an answer is text", kind="mark in answer")
    if any(tag in text for text in (*steps, *thought, answer or "") for tag in TAGS):
        row.refuse(
            f"a step or the answer contains one of {' '.join(TAGS)}, which only the format writes; remove it",
            kind="tag leak",
        )
    choices = _texts(row, "choices", get("choices") if parsed.choices is None else parsed.choices)
    meta = {**letter_gold(choices), **example.meta} if dialect.lettered and answer else example.meta
    example = replace(example, answer=answer, choices=choices, steps=steps or thought, meta=meta)
    return with_listed_options(example)


def prompt_example(row: Row, parsed: ParsedRow, dialect: Dialect, settings: MediaSettings) -> Example:
    """The row's turns up to the question, with their media, without an answer."""
    return question_example(row, parsed, dialect, _media(row, parsed, settings))


def question_example(
    row: Row, parsed: ParsedRow, dialect: Dialect, media: Mapping[str, Sequence[Media]]
) -> Example:
    """The row's history and question with their media, without an answer."""
    question = parsed.question
    if not isinstance(question, str) or not question.strip():
        row.refuse("there is no question; give a text that is not empty", kind="no question")
    parsed, pictures = marks.unnumbered(parsed, media["image"])
    media = {**media, "image": pictures}
    texts = [*(turn.text for turn in parsed.history), parsed.question]
    found = [mark for text in texts for mark in MEDIA_MARK.findall(text)]
    if found and any(found.count(kind) != len(items) for kind, items in media.items()):
        where = "conversation" if parsed.history else "question"
        marked = " ".join(f"<{mark}>" for mark in found)
        has = f"{len(media['image'])} picture(s) and {len(media['video'])} clip(s)"
        row.refuse(f"the {where} marks {marked}, but the row has {has}; mark all or none", kind="marks")
    remaining = {kind: iter(items) for kind, items in media.items()}
    ordered = [next(remaining[mark]) for mark in found] or [*media["image"], *media["video"]]
    kinds = iter([medium.kind for medium in ordered])  # an animation is marked as a picture and is a clip
    *before, question = (MEDIA_MARK.sub(lambda mark: f"<{next(kinds)}>", text) for text in texts)
    history = tuple(turn._replace(text=text) for turn, text in zip(parsed.history, before, strict=True))
    name = row.values.get(dialect.id)
    if isinstance(name, bool | list | dict) or not str(name).strip():
        row.refuse(f"the {dialect.id} must be a text or a number, not {name!r:.40}; or leave the column out")
    name = f"{row.stem}-{row.number}" if name is None else str(name)
    meta, where = _meta(row, dialect), f"{row.file}, row {row.number}"
    return Example(name, question, tuple(ordered), meta=meta, history=history, where=where)


def _answer_text(row: Row, answer: Any) -> str | None:
    """The answer as text: a text, a number, boxes, or a list of one of these. None if there is none; NaN is
    how tables store that."""
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], str | int | float):
        (answer,) = answer
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        return None
    if isinstance(answer, list | dict) and answer and (read_boxes(text := _json(answer))):
        return text
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        row.refuse(
            f"the answer must be a text or a number, not {answer!r:.40}; a box is [x1, y1, x2, y2]",
            kind="unreadable answer",
        )
    if isinstance(answer, float) and not math.isfinite(answer):
        return None
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
    """A list of texts as a tuple, without blank ones; empty for None. Steps may be one text."""
    value = listed(value)
    texts = [value] if isinstance(value, str) and column == "steps" else value or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        row.refuse(f"{column} must be a list of texts, not {value!r:.40}")
    return tuple(text for text in texts if text.strip())


def _meta(row: Row, dialect: Dialect) -> dict[str, Any]:
    """The columns that the dialect keeps, further ones, and `meta`: an object, or its JSON text as tables
    store it."""
    known = {dialect.id, *MEDIA, *dialect.own, *dialect.unused, "choices", "steps", "meta"}
    names = [*dialect.kept, *(name for name in row.values if name not in {*known, *dialect.kept})]
    columns = {name: kept(row.values[name]) for name in names if not is_blank(row.values.get(name))}
    meta = row.values.get("meta")
    if meta is None:
        return columns
    if isinstance(meta, str) and meta.startswith("{"):
        try:
            meta = json.loads(meta, object_pairs_hook=as_object)
        except ValueError as error:
            row.refuse(f"meta starts like JSON but is invalid ({error}); correct or rename it", error)
    if not isinstance(meta, dict):
        row.refuse(f'meta must be an object, not {meta!r:.40}; name what it holds, as in {{"note": ...}}')
    if fault := value_fault(meta):
        row.refuse(f"in meta, {fault[1]}", kind=fault[0])
    return columns | meta


# Media ----------------------------------------------------------------------------------------------------


def _media(row: Row, parsed: ParsedRow, settings: MediaSettings) -> dict[str, list[Media]]:
    """The row's pictures and clips, each kind in order. Raises RowError for the first that is missing."""
    media, missing = media_found(row, parsed, settings)
    if missing:
        raise missing[0]
    return media


def media_found(
    row: Row, parsed: ParsedRow, settings: MediaSettings
) -> tuple[dict[str, list[Media]], list[RowError]]:
    """(the row's media that are there, by kind; one error for each that is missing)."""
    makers = {"image": _picture, "video": _clip}
    media: dict[str, list[Media]] = {kind: [] for kind in makers}
    missing: list[RowError] = []
    for kind, items in media_named(row, parsed).items():
        for item in items:
            try:
                media[kind].append(makers[kind](row, _portable(item, settings.root), settings))
            except RowError as error:
                if not error.kind.startswith("missing"):
                    raise
                missing.append(error)
    return media, missing


def media_named(row: Row, parsed: ParsedRow) -> dict[str, list[Any]]:
    """What the row gives for each of its pictures and clips, in order: those of columns fill the marks whose
    parts have no medium of their own."""
    columns = {
        "image": _items(row, "image", "images") if parsed.images is None else media_in(parsed.images),
        "video": _items(row, "video", "videos"),
    }
    for kind, items in columns.items():
        own = [medium for name, medium in parsed.media if name == kind]
        if any(medium is not None for medium in own):
            left = iter(items)
            filled = [next(left, None) if medium is None else medium for medium in own]
            columns[kind] = [medium for medium in (*filled, *left) if medium is not None]
    return columns


def _items(row: Row, one: str, many: str) -> list[Any]:
    given = [column for column in (one, many) if row.values.get(column) not in (None, [])]
    if len(given) > 1:
        row.refuse(f"both {one!r} and {many!r} are given; keep one")
    return media_in(row.values[given[0]]) if given else []


def _portable(value: Any, root: Path) -> Any:
    """A path written with the separators of Windows, or as a URL of a file, as this system writes it, if
    there is such a file; of {"image": ...} and {"video": ...}, what they hold."""
    if isinstance(value, dict):
        inner = next((name for name in ("image", "video") if value.get(name) is not None), None)
        if inner and value.get("bytes") is None and value.get("path") is None:
            rest = {name: one for name, one in value.items() if name not in (inner, "type", "path", "bytes")}
            held = _portable(value[inner], root)
            return {**rest, "path": held} if inner == "video" else held
        path = value.get("path")
        return {**value, "path": _portable(path, root)} if isinstance(path, str) else value
    if not isinstance(value, str) or is_file(root / value):
        return value
    url = value.removeprefix("file://")
    paths = (value.replace("\\", "/"), *((url, unquote(url)) if url != value else ()))
    return next((path for path in paths if path != value and is_file(root / path)), value)


def _picture(row: Row, value: Any, settings: MediaSettings) -> Media:
    """A picture as `media.given.picture` reads it; an animated one is a clip."""
    with _refused(row, "picture", value):
        picture = given.picture(value, settings.root, f"the picture of {row.file}, row {row.number}")
        return given.clip_of(picture, settings.video_options) or picture


def _clip(row: Row, value: Any, settings: MediaSettings) -> Media:
    """A clip from a path, or from `{path, count, every_s, max_px, start_s, end_s}`, which selects frames as
    `media.Video` does."""
    selection = dict(value) if isinstance(value, dict) else {"path": value}
    path = selection.pop("path", None)
    if unknown := selection.keys() - {*_CLIP_KEYS}:
        row.refuse(f"a clip has path, {', '.join(_CLIP_KEYS)}, not {', '.join(sorted(unknown))}")
    if not all(isinstance(number, int | float) for number in selection.values()):
        row.refuse(f"{', '.join(_CLIP_KEYS)} of a clip are numbers, not {selection}")
    ends = [selection.pop(name, None) for name in ("start_s", "end_s")]
    options = {_VIDEO_OPTIONS.get(name, name): number for name, number in selection.items()}
    if ends != [None, None]:
        if None in ends:
            row.refuse("a part of a clip has both start_s and end_s, in seconds; give the other one as well")
        options["span_s"] = tuple(ends)
    with _refused(row, "clip", path):
        return given.clip(path, settings.root, {**settings.video_options, **options})


@contextmanager
def _refused(row: Row, word: str, value: Any) -> Iterator[None]:
    """What raises InputError inside refuses the row."""
    try:
        yield
    except MissingMedium as error:
        mend = "name a file in it" if error.is_folder else "correct the path, or set --media-root"
        message = f"{error}; {mend}"
        row.refuse(message, error, f"missing {word}", error.path)
    except (InputError, OSError) as error:
        frames = isinstance(error, InputError) and not isinstance(error, PictureError)
        kind = getattr(error, "kind", "layout" if frames else f"missing {word}")
        row.refuse(f"{error}", error, kind, shown(value) if isinstance(value, str) and not frames else "")


def _open_medium(medium: Media, row: Row) -> None:
    """Read the header of a clip or picture, and decode a picture that is small or embedded in the data; see
    `DECODE_BELOW_BYTES`."""
    try:
        if isinstance(medium, Video):
            medium.duration_s()
            if medium.frame_interval and not medium.span_s:
                medium.frame_count()
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
