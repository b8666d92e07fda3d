"""A small invented run on disk, and a parser of pages."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image

ARMS = ("base", "sft", "grpo")

HOSTILE = {
    "script": "</script><script>alert(1)</script><!--<script>",
    "style": "</style><img src=x onerror=alert(1)>",
    "ansi": "\x1b[31mred\x1b[0m \x07\x00",
    "direction": "\u202eabc\u2066 \u05e9\u05dc\u05d5\u05dd \u200f",
    "surrogate": "\ud800 and \u2028\u2029",
    "line": "x" * 1_000_000,
}
"""Texts that a model may write, by what they try."""


def attempt(id: str, right: bool | None = True, task: str = "seen", **changes: Any) -> dict[str, Any]:
    """A row of attempts.jsonl whose text obeys the format."""
    value = None if right is None else float(right)
    answer = "7" if right else "5"
    part = {"value": value, "why": f"read {answer}, expected 7"}
    return {
        "task": task, "id": id, "question": "<image>How many?", "media": ["media/page.png"], "gold": "7",
        "meta": {"caption": "3 1 4"}, "step": None, "text": f"<think>I see.</think><answer>{answer}</answer>",
        "thought": "I see.", "said": answer, "stop": "stop", "n_tokens": 12, "fault": None, "value": value,
        "why": "the whole", "parts": {"correct": part, "format": {"value": 1.0, "why": "well formed"}},
        "lenient": {"value": value, "said": answer, "why": ""}, "by_steps": True,
    } | changes  # fmt: skip


def result(value: float | None = 0.5, **changes: Any) -> dict[str, Any]:
    """A row of report.json."""
    low, high = (None, None) if value is None else (value - 0.04, value + 0.04)
    return {
        "value": value, "low": low, "high": high, "n": 400, "unjudged": 0, "readable": 1.0,
        "accuracy_if_readable": value, "by_steps": 0.5, "accuracy_by_steps": value, "accuracy_at_once": value,
        "truncated": 0.01, "mean_tokens": 31.4, "lenient": {"value": value, "low": low, "high": high},
    } | changes  # fmt: skip


def paired_test(**changes: Any) -> dict[str, Any]:
    return {
        "a": "base", "b": "grpo", "task": "seen", "difference": 0.271, "p": 0.0002, "p_holm": 0.0004,
        "only_a": 12, "only_b": 120, "n": 400, "lenient_difference": 0.102, "lenient_p": 0.013,
        "graded": False,
    } | changes  # fmt: skip


def report(**changes: Any) -> dict[str, Any]:
    return {
        "recipe": "r1v", "scale": "tiny", "seeds": [0], "headline": "correct",
        "results": {arm: {"seen": result(0.512), "unseen": result(0.333)} for arm in ARMS},
        "tests": [paired_test()], "claims": [],
        "trainings": {
            "sft": {"method": "sft", "settings": {"max_steps": [10, None]}, "loss": [2.0, 0.2]},
            "grpo": {
                "method": "grpo", "settings": {"max_steps": [10, 100], "beta": [0.0, 0.0]},
                "reward": [0.1, 1.0], "loss": [0.1, 0.1],
            },
        },
    } | changes  # fmt: skip


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_arms(folder: Path, rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, Path]:
    """The attempts of each arm in a run folder with one picture."""
    (folder / "media").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (28, 14), "white").save(folder / "media/page.png")
    return {
        arm: write_rows(folder / f"eval/{arm}/attempts.jsonl", attempts) for arm, attempts in rows.items()
    }


def write_run(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Arms and trainings: question 0 is always right, 1 mended by grpo, 2 broken by it, 3 always wrong."""
    right = {"base": (1, 0, 1, 0), "sft": (1, 0, 1, 0), "grpo": (1, 1, 0, 0)}
    arms = write_arms(
        folder, {arm: [attempt(f"q{i}", bool(value)) for i, value in enumerate(right[arm])] for arm in ARMS}
    )
    steps = range(1, 11)
    trainings = {
        "sft": write_rows(folder / "sft/metrics.jsonl", [{"step": i, "loss": 2 / i} for i in steps]),
        "grpo": write_rows(
            folder / "grpo/metrics.jsonl",
            [
                {"step": i, "loss": 0.1, "reward": i / 10, "rewards/correct/mean": i / 20, "kl": None}
                for i in steps
            ],
        ),
    }
    rollouts = [
        attempt("t0", i % 2 > 0, step=step, text=f"rollout {step}.{i}") for step in steps for i in range(4)
    ]
    write_rows(folder / "grpo/attempts.jsonl", rollouts)
    return arms, trainings


def held(page: Page) -> dict[str, Any]:
    """The data that a page of `look` holds, with the answers beside their questions."""
    (packed,) = (script for script in page.scripts if re.fullmatch(r"[A-Za-z0-9+/=]{20,}", script))
    data = json.loads(gzip.decompress(base64.b64decode(packed)))
    for at, found in data["outcomes"]:
        data["questions"][at] |= {"outcomes": found, "answers": []}
    for answer in data["answers"]:
        data["questions"][answer["q"]]["answers"].append(answer)
    return data


@dataclass
class Page(HTMLParser):
    """A parsed page: tags with their attributes, the text of scripts, and all other text."""

    html: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._in = ""
        self.feed(self.html)
        self.text = " ".join(self.text.replace("\u00a0", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag if tag in ("script", "style") else self._in
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag == self._in else self._in

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data
        elif not self._in:
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag whose class (`cls`) or other attribute is the wanted one."""
        wanted = {name.replace("cls", "class"): value for name, value in wanted.items()}
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]
