"""Robustness probes in words: each probe's accuracy beside that of the plain questions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import AttemptRow, read_attempts
from seethink.evaluate.probes import same_answers
from seethink.evaluate.questions import mean
from seethink.report.page import p_value, percent
from seethink.report.scores import CHANCE
from seethink.types import Task

HARDLY_LESS = 0.9
"""From this share of the plain accuracy on, a model is hardly worse without the pictures."""


def probe_sentence(test: Mapping[str, Any], same: float | None) -> str:
    """One probe (arm b) against the plain questions (arm a), without a full stop. same: share of answers that
    say the same in both."""
    name, n = test["b"], test["n"]
    if not n:
        return f"{name}: no question could be judged for both"
    p = "" if test["p_holm"] is None else f", {p_value(test['p_holm'])}"
    scored = "mean score" if test["graded"] else "right"
    plain, probed = test["mean_a"], test["mean_b"]
    text = f"{name}: {percent(probed)} {scored}, {percent(plain)} as they are (n = {n:,}{p})"
    if same is not None and name != "blank":
        text += f"; {percent(same)} of the answers stay the same"
    return f"{text}: {_blank(test)}" if name == "blank" else text


def _blank(test: Mapping[str, Any]) -> str:
    """What answers to blank pictures mean."""
    plain, probed = test["mean_a"], test["mean_b"]
    surely_less = test["p_holm"] is not None and test["p_holm"] < CHANCE and probed < plain
    if probed >= HARDLY_LESS * plain:
        return "the questions do not need the picture, or it is not looked at"
    if not surely_less:
        return "too few questions to tell whether it looks"
    if probed >= plain / 2:
        return "it looks, but most of what it gets right needs no picture"
    return "it looks at the picture"


def write_robustness(
    out: Path, arms: Mapping[str, tuple[Path, Task]], tests: Iterable[Mapping[str, Any]]
) -> list[str]:
    """A sentence for each probe; their numbers are written to `out/robustness.json`.

    arms: {arm: (folder of its attempts, its task)}. tests: of each probe (b) against the plain questions (a).
    """
    rows = {arm: list(read_attempts(folder / "attempts.jsonl")) for arm, (folder, _) in arms.items()}
    found, lines = {}, []
    for test in tests:
        a, b = test["a"], test["b"]
        said = [(arms[arm][1], {row["id"]: row["said"] for row in rows[arm]}) for arm in (a, b)]
        means = _means(rows[a], rows[b])
        found[b] = {**test, **means, "same_answers": same_answers(said)}
        lines.append(probe_sentence(found[b], found[b]["same_answers"]))
    part = out / "robustness.json.part"
    part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    os.replace(part, out / "robustness.json")
    return lines


def _means(a: Iterable[AttemptRow], b: Iterable[AttemptRow]) -> dict[str, float | None]:
    """Means over the questions that were judged in both."""
    values = [_by_question(rows) for rows in (a, b)]
    both = [(values[0].get(key), value) for key, value in values[1].items()]
    judged = [(x, y) for x, y in both if x is not None and y is not None]
    return {"mean_a": mean([x for x, _ in judged]), "mean_b": mean([y for _, y in judged])}


def _by_question(rows: Iterable[AttemptRow]) -> dict[str, float | None]:
    found: dict[str, list[float | None]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row["correct"])
    return {key: mean(values) for key, values in found.items()}
