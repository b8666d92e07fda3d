"""The model card of a checkpoint, README.md: what it is, and how it was made. No torch."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.settings import leaves
from seethink.train.continuing import steps_done
from seethink.train.methods import METHODS
from seethink.train.notes import start_and_end, training_notes
from seethink.types import Task

CARD_COLUMNS = {
    "reward": "reward",
    "rewards/correct/mean": "mean score of completions (the part correct)",
    "completions/mean_length": "tokens of a completion",
    "rewards/accuracies": "share of pairs in the right order",
    "loss": "loss",
}
"""Columns of metrics.jsonl that a card tells at start and end, with the words for them."""


def write_card(checkpoint: Path, method: str, model: str, base: str, data: Any, config: Any) -> None:
    """Write README.md into a finished checkpoint, unless it has one.

    model: that training began with. base: that the first of its trainings began with. data: what was learned
    from, a task or a sequence of rows.
    """
    card = checkpoint / "README.md"
    if card.exists():
        return
    part = card.with_suffix(".part")
    lines = _lines(checkpoint.parent, method, model, base, data, config)
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(part, card)


def _lines(out: Path, method: str, model: str, base: str, data: Any, config: Any) -> Iterator[str]:
    name = f"{Path(base).name} after {method}"
    library = "peft" if config.training.adapter.keep_adapter else "transformers"
    yield from ("---", f"base_model: {json.dumps(base)}", f"library_name: {library}")
    yield from ("pipeline_tag: image-text-to-text", f"tags: [seethink, {method}]", "---", "", f"# {name}", "")
    yield f"Trained with SeeThink by {method} ({METHODS[method].about}), {steps_done(out):,} optimiser steps."
    yield from (
        "",
        "## Base",
        "",
        f"`{base}`" if model == base else f"`{base}`; training began with `{model}`",
    )
    yield from ("", "## Data", "", _data(data))
    yield from ("", "## Settings that differ from the defaults", "", *_settings(method, config))
    yield from ("", "## Figures", "", *_figures(out))
    if notes := training_notes(out):
        yield from ("", "## What the training said", "", *(f"- {note}." for note in notes))
    yield from ("", "## Command", "", "```bash", _command(), "```")


def _data(data: Any) -> str:
    if isinstance(data, Task):
        asked = f"{len(data.examples):,} questions of `{data.name}`"
        return f"{asked}, in the format `{data.format.name}` (instruction: {data.format.prompt_mode})"
    named = f" of `{data.task.name}`" if isinstance(getattr(data, "task", None), Task) else ""
    return f"{len(data):,} rows{named}"


def _settings(method: str, config: Any) -> Sequence[str]:
    """A row of a table for each setting that is not the method's default."""
    usual, values = leaves(METHODS[method].config()), leaves(config)
    other = {name: value for name, value in values.items() if value != usual.get(name)}
    if not other:
        return ["None."]
    rows = [f"| `{name}` | {value} | {usual.get(name)} |" for name, value in other.items()]
    return ["| setting | value | default |", "|---|---|---|", *rows]


def _figures(out: Path) -> Sequence[str]:
    """A row of a table for each known figure: means over the first and last steps."""
    found: Mapping[str, tuple[float, float]] = {
        words: both for name, words in CARD_COLUMNS.items() if (both := start_and_end(out, name))
    }
    if not found:
        return ["None."]
    rows = [f"| {words} | {first:.3f} | {last:.3f} |" for words, (first, last) in found.items()]
    return [
        "Of the training itself, not of a test: means over its first and last steps, a tenth of them each.",
        "",
        "| figure | at start | at end |",
        "|---|---|---|",
        *rows,
    ]


def _command() -> str:
    """What was typed, as a line of a shell."""
    program = Path(sys.argv[0])
    called = ["seethink"] if program.name in ("seethink", "__main__.py") else ["python", program.name]
    return shlex.join([*called, *sys.argv[1:]])
