"""Published numbers beside measured ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from seethink.run.comparison import Claim, measured_claims


def evaluation(**values: float | None) -> Any:
    return SimpleNamespace(rows={task: {"value": value} for task, value in values.items()})


def test_a_mean_is_measured_as_the_mean_of_its_tests_and_not_of_some() -> None:
    results = {
        "base": evaluation(a=0.2, b=0.4, c=0.9),
        "sft": evaluation(a=0.2),
        "rl": evaluation(a=0.2, b=None),
    }
    claim = Claim("mean of a, b", {"base": 0.5, "sft": 0.5, "rl": 0.5, "dpo": 0.5}, "a paper", ("a", "b"))
    rows = measured_claims(results, [claim])
    assert [row["measured"] for row in rows] == [pytest.approx(0.3), None, None, None]
    assert [row["paper"] for row in rows] == [0.5] * 4


def test_a_number_of_one_test_is_measured_there() -> None:
    results = {"base": evaluation(a=0.2)}
    assert measured_claims(results, [Claim("a", {"base": 0.5}, "a paper")])[0]["measured"] == 0.2
    assert measured_claims(results, [Claim("b", {"base": 0.5}, "a paper")])[0]["measured"] is None
