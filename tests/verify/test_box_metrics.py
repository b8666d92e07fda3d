"""Boxes: geometry once, each box once, and an explicit none is not silence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.boxes import Box, write_boxes
from seethink.types import Example, Response
from seethink.verify import by_name
from seethink.verify.box_metrics import BoxIoU, ious
from tests.verify.judged import judged

NAMES = ("boxes", "ap50", "boxes_f1", "boxes_weighted", "boxes_length")
ALL = ("box_iou", "box_iou_50", *NAMES)
CORNER, SIDE = st.integers(0, 60), st.integers(1, 60)


@st.composite
def box(draw: st.DrawFn) -> Box:
    x, y = draw(CORNER), draw(CORNER)
    return Box(x, y, x + draw(SIDE), y + draw(SIDE), draw(st.sampled_from(["cat", "dog", "hen"])))


def scored(name: str, gold: list[Box], predicted: list[Box]) -> float:
    value = judged(by_name(name), write_boxes(gold), write_boxes(predicted)).value
    assert value is not None
    return value


def counted(a: Box, b: Box) -> float:
    """IoU of boxes with whole corners, by counting unit squares."""
    squares = [
        {(x, y) for x in range(int(c.x1), int(c.x2)) for y in range(int(c.y1), int(c.y2))} for c in (a, b)
    ]
    return len(squares[0] & squares[1]) / len(squares[0] | squares[1])


@given(box(), box())
def test_iou_counts_the_pixels_that_both_have(a, b):
    assert ious((a,), (b,))[0, 0] == pytest.approx(counted(a, b))
    assert ious((b,), (a,))[0, 0] == pytest.approx(counted(a, b))


def test_swapped_corners_and_flat_boxes_meet_nothing():
    whole = Box(10, 10, 50, 50)
    for broken in (Box(50, 50, 10, 10), Box(50, 10, 10, 50), Box(10, 10, 10, 50), Box(20, 20, 20, 20)):
        assert ious((whole,), (broken,))[0, 0] == 0
        assert ious((broken,), (broken,))[0, 0] == 0


def test_one_box_is_judged_by_its_overlap_and_two_earn_nothing():
    assert judged(BoxIoU(), "[0, 0, 10, 10]", "[0, 0, 10, 5]").value == 0.5
    assert judged(BoxIoU(above=0.5), "[0, 0, 10, 10]", "[0, 0, 10, 5]").value == 0.0
    assert judged(BoxIoU(above=0.5), "[0, 0, 10, 10]", "[0.0, 0, 10, 5.5]").value == 1.0
    assert judged(BoxIoU(), "[0, 0, 10, 10]", "[[0, 0, 10, 10], [0, 0, 10, 10]]").value == 0.0
    assert judged(BoxIoU(), "[[0, 0, 10, 10], [5, 5, 9, 9]]", "[0, 0, 10, 10]").value is None


@pytest.mark.parametrize("name", ALL)
def test_only_an_explicit_none_is_right_where_there_is_none(name):
    for answer, value in (
        ("None", 1.0),
        ("[]", 1.0),
        ("I see nothing", 0.0),
        ("", 0.0),
        ("[1, 2, 3, 4]", 0.0),
    ):
        assert judged(by_name(name), "None", answer).value == value
    assert judged(by_name(name), "[1, 2, 3, 4]", "None").value == 0.0


@pytest.mark.parametrize("name", ALL)
def test_a_gold_that_is_no_boxes_or_has_no_area_cannot_be_judged(name):
    for gold in ("a cat", "[1, 2, 3]", "[30, 40, 1, 2]", None):
        assert judged(by_name(name), gold, "[1, 2, 30, 40]").value is None


@pytest.mark.parametrize("name", ALL)
def test_the_boxes_of_the_response_in_original_pixels_go_before_the_text(name):
    example = Example(id="1", question="?", answer="[10, 20, 300, 400]")
    response = Response(text="[5, 10, 150, 200]", answer="[5, 10, 150, 200]", boxes=(Box(10, 20, 300, 400),))
    assert by_name(name)(example, response).value == pytest.approx(1.0)


@given(st.lists(box(), min_size=1, max_size=5, unique=True))
def test_the_gold_itself_earns_all_and_in_any_order(gold):
    for name in NAMES:
        assert scored(name, gold, gold) == scored(name, gold, gold[::-1]) == pytest.approx(1.0)


@given(st.lists(box(), min_size=1, max_size=5), st.lists(box(), min_size=1, max_size=5), box())
def test_a_box_that_overlaps_nothing_never_earns(gold, predicted, extra):
    far = Box(extra.x1 + 1000, extra.y1, extra.x2 + 1000, extra.y2, extra.label)
    for name in NAMES:
        assert scored(name, gold, [*predicted, far]) <= scored(name, gold, predicted) + 1e-9


def test_boxes_of_unknown_labels_are_false_positives():
    cat, thing = Box(0, 0, 10, 10, "cat"), Box(0, 0, 10, 10, "thing")
    assert [scored(name, [cat], [cat, thing]) for name in NAMES] == pytest.approx(
        [0.5, 0.5, 2 / 3, 0.35 + 0.2, 0.25]
    )
    assert [scored(name, [cat], [thing]) for name in NAMES] == [0, 0, 0, 0, 0]


def test_a_redundant_box_costs_at_any_position():
    cat, far = Box(0, 0, 10, 10, "cat"), Box(90, 90, 99, 99, "cat")
    for name in NAMES:
        assert scored(name, [cat], [cat, far]) == scored(name, [cat], [far, cat]) < 1
    assert scored("ap50", [cat], [cat, far]) == 0.5
    assert scored("boxes_length", [cat], [cat, far]) == 0.25


def test_average_precision_is_precision_times_recall_over_thresholds():
    gold = [Box(0, 0, 100, 100, "cat"), Box(200, 0, 300, 100, "cat")]
    predicted = [Box(0, 0, 100, 72, "cat"), Box(200, 0, 300, 100, "cat"), Box(500, 0, 600, 100, "cat")]
    # IoU 0.72 and 1: both right at 0.50 to 0.70 (five thresholds), one at the five above
    expected = (5 * (2 / 3) * (2 / 2) + 5 * (1 / 3) * (1 / 2)) / 10
    assert scored("boxes", gold, predicted) == pytest.approx(expected)
    assert scored("ap50", gold, predicted) == pytest.approx(2 / 3)


def test_a_wrong_label_does_not_take_the_pair_from_the_right_one():
    cat = Box(0, 0, 100, 100, "cat")
    predicted = [Box(0, 0, 100, 100, "dog"), Box(0, 0, 100, 90, "cat")]
    score = judged(by_name("boxes_weighted"), write_boxes([cat]), write_boxes(predicted))
    assert {name: part.value for name, part in score.parts.items()} == pytest.approx(
        {"position": 0.45, "label": 0.5, "completeness": 2 / 3}
    )
    assert score.value == pytest.approx(0.7 * 0.45 + 0.3 * 2 / 3)


def test_labels_do_not_count_where_the_gold_has_none():
    assert (
        judged(by_name("boxes"), "[[0, 0, 9, 9]]", '[{"bbox_2d": [0, 0, 9, 9], "label": "cat"}]').value == 1.0
    )


def test_a_thousand_boxes_earn_next_to_nothing():
    predicted = [[10 * i, 10 * j, 10 * i + 10, 10 * j + 10] for i in range(31) for j in range(31)]
    for name in NAMES:
        value = judged(by_name(name), "[0, 0, 10, 10]", json.dumps(predicted)).value
        assert value is not None and 0 < value < 0.003
