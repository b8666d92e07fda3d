"""Robustness probes: each against the plain questions, in numbers and in words."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import AttemptRow, read_attempts
from seethink.evaluate.paired import holm, paired
from seethink.evaluate.probes import same_answers
from seethink.evaluate.questions import by_question, clusters_of, mean, question_score
from seethink.report.page import p_value, percent
from seethink.report.scores import CHANCE
from seethink.types import Task

HARDLY_LESS = 0.9
"""From this share of the plain accuracy on, a model is hardly worse without the pictures."""


def write_robustness(out: Path, arms: Mapping[str, tuple[Path, Task]]) -> list[str]:
    """A sentence for each probe; their numbers are written to `out/robustness.json`.

    arms: {arm: (folder of its attempts, its task)}, the plain questions first. A probe's questions are paired
    with the plain ones by id, since their pictures or texts differ; p values are corrected for the number of
    probes.
    """
    rows = {arm: list(read_attempts(folder / "attempts.jsonl")) for arm, (folder, _) in arms.items()}
    plain, *probes = arms
    found = {name: _tested(rows[plain], rows[name]) for name in probes}
    for name, p in zip(probes, holm([found[name]["p"] for name in probes]), strict=True):
        said = [(arms[arm][1], {row["id"]: row["said"] for row in rows[arm]}) for arm in (plain, name)]
        found[name] |= {"p_holm": p, "same_answers": same_answers(said)}
    part = out / "robustness.json.part"
    part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    os.replace(part, out / "robustness.json")
    return [probe_sentence(name, test) for name, test in found.items()]


def _tested(plain: list[AttemptRow], probe: list[AttemptRow]) -> dict[str, Any]:
    """The paired test of a probe, and the means over the questions with a score in both."""
    before = by_question(plain)
    asked = [(before[key], own) for key, own in by_question(probe).items()]
    pairs = [(question_score(x), question_score(y)) for x, y in asked]
    both = [(x, y) for x, y in pairs if x is not None and y is not None]
    means = {"plain": mean(x for x, _ in both), "probed": mean(y for _, y in both)}
    return means | paired(pairs, clusters_of([x for x, _ in asked]))


def probe_sentence(name: str, test: Mapping[str, Any]) -> str:
    """A probe against the plain questions, without a full stop."""
    if not test["n"]:
        return f"{name}: no question could be judged for both"
    p = "" if test["p_holm"] is None else f", {p_value(test['p_holm'])}"
    scored = "mean score" if test["graded"] else "right"
    text = f"{name}: {percent(test['probed'])} {scored}, {percent(test['plain'])} as they are"
    text += f" (n = {test['n']:,}{p})"
    if name == "blank":
        return f"{text}: {_blank(test)}"
    return f"{text}; {percent(test['same_answers'])} of the answers stay the same"


def _blank(test: Mapping[str, Any]) -> str:
    """What answers to blank pictures mean."""
    plain, probed = test["plain"], test["probed"]
    if probed >= HARDLY_LESS * plain:
        return "the questions do not need the picture, or it is not looked at"
    if test["p_holm"] is None or test["p_holm"] >= CHANCE:
        return "too few questions to tell whether it looks"
    if probed >= plain / 2:
        return "it looks, but most of what it gets right needs no picture"
    return "it looks at the picture"
