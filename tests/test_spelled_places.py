"""Boxes and points in the spellings of models are the same places, whatever engine gave the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from seethink import verify
from seethink.attempt import judge, lenient
from seethink.boxes import Box, read_boxes, read_spelled, write_boxes
from seethink.formats import BARE, THINK_ANSWER
from seethink.media import Image
from seethink.types import Completion, CoordinateFrame, Example, Task

WIDTH, HEIGHT = 2000, 500
FRAMES = (None, CoordinateFrame("resized", (WIDTH, HEIGHT), (560, 140)))
"""Of an engine that does not know the model's coordinates, and of another family."""


def qwen2_vl(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    named = f"<|object_ref_start|>{label}<|object_ref_end|>" if label else ""
    return f"{named}<|box_start|>({x1:.0f},{y1:.0f}),({x2:.0f},{y2:.0f})<|box_end|>"


def qwen_vl(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    return f"<ref>{label}</ref><box>({x1:.0f},{y1:.0f}),({x2:.0f},{y2:.0f})</box>"


def internvl(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    named = f"<ref>{label}</ref>" if label else ""
    return f"{named}<box>[[{x1:.0f}, {y1:.0f}, {x2:.0f}, {y2:.0f}]]</box>"


def deepseek(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    return f"<|ref|>{label}<|/ref|><|det|>[[{x1:.0f}, {y1:.0f}, {x2:.0f}, {y2:.0f}]]<|/det|>"


def florence(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    return label + "".join(f"<loc_{corner:.0f}>" for corner in (x1, y1, x2, y2))


def paligemma(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    return "".join(f"<loc{corner * 1.024:04.0f}>" for corner in (y1, x1, y2, x2)) + f" {label}"


SPELLINGS = (qwen2_vl, qwen_vl, internvl, deepseek, florence, paligemma)
CORNERS = st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(501, 998), st.integers(501, 998))


def judged(text: str, gold: str, verifier: str, frame: CoordinateFrame | None = None) -> float | None:
    """The score of a bare answer about a picture of 2000 x 500 pixels."""
    seen = Image.drawn("wide", lambda: Pillow.new("RGB", (WIDTH, HEIGHT)))
    example = Example("1", "Where is it?", (seen,), gold)
    task = Task("places", [], BARE, verify.by_name(verifier))
    rollout = judge(task, example, Completion(text, frame=frame))
    assert lenient(task, rollout)[1].value == rollout.score.value
    return rollout.score.value


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("spell", SPELLINGS)
@given(corners=CORNERS, label=st.sampled_from(["", "cat", "the small dog"]))
def test_a_box_is_the_same_place_in_every_spelling(spell, frame, corners, label):
    x1, y1, x2, y2 = corners
    gold = Box(x1 * WIDTH / 1000, y1 * HEIGHT / 1000, x2 * WIDTH / 1000, y2 * HEIGHT / 1000, label)
    said = spell(*corners, label)
    assert judged(said, write_boxes([gold]), "box_iou", frame) > 0.7
    (read,) = read_spelled(said).boxes
    assert read.label == label
    assert read_boxes(said) is None  # whoever does not know the unit reads no box


@given(CORNERS)
def test_geminis_list_is_read_y_first(corners):
    x1, y1, x2, y2 = corners
    gold = write_boxes([Box(x1 * 2, y1 / 2, x2 * 2, y2 / 2, "cat")])
    items = f'{{"box_2d": [{y1}, {x1}, {y2}, {x2}], "label": "cat"}}'
    for said in (items, f"[{items}]", f"```json\n[{items}]\n```"):
        for frame in FRAMES:
            assert judged(said, gold, "boxes", frame) == 1.0
    swapped = [{"box_2d": [x1, y1, x2, y2]}]
    assert read_spelled(str(swapped).replace("'", '"')).boxes[0].corners == (y1, x1, y2, x2)


@pytest.mark.parametrize(
    ("said", "points"),
    [
        ('<point x="10.5" y="20" alt="cat">cat</point>', [(210, 100)]),
        ('<points x1="1" y1="2" x2="30.0" y2="40" alt="cats">cats</points>', [(20, 10), (600, 200)]),
        ("<|box_start|>(105,200)<|box_end|>", [(210, 100)]),
    ],
)
def test_points_of_models_are_points_of_the_picture(said, points):
    for frame in FRAMES:
        assert judged(said, str([list(point) for point in points]), "points", frame) == 1.0
        assert judged(said, "[[1900, 450]]", "points", frame) == 0.0


def test_several_boxes_are_all_read():
    gold = write_boxes([Box(200, 100, 400, 200, "cat"), Box(1000, 50, 1200, 150, "dog")])
    first, second = (100, 200, 200, 400), (500, 100, 600, 300)
    for between in ("", " ", ", ", " and ", " ; ", "\n"):
        for spell in (qwen2_vl, internvl, deepseek):
            said = between.join((spell(*first, "cat"), spell(*second, "dog")))
            assert judged(said, gold, "boxes_f1") == 1.0
    assert (
        judged("<box>[[100,200,200,400],[500,100,600,300]]</box>", gold.replace("dog", "cat"), "ap50") == 0.0
    )
    assert judged("<ref>cat</ref><box>[[100,200,200,400],[500,100,600,300]]</box>", gold, "boxes_f1") == 0.5


def test_corners_without_their_tokens_are_in_the_units_of_the_frame():
    """Tokens such as <|box_start|> are special, and vanish when an answer is decoded."""
    frame = CoordinateFrame("thousandths", (WIDTH, HEIGHT), (1000, 1000))
    gold = write_boxes([Box(200, 100, 400, 200, "cat")])
    for said in ("(100,200),(200,400)", "cat(100,200),(200,400)", "cat[[100, 200, 200, 400]]"):
        assert judged(said, gold.replace(', "label": "cat"', ""), "box_iou", frame) == 1.0
        assert judged(said, gold, "box_iou", None) == 0.0


@pytest.mark.parametrize(
    "said",
    [
        "",
        "42",
        "[1, 2, 3, 4]",
        "(1, 2)",
        "<box>[[1, 2, 3]]</box>",
        "<loc0001><loc0002><loc0003>",
        "<loc_1><loc_2><loc_3>",
        "it is not at <box>[[1, 2, 3, 4]]</box>",
        "<box>[[1, 2, 3, 4]]</box> or <box>[[5, 6, 7, 8]]</box>",
        '<point alt="cat">cat</point>',
        '[{"box_2d": [1, 2, 3, 4]}, {"bbox_2d": [1, 2, 3, 4]}]',
        '{"box_2d": [1, 2, 3]}',
        '{"box_2d": "here"}',
        "<|box_start|>(1,2),(3,4)<|box_end|><box>[[1,2,3,4]]</box>",
        "<|box_start|>(1,2)<|box_end|><|box_start|>(1,2),(3,4)<|box_end|>",
        "(1,2),(3,4)" * 2000,
    ],
)
def test_other_texts_are_no_places(said):
    assert read_spelled(said) is None


@given(
    st.lists(
        st.sampled_from(
            [
                "<|box_start|>",
                "<|box_end|>",
                "<ref>",
                "</box>",
                "<box>",
                "[[",
                "]]",
                "(",
                ")",
                ",",
                "7",
                "<loc_1>",
                "<loc0001>",
                "<point x='1' y='2'>",
                '{"box_2d": ',
                "[1, 2, 3, 4]",
                "}",
                "cat",
                " ",
                "-",
                ".",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_any_text_is_read_or_left(said):
    found = read_spelled(said)
    assert found is None or bool(found.boxes) != bool(found.points)


def test_a_tagged_answer_may_hold_tokens_of_a_model():
    seen = Image.drawn("wide", lambda: Pillow.new("RGB", (WIDTH, HEIGHT)))
    example = Example("1", "Where is it?", (seen,), "[200, 100, 400, 200]")
    task = Task("places", [], THINK_ANSWER, verify.by_name("box_iou"))
    said = "<think>I see it.</think><answer><box>[[100, 200, 200, 400]]</box></answer>"
    assert judge(task, example, Completion(said)).score.value == 1.0
    assert judge(task, Example("1", "?", (), "[200, 100, 400, 200]"), Completion(said)).score.value == 0.0
