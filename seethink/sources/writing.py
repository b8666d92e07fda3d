"""Examples written for other trainers, and in our own dialect: a folder with one data file and its media.

Every layout is read again by `records.read`: what a trainer has no column for stands in columns of ours
(`id choices steps meta`), which the others leave aside.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.formats import THINK_ANSWER
from seethink.media import Image, Video
from seethink.types import MEDIA_MARK, Example, InputError, Media

ROWS_PER_GROUP = 256
"""Of a parquet file; so many rows' pictures are in memory at a time."""


@dataclass(frozen=True)
class Shelf:
    """Where a folder's media are put, or, without copying, left where they are."""

    folder: Path
    copy: bool

    def path(self, medium: Media) -> str:
        """The path that a row names: relative to the folder of a copy, absolute of the original."""
        if not self.copy:
            return str(_file_of(medium))
        if isinstance(medium, Image):
            data, form = medium.encoded()
            name = f"images/{hashlib.sha256(data).hexdigest()[:16]}.{form.lower().replace('jpeg', 'jpg')}"
            return self._put(name, lambda part: part.write_bytes(data))
        file = _file_of(medium)
        name = f"clips/{hashlib.sha256(medium.key.encode()).hexdigest()[:16]}{file.suffix}"
        return self._put(name, lambda part: shutil.copyfile(file, part))

    def held(self, medium: Media) -> dict[str, Any]:
        """The `{bytes, path}` that datasets store; a copy stands in the row itself."""
        if not self.copy:
            return {"bytes": None, "path": str(_file_of(medium))}
        assert isinstance(medium, Image)
        return {"bytes": medium.encoded()[0], "path": None}

    def _put(self, name: str, write: Callable[[Path], Any]) -> str:
        path = self.folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write(path)
        return name


def _file_of(medium: Media) -> Path:
    file = Path(medium.path if isinstance(medium, Video) else getattr(medium, "where", ""))
    if not file.is_file():
        raise InputError(f"{file} is no file that a row could refer to; convert with --copy instead")
    return file.resolve()


# Rows -----------------------------------------------------------------------------------------------------


def _ours(example: Example, shelf: Shelf) -> dict[str, Any]:
    clips = [_clip(medium, shelf) for medium in example.media if medium.kind == "video"]
    return {
        "id": example.id,
        "images": [shelf.path(medium) for medium in example.media if medium.kind == "image"],
        "videos": clips,
        "question": example.question,
        "answer": example.answer,
        "choices": list(example.choices),
        "steps": list(example.steps),
        "meta": dict(example.meta),
    }


def _clip(clip: Media, shelf: Shelf) -> dict[str, Any]:
    """Its path, and which of its frames are looked at."""
    path = shelf.path(clip)
    chosen = clip.choice if isinstance(clip, Video) else {}
    return {**{name: value for name, value in chosen.items() if value is not None}, "path": path}


def _llama_factory(example: Example, shelf: Shelf) -> dict[str, Any]:
    return {"messages": _asked_and_said(example), **_paths(example, shelf), **_aside(example)}


def _ms_swift(example: Example, shelf: Shelf) -> dict[str, Any]:
    """Imitation takes the assistant's turn, reinforcement the solution."""
    return {**_llama_factory(example, shelf), "solution": example.answer}


def _trl(example: Example, shelf: Shelf) -> dict[str, Any]:
    texts = MEDIA_MARK.split(marked(example))[::2]
    parts: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
    for text in texts[1:]:
        parts += [{"type": "image", "text": None}, {"type": "text", "text": text}]
    return {
        "prompt": [{"role": "user", "content": [part for part in parts if part["text"] != ""]}],
        "images": _held(example, shelf),
        "solution": example.answer,
        **_aside(example),
    }


def _easyr1(example: Example, shelf: Shelf) -> dict[str, Any]:
    return {
        "problem": marked(example),
        "images": _held(example, shelf),
        "answer": example.answer,
        **_aside(example),
    }


def marked(example: Example) -> str:
    """The question with a mark for every medium; unmarked media stand before it."""
    if MEDIA_MARK.search(example.question):
        return example.question
    return "".join(f"<{medium.kind}>" for medium in example.media) + example.question


def _asked_and_said(example: Example) -> list[dict[str, str]]:
    """The answer alone, or, where there are steps, thought and answer between tags."""
    answer = str(example.answer)
    said = THINK_ANSWER.write(" ".join(example.steps), answer) if example.steps else answer
    return [{"role": "user", "content": marked(example)}, {"role": "assistant", "content": said}]


def _paths(example: Example, shelf: Shelf) -> dict[str, list[str]]:
    return {
        f"{kind}s": [shelf.path(medium) for medium in example.media if medium.kind == kind]
        for kind in ("image", "video")
    }


def _held(example: Example, shelf: Shelf) -> list[dict[str, Any]]:
    if any(medium.kind == "video" for medium in example.media):
        raise InputError(f"example {example.id} has a clip, which this dialect cannot hold; leave it out")
    return [shelf.held(medium) for medium in example.media]


