"""Findings of a paper against the paired tests of a run, and what its trainings take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seethink.run.comparison import Finding, budgets, measured_findings
from seethink.run.stage import Stage, StageExamples
from seethink.train.configs import GRPOConfig, SFTConfig

GENERALISES = Finding("GRPO generalises", "unseen", better="grpo", worse="sft")


def paired_row(a: str, b: str, difference: float | None, p: float | None, task: str = "unseen") -> dict:
    return {"a": a, "b": b, "task": task, "difference": difference, "p": p, "n": 9}


@pytest.mark.parametrize(
    ("test", "difference", "shown"),
    [
        (paired_row("sft", "grpo", 0.2, 0.01), 0.2, "reproduced"),
        (paired_row("grpo", "sft", -0.2, 0.01), 0.2, "reproduced"),
        (paired_row("sft", "grpo", -0.2, 0.01), -0.2, "reversed"),
        (paired_row("sft", "grpo", 0.2, 0.05), 0.2, "not shown"),
        (paired_row("sft", "grpo", 0.0, 0.01), 0.0, "not shown"),
        (paired_row("sft", "grpo", None, None), None, "not shown"),
    ],
)
def test_a_finding_is_reproduced_where_its_own_test_says_so(test, difference, shown) -> None:
    others = [paired_row("base", "grpo", 0.9, 0.0), paired_row("sft", "grpo", 0.9, 0.0, task="seen")]
    (row,) = measured_findings([*others, test], [GENERALISES])
    assert (row["difference"], row["shown"]) == (difference, shown)
    assert row["text"] == "GRPO generalises"


def test_a_finding_about_what_was_not_evaluated_is_refused() -> None:
    with pytest.raises(ValueError, match="grpo and sft were not both evaluated on unseen"):
        measured_findings([paired_row("base", "grpo", 0.1, 0.1)], [GENERALISES])


def training(folder: Path, name: str, kind: str, config: Any, n: int, tokens: Sequence[int]) -> Stage:
    (folder / name).mkdir()
    rows = "".join(json.dumps({"step": i, "num_tokens": t}) + "\n" for i, t in enumerate(tokens, 1))
    (folder / name / "metrics.jsonl").write_text(rows, encoding="utf-8")
    return Stage(folder, name, kind, "checkpoint", config, {}, StageExamples(n, lambda: ([], [])))


def test_what_trainings_take_is_said_where_it_differs(tmp_path) -> None:
    grpo = GRPOConfig.of(max_steps=2, prompts_per_step=4, num_generations=3)
    arms = {
        "sft": training(tmp_path, "sft", "sft", SFTConfig(train_batch_size=4), 8, [30, 20]),
        "grpo": training(tmp_path, "grpo", "grpo", grpo, 8, [700, 600]),
    }
    assert budgets(arms) == [
        "The trainings take different amounts: sft: 2 optimiser steps, 8 examples seen, 50 tokens; "
        "grpo: 2 optimiser steps, 8 prompts, 24 completions, 1,300 tokens."
    ]


def test_nothing_is_said_of_one_training_or_equal_ones(tmp_path) -> None:
    one, other = (training(tmp_path, name, "sft", SFTConfig(), 16, [5]) for name in "ab")
    assert budgets({}) == budgets({"a": one}) == budgets({"a": one, "b": other}) == []
