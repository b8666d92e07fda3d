"""Evaluations on disk for tests of comparisons: rows as `seethink eval` writes them, about small pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tests.report.sample_run import attempt, write_rows

Right = bool | float | None


def rows(right: Sequence[Right], task: str = "seen", **changes: Any) -> list[dict[str, Any]]:
    """Attempts at questions of different texts, each about a picture of its own."""
    return [
        attempt(f"q{i}", None if value is None else value >= 0.5, task=task)
        | {
            "question": f"<image>Question {i} of {task}?",
            "media": [f"media/{task}{i}.png"],
            "correct": None if value is None else float(value),
            "format": "think_answer",
            "mode": "suffix",
        }
        | changes
        for i, value in enumerate(right)
    ]


def write_evaluation(
    folder: Path, attempts: Sequence[Mapping[str, Any]], record: Mapping[str, Any] | None = None
) -> Path:
    """attempts.jsonl with its pictures, and stage.json where a record is given; returns the folder."""
    (folder / "media").mkdir(parents=True, exist_ok=True)
    for name in {name for row in attempts for name in row["media"]}:
        shade = sum(name.encode()) % 200
        number = int("".join(filter(str.isdigit, name)) or 0)
        Image.new("RGB", (8 + number % 50, 8 + number // 50), (shade, 90, 120)).save(folder / name)
    write_rows(folder / "attempts.jsonl", attempts)
    if record is not None:
        (folder / "stage.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def stage(
    n: int, task: str = "seen", temperature: float = 0.0, verifier: str = "same_number"
) -> dict[str, Any]:
    """A record as an evaluation keeps it."""
    judged = {"is": f"seethink.verify.text.{verifier}", "source": "0" * 64}
    form = {"class": "TagFormat", "name": "think_answer", "instruction": "Think."}
    asked = {"name": task, "questions": n, "format": form, "verifier": judged, "headline": "correct"}
    return {
        "started": "2026-01-01T00:00:00+00:00",
        "config": {"class": "Sampling", "n": 1, "temperature": temperature, "max_tokens": 256},
        "inputs": {"model": "m", "tasks": [asked]},
        "versions": {"python": "3.11"},
    }