def _aside(example: Example) -> dict[str, Any]:
    """What these dialects have no place for; meta as JSON text, since tables want one type a column."""
    meta = _json(dict(example.meta), example.id) if example.meta else None
    return {
        "id": example.id,
        "choices": list(example.choices),
        "steps": list(example.steps),
        "meta": meta,
    }


# Files ----------------------------------------------------------------------------------------------------

Rows = Iterator[dict[str, Any]]
_TEXT: dict[str, str] = {"dtype": "string", "_type": "Value"}
_ASIDE: dict[str, Any] = {"id": _TEXT, "choices": [_TEXT], "steps": [_TEXT], "meta": _TEXT}
_PART: dict[str, Any] = {"type": _TEXT, "text": _TEXT}
_IMAGES: list[dict[str, str]] = [{"_type": "Image"}]


def _save_lines(rows: Rows, folder: Path) -> None:
    with (folder / "data.jsonl").open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(_json(_filled(row), row["id"]) + "\n")


def _save_llama_factory(rows: Rows, folder: Path) -> None:
    """An array, and the entry by which LLaMA-Factory finds it when its `dataset_dir` is this folder."""
    with (folder / "data.json").open("w", encoding="utf-8") as out:
        for i, row in enumerate(rows):
            out.write(("[" if i == 0 else ",") + "\n" + _json(_filled(row, "images", "videos"), row["id"]))
        out.write("\n]\n")
    columns = {name: name for name in ("messages", "images", "videos")}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"file_name": "data.json", "formatting": "sharegpt", "columns": columns, "tags": tags}
    (folder / "dataset_info.json").write_text(json.dumps({"data": entry}, indent=2))


def _save_trl(rows: Rows, folder: Path) -> None:
    prompt = [{"role": _TEXT, "content": [_PART]}]
    _save_parquet(rows, folder, {"prompt": prompt, "images": _IMAGES, "solution": _TEXT, **_ASIDE})


def _save_easyr1(rows: Rows, folder: Path) -> None:
    _save_parquet(rows, folder, {"problem": _TEXT, "images": _IMAGES, "answer": _TEXT, **_ASIDE})


def _save_parquet(rows: Rows, folder: Path, features: dict[str, Any]) -> None:
    """With the description by which `datasets` decodes the pictures, in words that its old versions know."""
    import pyarrow
    import pyarrow.parquet

    def typed(feature: Any) -> pyarrow.DataType:
        if isinstance(feature, list):
            return pyarrow.list_(typed(feature[0]))
        if feature.get("_type") == "Image":
            return pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        if feature.get("_type") == "Value":
            return pyarrow.string()
        return pyarrow.struct({name: typed(part) for name, part in feature.items()})

    described = json.dumps({"info": {"features": features}})
    schema = pyarrow.schema(
        {name: typed(feature) for name, feature in features.items()}, {"huggingface": described}
    )
    with pyarrow.parquet.ParquetWriter(folder / "data.parquet", schema) as out:
        waiting: list[dict[str, Any]] = []
        for row in rows:
            waiting.append(row)
            if len(waiting) == ROWS_PER_GROUP:
                out.write_table(pyarrow.Table.from_pylist(waiting, schema))
                waiting = []
        if waiting:
            out.write_table(pyarrow.Table.from_pylist(waiting, schema))


def _filled(row: dict[str, Any], *always: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in always or value not in (None, [], {})}


def _json(value: Any, name: str) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()  # half a surrogate pair is no character
        return text
    except (TypeError, UnicodeEncodeError) as error:
        raise InputError(f"example {name} cannot be written as JSON: {error}; mend it") from error


@dataclass(frozen=True)
class Layout:
    """How one trainer takes its data."""

    row: Callable[[Example, Shelf], dict[str, Any]]
    save: Callable[[Rows, Path], None]


LAYOUTS = {
    "ours": Layout(_ours, _save_lines),
    "llama-factory": Layout(_llama_factory, _save_llama_factory),
    "ms-swift": Layout(_ms_swift, _save_lines),
    "trl": Layout(_trl, _save_trl),
    "easyr1": Layout(_easyr1, _save_easyr1),
}


def write(examples: Sequence[Example], folder: Path, dialect: str = "ours", copy: bool = True) -> None:
    """The examples as `folder`, which must not hold anything yet; there as a whole or not at all.

    copy: media are copied into the folder (into the file, where it is parquet), else rows refer to them.
    Clips go by path alone where the dialect has no place for the choice of frames. Raises InputError.
    """
    if dialect not in LAYOUTS:
        raise InputError(f"unknown dialect {dialect!r}; the dialects are {', '.join(LAYOUTS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; name a folder that is not, or empty it")
    if unanswered := next((example.id for example in examples if example.answer is None), None):
        raise InputError(f"example {unanswered} has no answer; give it one or leave it out")
    layout = LAYOUTS[dialect]
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        shelf = Shelf(part, copy)
        layout.save((layout.row(example, shelf) for example in examples), part)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
