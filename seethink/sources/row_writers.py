"""Writers: the row layout and the file format of each trainer."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seethink.sources import row_layouts
from seethink.sources.benchmark_rows import LETTERS
from seethink.sources.media_store import MediaStore
from seethink.sources.parquet import IMAGES, TEXT, ParquetWriter
from seethink.sources.row_layouts import BENCH_COLUMNS
from seethink.sources.row_parts import as_json
from seethink.types import Example

Rows = Iterator[dict[str, Any]]
_EXTRA_FEATURES: dict[str, Any] = {"id": TEXT, "choices": [TEXT], "steps": [TEXT], "meta": TEXT}
_CONTENT_PART: dict[str, Any] = {"type": TEXT, "text": TEXT}
_TURNS: list[dict[str, Any]] = [{"role": TEXT, "content": [_CONTENT_PART]}]
_TSV_COLUMNS = ("index", "image", "question", *LETTERS, "choices", "steps", "answer", *BENCH_COLUMNS, "meta")
_CSV_COLUMNS = ("id", "images", "videos", "question", "choices", "answer", "steps", "meta")


def _save_lines(rows: Rows, folder: Path) -> None:
    with (folder / "data.jsonl").open("w", encoding="utf-8") as out:
        for row in rows:
            name = next(str(row[key]) for key in ("id", "idx", "question_id") if key in row)
            out.write(as_json(filled(row), name) + "\n")


def _save_llama_factory(rows: Rows, folder: Path) -> None:
    """A JSON array, and the `dataset_info.json` that LLaMA-Factory reads when its `dataset_dir` is this
    folder."""
    columns = {name: name for name in ("messages", "images", "videos")}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"formatting": "sharegpt", "columns": columns, "tags": tags | {"system_tag": "system"}}
    _save_array(rows, folder, entry, "images", "videos")


def _save_alpaca(rows: Rows, folder: Path) -> None:
    names = {"prompt": "instruction", "query": "input", "response": "output"}
    columns = names | {name: name for name in ("system", "history", "images", "videos")}
    _save_array(rows, folder, {"columns": columns}, "input", "system", "history", "images", "videos")


def _save_array(rows: Rows, folder: Path, entry: dict[str, Any], *always: str) -> None:
    with (folder / "data.json").open("w", encoding="utf-8") as out:
        for i, row in enumerate(rows):
            out.write(("[" if i == 0 else ",") + "\n" + as_json(filled(row, *always), row["id"]))
        out.write("\n]\n")
    described = json.dumps({"data": {"file_name": "data.json", **entry}}, indent=2)
    (folder / "dataset_info.json").write_text(described, encoding="utf-8")


def _save_table(rows: Rows, folder: Path, name: str, columns: tuple[str, ...]) -> None:
    separator = "\t" if name.endswith(".tsv") else ","
    with (folder / name).open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, columns, restval="", delimiter=separator, lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow(row)


def _save_parquet(rows: Rows, folder: Path, **features: Any) -> None:
    with ParquetWriter(folder / "data.parquet", {**features, "images": IMAGES, **_EXTRA_FEATURES}) as table:
        for row in rows:
            table.add(row)


def filled(row: dict[str, Any], *always: str) -> dict[str, Any]:
    """The row without its empty columns, except those in `always`."""
    return {name: value for name, value in row.items() if name in always or value not in (None, [], {})}


@dataclass(frozen=True)
class RowWriter:
    """The row layout and the file format of one trainer. answered: whether every row needs an answer. pairs:
    whether rows are two responses to a prompt."""

    row: Callable[[Example, MediaStore], dict[str, Any]]
    save: Callable[[Rows, Path], None]
    answered: bool = True
    pairs: bool = False


ROW_WRITERS = {
    "ours": RowWriter(row_layouts.ours, _save_lines),
    "csv": RowWriter(row_layouts.csv_row, partial(_save_table, name="data.csv", columns=_CSV_COLUMNS)),
    "llama-factory": RowWriter(row_layouts.llama_factory, _save_llama_factory),
    "alpaca": RowWriter(row_layouts.alpaca, _save_alpaca),
    "ms-swift": RowWriter(row_layouts.ms_swift, _save_lines),
    "ms-swift-objects": RowWriter(row_layouts.ms_swift_objects, _save_lines),
    "query": RowWriter(row_layouts.query, _save_lines),
    "openai": RowWriter(row_layouts.openai, _save_lines),
    "trl": RowWriter(row_layouts.trl, partial(_save_parquet, prompt=_TURNS, solution=TEXT)),
    "trl-sft": RowWriter(row_layouts.trl_sft, partial(_save_parquet, prompt=_TURNS, completion=_TURNS)),
    "trl-messages": RowWriter(row_layouts.trl_messages, partial(_save_parquet, messages=_TURNS)),
    "trl-dpo": RowWriter(
        row_layouts.trl_dpo,
        partial(_save_parquet, prompt=_TURNS, chosen=_TURNS, rejected=_TURNS, answer=TEXT),
        answered=False,
        pairs=True,
    ),
    "easyr1": RowWriter(row_layouts.easyr1, partial(_save_parquet, problem=TEXT, answer=TEXT)),
    "llava": RowWriter(row_layouts.llava, _save_lines),
    "rl": RowWriter(row_layouts.rl, _save_lines),
    "hf": RowWriter(row_layouts.hf, partial(_save_parquet, problem=TEXT, solution=TEXT)),
    "dpo": RowWriter(row_layouts.dpo, _save_lines, answered=False, pairs=True),
    "ms-swift-dpo": RowWriter(row_layouts.ms_swift_dpo, _save_lines, answered=False, pairs=True),
    "vrc": RowWriter(row_layouts.vrc, _save_lines),
    "tsv": RowWriter(row_layouts.tsv, partial(_save_table, name="data.tsv", columns=_TSV_COLUMNS)),
    "llava-questions": RowWriter(row_layouts.llava_questions, _save_lines, answered=False),
}
