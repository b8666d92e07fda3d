"""Image folders of `datasets`: pictures beside a metadata file whose columns `file_name` name them.

Source: `datasets`, "Create an image dataset" and "Create a video dataset": the file is `metadata.jsonl`,
`.csv` or `.parquet`, in the folder or in a folder for each split; its columns are `file_name` and
`*_file_name`, or `file_names` and `*_file_names` for lists; names are relative to the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from seethink.sources.cells import listed
from seethink.types import InputError

MEDIA = ("image", "images", "video", "videos")
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
SPLITS = ("train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval")
"""Names of folders that `datasets` takes for splits."""

_NAME = re.compile(r"(?:(?P<what>.*)_)?file_name(?P<many>s)?")
_CLIP = re.compile(r".*\.(?:mp4|m4v|mov|mkv|webm|avi|mpe?g|ts|wmv|flv|ogv|3gp)", re.IGNORECASE)
_PICTURE = re.compile(r".*\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|jp2|ppm|pgm)", re.IGNORECASE)
_LABELS_SHOWN = 3
_DEEPEST = 3
"""Levels of folders below the given one in which metadata files and pictures are looked for."""


def with_media(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row with its media in `image` or `images`, `video` or `videos`, in the order of its columns; None
    for a row without a file name, or with media of its own."""
    names = {column: match for column in values if (match := _NAME.fullmatch(column))}
    if not names or any(values.get(column) not in (None, []) for column in (*MEDIA, "image_path")):
        return None
    row = {column: value for column, value in values.items() if column not in {*names, *MEDIA}}
    media: dict[str, list[Any]] = {}
    for column, match in names.items():
        value = listed(values[column])
        for medium in value if isinstance(value, list) else [value]:
            if medium is not None:
                media.setdefault(_kind(match["what"] or "", medium), []).append(medium)
    for kind, found in media.items():
        row |= {kind: found[0]} if len(found) == 1 else {f"{kind}s": found}
    return row


def _kind(what: str, name: Any) -> str:
    """The kind of a medium by the name of its column, or else of its file."""
    if what.startswith(("video", "audio")):
        return what[:5]
    return "video" if isinstance(name, str) and _CLIP.fullmatch(name) else "image"


def names_medium(text: str) -> bool:
    """Whether a text ends like the name of a picture or clip."""
    return bool(_CLIP.fullmatch(text) or _PICTURE.fullmatch(text))


# Folders --------------------------------------------------------------------------------------------------


def metadata_below(folder: Path) -> list[Path]:
    """The metadata files of the highest level below `folder` that has any, such as one for each split."""
    level = [folder]
    for _ in range(_DEEPEST):
        level = sorted(inner for outer in level for inner in outer.iterdir() if inner.is_dir())
        if found := [inner / name for inner in level for name in METADATA if (inner / name).is_file()]:
            return found
    return []


def metadata_above(folder: Path) -> Path | None:
    """The metadata file beside the folder of a split, which describes the pictures of all of them."""
    if folder.name not in SPLITS:
        return None
    found = [folder.parent / name for name in METADATA if (folder.parent / name).is_file()]
    return found[0] if len(found) == 1 else None


def split_of(values: Mapping[str, Any]) -> str:
    """The split that a row's file names begin with; "" for none."""
    for column, value in values.items():
        if _NAME.fullmatch(column) and isinstance(value, str):
            first, *more = PurePosixPath(value.replace("\\", "/")).parts or ("",)
            return first if more and first in SPLITS else ""
    return ""


def only_split(file: Path, splits: Iterable[str]) -> None:
    """Raise InputError if a metadata file above several splits is given as a whole."""
    named = sorted({*splits} - {""})
    if len(named) > 1:
        one = "train" if "train" in named else named[0]
        raise InputError(
            f"{file} has rows of the splits {', '.join(named)}; name one of them, as in {file.parent / one}"
        )


def refuse_without_questions(folder: Path) -> None:
    """Raise InputError for a folder of pictures, with or without folders by label, without metadata."""
    if not (first := next(_pictures(folder, _DEEPEST), None)):
        return
    name = first.relative_to(folder).as_posix()
    inner = sorted(path.name for path in folder.iterdir() if path.is_dir())
    more = ", ..." if len(inner) > _LABELS_SHOWN else ""
    where = f" in folders ({', '.join(inner[:_LABELS_SHOWN])}{more})" if "/" in name else ""
    answer = first.parent.name if where else "..."
    row = f'{{"file_name": "{name}", "question": "What is this?", "answer": "{answer}"}}'
    raise InputError(
        f"{folder} has pictures{where}, but no questions; write {folder / METADATA[0]} with a line for each "
        f"picture, as {row}"
    )


def _pictures(folder: Path, levels: int) -> Iterator[Path]:
    inner = sorted(folder.iterdir())
    yield from (path for path in inner if _PICTURE.fullmatch(path.name) and path.is_file())
    if levels:
        for path in inner:
            if path.is_dir():
                yield from _pictures(path, levels - 1)
