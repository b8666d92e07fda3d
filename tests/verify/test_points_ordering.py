"""Points hit or miss; an order is the gold's, near it, or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.boxes import read_points
from seethink.verify.ordering import Ordering, kendall, read_order
from seethink.verify.points import Points
from tests.verify.judged import judged


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("[3, 4]", ((3, 4),)),
        ('{"point_2d": [3, 4], "label": "cat"}', ((3, 4),)),
        ("```json\n[[3, 4], [5.5, 6]]\n```", ((3, 4), (5.5, 6))),
        ("None", ()),
        ("[1, 2, 3, 4]", None),
        ("at (3, 4)", None),
        ("[3, true]", None),
        ("[3, NaN]", None),
        ("[[3, 4], 5]", None),
        ("7", None),
    ],
)
def test_points_are_read_as_a_whole_or_not_at_all(text, points):
    assert read_points(text) == points


def test_a_point_hits_what_it_lies_in_or_near():
    for gold in ("[10, 10, 20, 20]", "[15, 15]"):
        assert judged(Points(), gold, "[12, 18]").value == 1.0
        assert judged(Points(), gold, "[40, 15]").value == 0.0
    assert judged(Points(within_px=1), "[15, 15]", "[12, 18]").value == 0.0


def test_each_target_is_hit_once_and_more_points_earn_less():
    gold = "[[10, 10, 20, 20], [50, 50, 60, 60]]"
    assert judged(Points(), gold, "[[15, 15], [55, 55]]").value == 1.0
    assert judged(Points(), gold, "[[15, 15], [16, 16]]").value == 0.5
    assert judged(Points(), "[15, 15]", "[[15, 15], [15, 15], [15, 15]]").value == 0.5


def test_only_an_explicit_none_is_right_where_there_is_no_point():
    assert judged(Points(), "None", "none").value == 1.0
    assert judged(Points(), "None", "").value == judged(Points(), "[1, 2]", "None").value == 0.0
    assert judged(Points(), "over there", "[1, 2]").value is None


@pytest.mark.parametrize(
    "text",
    [
        "B, A, C",
        "B -> A -> C",
        "B → A → C",
        '["B", "A", "C"]',
        "b\na\nc",
        "1. B\n2. A\n3. C",
        "B, then A, then C.",
        "B > A > C",
    ],
)
def test_an_order_is_read_in_each_of_its_forms(text):
    assert read_order(text) == ("b", "a", "c")


@pytest.mark.parametrize("text", ["B", "", "B, A, B", "B, , C", "A > B < C", "[1, [2]]"])
def test_what_leaves_out_or_says_twice_is_no_order(text):
    assert read_order(text) is None


ITEMS = st.permutations("abcde")


@given(ITEMS, ITEMS)
def test_tau_is_one_for_the_same_order_and_changes_sign_with_it(gold, answer):
    assert kendall(tuple(gold), tuple(gold)) == 1
    assert kendall(tuple(gold), tuple(answer)) == pytest.approx(-kendall(tuple(gold), tuple(answer[::-1])))
    assert (kendall(tuple(gold), tuple(answer)) == 1) == (gold == answer)


def test_an_order_is_right_whole_or_by_its_pairs():
    assert judged(Ordering(), "A, B, C", "A, C, B").value == 0.0
    assert judged(Ordering(partial=True), "A, B, C", "A, C, B").value == pytest.approx(1 / 3)
    assert judged(Ordering(partial=True), "A, B, C", "C, B, A").value == 0.0
    assert judged(Ordering(partial=True), "A, B, C", "A, B, C, D").value == 0.0
    assert judged(Ordering(), "A", "A").value is None
