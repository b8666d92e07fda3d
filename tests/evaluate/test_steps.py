"""Metrics of steps: by rules, and a judge's grades averaged without losing any."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.evaluate.steps import false_equations, rule_metrics, step_metrics, steps_in


@pytest.mark.parametrize(
    ("thought", "steps"),
    [
        ("I count.\n\nI add.", ["I count.", "I add."]),
        ("Step 1: I count.\nStep 2: I add.", ["I count.", "I add."]),
        ("1. I count.\n2) I add.", ["I count.", "I add."]),
        ("I count. Then 2.5 is added.", ["I count.", "Then 2.5 is added."]),
        ("I count", ["I count"]),
        ("  \n ", []),
    ],
)
def test_a_thought_is_cut_into_steps(thought, steps):
    assert steps_in(thought) == steps


NUMBERS = st.integers(0, 10_000)


@given(a=NUMBERS, b=NUMBERS, sign=st.sampled_from("+-*×"), off=st.integers(1, 9))
def test_right_equations_pass_and_wrong_ones_do_not(a, b, sign, off):
    result = {"+": a + b, "-": a - b, "*": a * b, "×": a * b}[sign]
    assert false_equations(f"So {a} {sign} {b} = {result}.") == []
    assert len(false_equations(f"So {a} {sign} {b} = {result + off}.")) == 1


@given(a=NUMBERS, b=st.integers(1, 99), digits=st.integers(0, 4))
def test_a_rounded_result_is_right(a, b, digits):
    rounded = round(Fraction(a, b), digits)
    assert false_equations(f"{a} / {b} = {float(rounded):.{digits}f}") == []


@pytest.mark.parametrize(
    "text",
    [
        "2 + 3 * 4 = 14", "1,200 + 34 = 1,234", "-3 + 5 = 2", "4 / 0 = 7",  # right, or nothing to judge
        "(2 + 3) * 4 = 20", "2^3 + 1 = 9", "x + 2 = 5", "3x + 1 = 10", "5 + 3 = 4 + 4",
        "12 + 3 cm = 4 dm", "1 + 1 = 2.5.1", "3 + 4 = 7%", "√4 + 1 = 3", "= 3 + 4 = 7",
        "2024-01-05 = Friday", "10 - 3 - 2 = 5", "a1 + 2 = 7", "1.5 + 2 = 3.5",
    ],
)  # fmt: skip
def test_what_is_right_or_no_plain_arithmetic_is_not_called_wrong(text):
    assert false_equations(text) == []


QUESTION = "How many red squares and blue circles are in the picture?"


@pytest.mark.parametrize(
    ("thought", "answer", "expected"),
    [
        ("There are 3 squares.\nThere are 4 circles.\n3 + 4 = 7.", "7",
         {"steps": 3, "restated": 0, "repeated": 0, "contradicting": 0, "new_numbers": 2 / 3, "agrees": 1}),
        ("There are 3 squares.\nThere are 4 circles.\n3 + 4 = 8.", "8",
         {"contradicting": 1 / 3, "agrees": 1}),
        ("How many red squares and blue circles are in the picture?\nI see 2.", "2", {"restated": 0.5}),
        ("I see 2 squares.\nI see 2 squares.\nI see 3 squares.", "3", {"repeated": 1 / 3}),
        ("I see 2.\nSo it is 2.", "3", {"agrees": 0}),
        ("I see a cat.\nIt is the cat.", "The cat", {"agrees": 1}),
        ("I see a category.\nIt is a category.", "cat", {"agrees": 0}),
        ("I see 2.\nIt is 2.", None, {"agrees": None}),
    ],
)  # fmt: skip
def test_faults_of_steps_that_rules_find(thought, answer, expected):
    found = rule_metrics(QUESTION, thought, answer)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def row(thought=None, said="1", steps=None):
    parts = {} if steps is None else {"steps": steps}
    return {"question": QUESTION, "thought": thought, "said": said, "parts": parts}


def test_means_are_over_thoughts_and_nothing_is_said_of_none():
    assert step_metrics([row(), row("")]) == {}
    found = step_metrics([row("I see 1.\nIt is 1."), row("It is 2."), row()])["steps"]
    assert found["n"] == 2 and found["steps"] == 1.5 and found["agrees"] == 0.5


def test_grades_are_averaged_here_and_lost_ones_are_counted():
    """A judge that fails on hard thoughts must not raise the mean."""
    graded = [{"value": v, "parts": {"Hallucination": v, "Redundancy": 1.0}} for v in (0.4, 0.8)]
    rows = [row(steps=one) for one in (*graded, {"value": None}, {"value": 0.0})]
    found = step_metrics(rows)["step_grades"]
    assert (found["n"], found["ungraded"]) == (3, 1)
    assert found["mean"] == pytest.approx(0.4) and found["ungraded_as_0"] == pytest.approx(0.3)
    assert found["attributes"] == pytest.approx({"Hallucination": 0.6, "Redundancy": 1.0})
