"""Trackers that `report_to` names: transformers' own callbacks, and what they are sent beside numbers: alarms
as text, and every tenth step a group of completions with its pictures."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from seethink.evaluate.attempts import AttemptRow
from seethink.settings import unknown
from seethink.types import InputError

TABLE_EVERY = 10
"""Optimiser steps between two tables of completions; the first step has one."""
COLUMNS = ("question", "gold", "said", "value", "why", "text")
"""Of a row of attempts.jsonl, in a table; its pictures come first."""

TableWriter = Callable[[Any, Sequence[AttemptRow], Path, int], None]
"""`(transformers' callback, rows of a group, the training's folder, step)`"""


def callbacks(names: Sequence[str], out: Path) -> list[TrainerCallback]:
    """A callback for each name, and one that sends them tables of the completions in `out`.

    Raises InputError for a name that transformers does not know, and for a tracker that is not installed."""
    found = [_callback(name) for name in names]
    for name, callback in zip(names, found, strict=True):
        if name == "tensorboard" and not os.environ.get("TENSORBOARD_LOGGING_DIR"):
            callback.logging_dir = str(out / "tensorboard")
    tables = [(TABLES[name], callback) for name, callback in zip(names, found, strict=True) if name in TABLES]
    return [*found, *([_Tables(out / "attempts.jsonl", tables)] if tables else [])]


def _callback(name: str) -> Any:
    if name not in INTEGRATION_TO_CALLBACK:
        raise unknown("tracker", name, INTEGRATION_TO_CALLBACK)
    try:
        return INTEGRATION_TO_CALLBACK[name]()
    except (RuntimeError, ImportError) as error:
        raise InputError(f"report_to={name}: {error} Or leave it out.") from error


def sent(row: Mapping[str, Any]) -> dict[str, float | str]:
    """A row of metrics.jsonl as trackers take it: its numbers, and its alarms as `alarms/KIND`."""
    alarms = {f"alarms/{kind}": text for kind, text in row.get("alarms", {}).items()}
    numbers = {
        name: value for name, value in row.items() if isinstance(value, int | float) and name != "step"
    }
    return {**numbers, **alarms}


# Tables of completions ------------------------------------------------------------------------------------


class _Tables(TrainerCallback):
    """Sends a group of completions to trackers; reads what a step added to attempts.jsonl."""

    def __init__(self, path: Path, trackers: Sequence[tuple[TableWriter, Any]]) -> None:
        self.path, self.trackers, self.read = path, trackers, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.read = self._size()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        begin, self.read = self.read, self._size()
        if (state.global_step - 1) % TABLE_EVERY or begin == self.read:
            return
        with self.path.open("rb") as file:
            file.seek(begin)
            lines = file.read(self.read - begin).decode("utf-8").splitlines()
        group = shown_group([json.loads(line) for line in lines])
        for write, callback in self.trackers:
            write(callback, group, self.path.parent, state.global_step)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


def shown_group(rows: Sequence[AttemptRow]) -> list[AttemptRow]:
    """The first group whose scores differ, else the first, highest score first."""
    groups: dict[str, list[AttemptRow]] = {}
    for row in rows:
        groups.setdefault(row["id"], []).append(row)
    group = next(
        (own for own in groups.values() if len({row["value"] for row in own}) > 1),
        next(iter(groups.values())),
    )
    return sorted(group, key=lambda row: 1.0 if row["value"] is None else -row["value"])


def _picture(name: str, out: Path) -> Path:
    """The file of a picture that a row of attempts.jsonl in `out` names: there, or in the run's folder."""
    places = [folder / name for folder in (out, *out.resolve().parents)]
    return next((place for place in places if place.exists()), places[0])


def _to_tables(module: str) -> TableWriter:
    """For trackers with the classes `Table` and `Image` of W&B, where a cell holds one picture."""

    def write(callback: Any, group: Sequence[AttemptRow], out: Path, step: int) -> None:
        tracker = getattr(callback, module)
        pictures = [tracker.Image(str(_picture(name, out))) for name in group[0]["media"]]
        numbered = [f"picture {number}" for number, _ in enumerate(pictures, 1)]
        rows = [[*pictures, *(row[name] for name in COLUMNS)] for row in group]
        table = tracker.Table(columns=[*numbered, *COLUMNS], data=rows)
        tracker.log({"completions": table, "train/global_step": step})

    return write


def _to_tensorboard(callback: Any, group: Sequence[AttemptRow], out: Path, step: int) -> None:
    """As a table in Markdown, and the pictures beside it: a cell of TensorBoard holds text alone."""
    import numpy as np
    import PIL.Image

    lines = [COLUMNS, ["---"] * len(COLUMNS), *([_cell(row[name]) for name in COLUMNS] for row in group)]
    callback.tb_writer.add_text("completions", "\n".join(f"| {' | '.join(line)} |" for line in lines), step)
    for number, name in enumerate(group[0]["media"], 1):
        with PIL.Image.open(_picture(name, out)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        callback.tb_writer.add_image(f"completions/picture {number}", pixels, step, dataformats="HWC")


def _cell(value: object) -> str:
    """A value inside a table in Markdown, which shows markup of the model's as it is."""
    text = html.escape("" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value))
    return text.replace("|", "&#124;").replace("\n", "<br>")


TABLES: Mapping[str, TableWriter] = {
    "tensorboard": _to_tensorboard,
    "wandb": _to_tables("_wandb"),
    "trackio": _to_tables("_trackio"),
}
"""{tracker that can show pictures: how a group is sent to it}"""
