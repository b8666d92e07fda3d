"""Writing small files of published layouts: pictures, clips, tables, JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import PIL.Image
import pyarrow
import pyarrow.parquet

from tests.films import clip


def png(width: int = 60) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, 40), (width, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def held(width: int) -> dict:
    """A picture as the hub's tables hold it."""
    return {"bytes": png(width), "path": None}


def written(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(60 + i))


def filmed(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        clip(folder / name, seconds=4)


def parquet(file: Path, *rows: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), file)


def lines(file: Path, *rows: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def whole(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


def conversation(question: str, answer: str, **more: object) -> dict:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {**more, "conversations": turns}
