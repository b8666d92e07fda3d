"""Findings of a paper against the paired tests of a run."""

from __future__ import annotations

import pytest

from seethink.run.comparison import Finding, measured_findings

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
