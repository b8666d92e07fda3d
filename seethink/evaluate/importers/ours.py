"""Our own attempts.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.importers.answers import ImportedAnswer, ImportedFile, NamedColumns, flat, rows_read
from seethink.evaluate.importers.files import OpenedFile
from seethink.media import Image
from seethink.types import CoordinateFrame, InputError

COLUMNS = frozenset(("task", "id", "question", "media", "gold", "text", "parts", "correct"))


def fits(file: OpenedFile) -> bool:
    return file.columns >= COLUMNS


def answers(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """The attempts; their pictures are the previews beside them."""
    formats = {(row["format"], row["mode"]): number for number, row in file.rows if "format" in row}
    if len(formats) > 1:
        (one, _), *_, (other, number) = formats.items()
        raise InputError(
            f"{file.where(number)} has another format than rows before ({other[0]}, {other[1]} and {one[0]}, "
            f"{one[1]}); choose one for all with --format"
        )
    tasks = list(dict.fromkeys(str(row["task"]) for _, row in file.rows))
    root = next((p for p in file.path.resolve().parents if (p / "media").is_dir()), file.path.parent)
    return ImportedFile(
        "seethink",
        ", ".join(tasks),
        rows_read(file.placed, lambda row, where: [_answer(row, where, root)]),
        notes=() if any("choices" in row for _, row in file.rows) else (_NO_CHOICES,),
        format=next(iter(formats), None),
    )


_NO_CHOICES = "the attempts were written without the options of their questions; --data gives them"


def _answer(row: Mapping[str, Any], where: str, root: Path) -> ImportedAnswer:
    pictures = [root / name for name in row["media"]]
    frame = row.get("frame")
    return ImportedAnswer(
        where=where,
        text=row["text"],
        question=row["question"],
        pictures=tuple(map(Image.file, pictures)) if all(path.is_file() for path in pictures) else None,
        gold=row["gold"],
        choices=tuple(row.get("choices") or ()),
        number=str(row["id"]),
        reported={} if row["correct"] is None else {"correct": float(row["correct"])},
        step=row.get("step"),
        truncated=row.get("stop") == "length",
        n_tokens=row.get("n_tokens") or 0,
        failed=row["text"] if row.get("stop") == "unanswered" else "",
        frame=frame and CoordinateFrame(frame["kind"], tuple(frame["size"]), tuple(frame["units"])),
        columns=flat(row),
    )
