"""Boxes are read where they are the answer, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.boxes import MAX_BOXES, Box, read_boxes, scale_written, write_boxes

ONE = (Box(1, 2, 30, 40),)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
LABELS = st.text(max_size=12)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("[1, 2, 30, 40]", ONE),
        ("[1.0, 2, 30, 40.0]", ONE),
        ('{"bbox_2d": [1, 2, 30, 40]}', ONE),
        ('```json\n[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]\n```', (Box(1, 2, 30, 40, "cat"),)),
        ("I see ```json\n[0, 0, 1, 1]\n``` or rather ```\n[1, 2, 30, 40]\n```", ONE),
        ("[[1, 2, 30, 40], [5, 6, 7, 8]]", (*ONE, Box(5, 6, 7, 8))),
        ("None", ()),
        ("none.", ()),
        ("[]", ()),
        ("```json\n[]\n```", ()),
        ("", None),
        ("[1, 2, 30]", None),
        ("[1, 2, 30, 40", None),
        ("a cat at [1, 2, 30, 40]", None),
        ("[1, 2, 30, true]", None),
        ("[1, 2, 30, NaN]", None),
        ("[1, 2, 30, 1e999]", None),
        (f"[1, 2, 30, 1{'0' * 400}]", None),
        ('[1, 2, 30, "40"]', None),
        ('{"label": "cat"}', None),
        ('[{"box_2d": [2, 1, 40, 30], "label": "cat"}]', None),  # Gemini's, y first
        ("[" * 100_000, None),
        (str([[1, 2, 3, 4]] * (MAX_BOXES + 1)), None),
        ("[{'bbox_2d': [1, 2, 3, 4], 'label': 'cat'}]", (Box(1, 2, 3, 4, "cat"),)),
        ('{"x1": 1, "y1": 2, "x2": 3, "y2": 4, "label": "cat"}', (Box(1, 2, 3, 4, "cat"),)),
        ('{"x1": 1, "y1": 2, "x2": 3}', None),
        ("it's [1, 2, 3, 4]", None),
    ],
)
def test_boxes_are_read_as_a_whole_or_not_at_all(text: str, boxes: tuple[Box, ...] | None) -> None:
    assert read_boxes(text) == boxes


@given(st.lists(st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS, LABELS), max_size=5))
def test_what_is_written_is_read_again(boxes: list[Box]) -> None:
    assert read_boxes(write_boxes(boxes)) == tuple(boxes)


@pytest.mark.parametrize(
    ("text", "scaled"),
    [
        (
            '{"bbox_2d": [1, 2, 30, 40], "label": "a [1, 2, 3, 4]"}',
            '{"bbox_2d": [2, 6, 60, 120], "label": "a [1, 2, 3, 4]"}',
        ),
        (
            'so {"bbox" :[1.5,2,1e1,-4]} and ["box": [0, 0, 1, 1',
            'so {"bbox" :[3, 6, 20, -12]} and ["box": [0, 0, 1, 1',
        ),
        ("[1, 2, 30, 40]", "[1, 2, 30, 40]"),
        ('{"bbox_2d": [1, 2, 3]}', '{"bbox_2d": [1, 2, 3]}'),
        ('{"bbox_2d": [1, 2, 3, 1e999]}', '{"bbox_2d": [1, 2, 3, 1e999]}'),
    ],
)
def test_named_boxes_are_scaled_within_a_text(text: str, scaled: str) -> None:
    assert scale_written(text, 2, 3) == scaled


@given(st.lists(st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS, LABELS), max_size=5))
def test_every_box_that_is_written_can_be_scaled(boxes: list[Box]) -> None:
    parsed = read_boxes(scale_written(write_boxes(boxes), 2, 0.5, places=3))
    assert parsed is not None and len(parsed) == len(boxes)
    for box, scaled in zip(boxes, parsed, strict=True):
        assert scaled.corners == pytest.approx(box.scaled(2, 0.5).corners, abs=0.00051)
