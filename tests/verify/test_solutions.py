"""Roots and sets of numbers in one notation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.verify import units
from seethink.verify.solutions import alike
from seethink.verify.spelling import formula
from seethink.verify.text import computed

INTERVAL = r"[1, 3)"


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        (r"1 \le x < 3", "[1, 3)"),
        (r"3 > x \ge 1", "[1, 3)"),
        (r"x \ge 1 and x < 3", "[1, 3)"),
        (r"x \in [1,3)", "[1, 3)"),
        (r"\{x \mid 1 \le x < 3\}", "[1, 3)"),
        (r"x > 2", r"(2, \infty)"),
        (r"2 < x", r"(2, \infty)"),
        (r"x \le \frac{1}{2}", r"(-\infty, \frac{1}{2}]"),
        (r"x < 1 or x > 3", r"(-\infty, 1) \cup (3, \infty)"),
        (r"(-\infty, 1) \cup (3, +\infty)", r"(-\infty, 1) \cup (3, \infty)"),
    ],
)
def test_a_set_of_numbers_becomes_intervals(text, interval):
    named = text if "x" in text else r"x \in " + text
    assert alike(INTERVAL, named) == (INTERVAL, interval)
    assert alike(named, INTERVAL) == (interval, INTERVAL)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("(1, 3)", "(1, 3)"),
        (r"1 < x < 3", r"1 < y < 3"),
        ("[1, 3)", r"x \ge 1 and x \ge 3"),
        ("[1, 3)", r"1 < x > 3"),
        ("[1, 3)", r"2x < 3"),
        ("[1, 3)", "3"),
        ("x_1=2, x_2=3", "x_1=3, x_2=2"),
        ("2, 3", "x_1=2, x_1=3"),
        ("2, 3", "x_1=2, y_2=3"),
        ("2, 3", "x_1=2"),
    ],
)
def test_anything_else_stays_as_it_is(gold, answer):
    assert alike(gold, answer) == (gold, answer)


def test_a_point_loses_its_name_beside_coordinates_without_one():
    assert alike("A(2, 3)", "(2, 3)") == alike("A = (2, 3)", "(2, 3)") == ("(2, 3)", "(2, 3)")
    assert alike("A(2, 3)", "B(2, 3)") == ("A(2, 3)", "B(2, 3)")


def test_roots_with_an_index_become_a_list_beside_one_without():
    assert alike("2, 3", r"x_1=2, x_{2}=3") == ("2, 3", "2, 3")
    assert alike(r"x_1=2 or x_2=\frac{1}{3}", "2") == (r"2, \frac{1}{3}", "2")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10 + 2 = 12", "12"),
        ("2 × 3 - 4 ÷ 2 = 4", "4"),
        (r"4 \times 3 = 12", "12"),
        (r"12 \div 4 = 3", "3"),
        ("10 + 2 = 12 cm", "12 cm"),
        ("3 = 6/2 = 3", "3"),
        ("10 + 2 = 13", None),
        ("10 = 12", None),
        ("1/0 = 1", None),
        ("10 + = 12", None),
        ("x = 12", None),
    ],
)
def test_a_true_computation_is_its_value(text, value):
    found = computed(text).strip()
    assert found == (value or found) and ("=" in found) == (value is None)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("8 m·s^{-1}", "m/s"),
        (r"8 m\cdot s^{-2}", "m/s^2"),
        ("8 m s⁻²", "m/s^2"),
        (r"8 \frac{km}{h}", "km/h"),
        ("8米每二次方秒", "米/秒^2"),
        ("8 kg·m⁻³", "kg/m^3"),
        ("8 m/s", "m/s"),
    ],
)
def test_a_compound_unit_has_one_notation(text, unit):
    assert units.split(text) == ("8", unit)


@given(st.text(r"x_12=,;<>[](){} \leginfty|orand-+.^·ms{}\frac", max_size=80))
def test_any_text_is_read_or_left(text):
    alike(formula(text), INTERVAL)
    alike("2, 3", text)
    computed(text)
    units.split(text)
