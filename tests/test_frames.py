"""Boxes in a model's words and boxes in a picture's own pixels are the same places, in every family."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from seethink.attempt import attempt, judge, sft_example
from seethink.boxes import Box, read_boxes, read_points, scale_written, write_boxes
from seethink.engines.local import LocalEngine
from seethink.evaluate.attempts import attempt_row
from seethink.formats import BARE, BOX_JSON, THINK_ANSWER
from seethink.media import Image
from seethink.models.encoder import Encoder, Prompt
from seethink.models.families import FAMILIES, Family, boxes_to_pixels, in_model_coordinates, points_to_pixels
from seethink.train.configs import DPOConfig
from seethink.train.dpo import DPOMethod
from seethink.train.sft import share
from seethink.types import GREEDY, Completion, CoordinateFrame, Example, PreferencePair, Response, Score, Task
from seethink.verify import by_name
from tests import vlms

KINDS = {
    "qwen2_vl": "thousandths",
    "qwen2_5_vl": "resized",
    "qwen3_vl": "thousandths",
    "qwen3_vl_moe": "thousandths",
    "glm4v": "thousandths",
    "glm46v": "thousandths",
    "internvl": "thousandths",
    "llava": "unit",
    "llava_next": "unit",
    "llava_onevision": "unit",
}
UNIT = {"thousandths": 1, "resized": 1, "unit": 0.001}
SIDES = st.integers(1, 8000)
FRAMES = st.builds(
    lambda kind, size, seen: CoordinateFrame(
        kind, size, {"thousandths": (1000, 1000), "unit": (1, 1)}.get(kind, tuple(28 * side for side in seen))
    ),
    st.sampled_from(list(UNIT)),
    st.tuples(SIDES, SIDES),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
)
encoder_of = cache(lambda name: vlms.build(name)[1])


def picture(width: int, height: int, box: tuple[int, int, int, int] | None = None) -> Image:
    """Black, with a white box."""

    def draw() -> Pillow.Image:
        drawn = Pillow.new("RGB", (width, height))
        if box:
            drawn.paste((255, 255, 255), box)
        return drawn

    return Image.drawn(f"{width} x {height} {box}", draw)


def prompt_of(image: Image, name: str = "qwen2_5_vl") -> Prompt:
    example = Example("cat", "Where is the cat?", (image,))
    return encoder_of(name).prompts([BOX_JSON.prompt(example)])[0]


@given(FRAMES, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_to_and_fro_a_corner_moves_by_half_a_unit_at_most(frame: CoordinateFrame, at: list[float]) -> None:
    width, height = frame.size
    box = Box(at[0] * width, at[1] * height, at[2] * width, at[3] * height, "cat")
    named = read_boxes(in_model_coordinates(write_boxes([box]), frame))
    assert named
    (back,) = boxes_to_pixels(named, frame)
    half = [UNIT[frame.kind] / 2 * side / units for side, units in zip(frame.size, frame.units, strict=True)]
    for before, after, most in zip(box.corners, back.corners, half * 2, strict=True):
        assert abs(before - after) <= most + 1e-6
    assert back.label == "cat"


@given(FRAMES, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=3))
def test_a_point_goes_the_way_of_a_corner(frame: CoordinateFrame, at: list[tuple[float, float]]) -> None:
    width, height = frame.size
    points = [(x * width, y * height) for x, y in at]
    named = read_points(in_model_coordinates(json.dumps([{"point_2d": [*point]} for point in points]), frame))
    assert named
    boxes = [Box(*point, *point) for point in named]
    back = points_to_pixels(named, frame)
    assert back == tuple((box.x1, box.y1) for box in boxes_to_pixels(boxes, frame))
    half = [UNIT[frame.kind] / 2 * side / units for side, units in zip(frame.size, frame.units, strict=True)]
    for before, after in zip(points, back, strict=True):
        assert all(abs(a - b) <= most + 1e-6 for a, b, most in zip(before, after, half, strict=True))


@given(FRAMES, st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_a_point_is_judged_in_the_original_picture(frame: CoordinateFrame, x: float, y: float) -> None:
    """What a model of any family says of a place is right for a small box around it there."""
    gold = (x * frame.size[0], y * frame.size[1])
    wide = [2 * UNIT[frame.kind] * side / units for side, units in zip(frame.size, frame.units, strict=True)]
    box = Box(gold[0] - wide[0], gold[1] - wide[1], gold[0] + wide[0], gold[1] + wide[1])
    said = in_model_coordinates(json.dumps({"point_2d": [*gold]}), frame)
    assert pointed(box, said, frame) == 1.0


def test_the_numbers_of_a_point_are_not_taken_for_pixels() -> None:
    frame = CoordinateFrame("thousandths", (2000, 1000), (1000, 1000))
    assert pointed(Box(990, 490, 1010, 510), '{"point_2d": [500, 500]}', frame) == 1.0
    assert pointed(Box(490, 490, 510, 510), '{"point_2d": [500, 500]}', frame) == 0.0
    assert pointed(Box(490, 490, 510, 510), '{"point_2d": [500, 500]}', None) == 1.0


def pointed(target: Box, said: str, frame: CoordinateFrame | None) -> float | None:
    task = Task("points", (), BARE, by_name("points"))
    example = Example("one", "Where?", answer=write_boxes([target]))
    return judge(task, example, Completion(said, frame=frame)).score.value


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_every_family_counts_as_its_makers_say(name: str) -> None:
    frame = prompt_of(picture(61, 43), name).frame
    kind = KINDS.get(name, "original")
    assert frame and (frame.kind, frame.size) == (kind, (61, 43))
    units = {"thousandths": (1000, 1000), "unit": (1, 1), "original": (61, 43)}
    assert frame.units == units.get(kind, (56, 56))


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 1500), st.floats(0.05, 20))
def test_the_resized_size_is_what_the_processor_makes_of_the_picture(width: int, aspect: float) -> None:
    height = max(8, min(1500, round(width / aspect)))
    images = encoder_of("qwen2_5_vl").processor.image_processor
    limits = images.size["shortest_edge"], images.size["longest_edge"]
    frame = prompt_of(picture(width, height)).frame
    assert frame and frame.units[::-1] == smart_resize(height, width, 28, *limits)


@pytest.mark.parametrize("size", [(200, 100), (97, 301), (640, 480), (30, 30)])
def test_a_box_lies_where_the_model_is_shown_it(size: tuple[int, int]) -> None:
    """The tensors that the model is given are put together again: the white box is where we say it is."""
    width, height = size
    box = (width // 5, height // 4, 3 * width // 4, 4 * height // 5)
    prompt = prompt_of(picture(*size, box))
    shown = _seen(prompt)
    assert prompt.frame and shown.shape[::-1] == prompt.frame.units
    rows, columns = np.nonzero(shown > (shown.min() + shown.max()) / 2)
    found = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    named = read_boxes(in_model_coordinates(write_boxes([Box(*box)]), prompt.frame))
    assert named and np.abs(np.subtract(found, named[0].corners)).max() <= 1


def _seen(prompt: Prompt) -> np.ndarray:
    """(H, W) brightness of a picture, out of its patches: rows of (colour, time, height, width)."""
    _, rows, columns = prompt.media["image_grid_thw"][0].tolist()
    patches = prompt.media["pixel_values"].reshape(rows // 2, columns // 2, 2, 2, 3, 2, 14, 14)[
        ..., 0, 0, :, :
    ]
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(rows * 14, columns * 14).numpy()


def test_several_pictures_share_the_frame_of_the_first_and_text_has_none() -> None:
    example = Example("two", "Where?", (picture(200, 100), picture(50, 50)))
    two, none = encoder_of("qwen2_5_vl").prompts([BOX_JSON.prompt(e) for e in (example, Example("no", "?"))])
    assert two.frame == prompt_of(picture(200, 100)).frame
    assert none.frame is None


# Judging ----------------------------------------------------------------------------------------------------


def whole(example: Example, response: Response) -> Score:
    """1 where the boxes are those of the gold text, in its own pixels."""
    return Score(float(response.boxes == read_boxes(example.answer or "")), str(response.boxes))


CAT = Example("cat", "Where is the cat?", (picture(200, 100),), '[{"bbox_2d": [20, 10, 100, 60]}]')
TASK = Task("cats", [CAT], BOX_JSON, whole)
HALF = CoordinateFrame("resized", (200, 100), (100, 50))
NAMED = '<think>There.</think><answer>[{"bbox_2d": [10, 5, 50, 30]}]</answer>'


def test_boxes_are_judged_in_pixels_of_the_original_picture(tmp_path: Path) -> None:
    rollout = judge(TASK, CAT, Completion(NAMED, frame=HALF))
    assert rollout.response.boxes == (Box(20, 10, 100, 60),)
    assert rollout.score.value == 1.0
    row = attempt_row(TASK, rollout, tmp_path / "media")
    assert (row["format"], row["mode"], row["boxes"]) == ("box_json", "suffix", [(20, 10, 100, 60)])
    assert row["lenient"]["value"] == 1.0
    assert json.loads(json.dumps(row))["boxes"] == [[20, 10, 100, 60]]


@pytest.mark.parametrize(
    ("said", "boxes"),
    [("[10, 5, 50, 30]", (Box(20, 10, 100, 60),)), ("[]", ()), ("None", ()), ("left", None), ("", None)],
)
def test_only_what_is_boxes_becomes_boxes(said: str, boxes: tuple[Box, ...] | None) -> None:
    text = f"<think>There.</think><answer>{said}</answer>"
    assert judge(TASK, CAT, Completion(text, frame=HALF)).response.boxes == boxes


def test_without_a_frame_nobody_knows_what_a_box_is_measured_in() -> None:
    assert judge(TASK, CAT, Completion(NAMED)).response.boxes is None


def test_an_engine_tells_the_frame_of_its_answers() -> None:
    model, encoder = vlms.build("qwen2_5_vl")
    ((rollout,),) = attempt(LocalEngine(model, encoder), TASK, [CAT], replace(GREEDY, max_tokens=2))
    assert rollout.response.frame == CoordinateFrame("resized", (200, 100), (196, 112))


# Teaching ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "corners"),
    [
        ("qwen2_vl", "[100, 100, 500, 600]"),
        ("qwen2_5_vl", "[20, 11, 98, 67]"),
        ("llava", "[0.1, 0.1, 0.5, 0.6]"),
        ("gemma3", "[20, 10, 100, 60]"),
    ],
)
def test_a_lesson_names_its_boxes_as_the_model_does(name: str, corners: str) -> None:
    taught = sft_example(TASK, CAT)
    prompts = encoder_of(name).prompts([taught.format.prompt(CAT)])
    (group,) = share([taught], prompts, encoder_of(name))
    ids = group.branches[0].ids
    assert encoder_of(name).decode(ids[:-1]).endswith(f'<answer>[{{"bbox_2d": {corners}}}]</answer>')


def test_both_responses_of_a_pair_name_their_boxes_as_the_model_does() -> None:
    model, encoder = vlms.build("qwen2_vl")
    better, worse = (f'<answer>[{{"bbox_2d": [{x}, 10, 100, 60]}}]</answer>' for x in (20, 40))
    pairs = [PreferencePair(CAT, BOX_JSON, better, worse)]
    reference = SimpleNamespace(policy=SimpleNamespace(model=model))
    method = DPOMethod(reference, encoder, pairs, DPOConfig.of(train_batch_size=1))
    (group,) = method._groups([0])
    said = [encoder.decode(branch.ids[:-1]) for branch in group.branches]
    assert said == [f'<answer>[{{"bbox_2d": [{x}, 100, 500, 600]}}]</answer>' for x in (100, 200)]


def test_what_is_taught_is_what_is_paid() -> None:
    rng = random.Random("frames")
    for name in ("qwen2_vl", "qwen2_5_vl"):
        for _ in range(10):
            size = rng.randint(60, 900), rng.randint(60, 900)
            gold = Box(rng.randint(0, size[0]), rng.randint(0, size[1]), *size)
            example = Example("cat", "Where?", (picture(*size),), write_boxes([gold]))
            (prompt,) = encoder_of(name).prompts([BOX_JSON.prompt(example)])
            reply = encoder_of(name).reply_ids(prompt, sft_example(TASK, example).text)
            said = Completion(encoder_of(name).decode(reply[:-1]), frame=prompt.frame)
            boxes = judge(TASK, example, said).response.boxes
            assert boxes and prompt.frame
            most = max(0.5 * s / u for s, u in zip(prompt.frame.size, prompt.frame.units, strict=True))
            assert np.abs(np.subtract(boxes[0].corners, gold.corners)).max() <= most + 1e-6


def test_four_numbers_without_a_name_are_taught_as_they_stand() -> None:
    prompt = prompt_of(picture(200, 100), "qwen2_vl")
    text = THINK_ANSWER.write("In order.", "[4, 3, 2, 1]")
    assert encoder_of("qwen2_vl").decode(encoder_of("qwen2_vl").reply_ids(prompt, text)[:-1]) == text
    assert scale_written(text, 5, 5) == text


def test_a_begun_answer_is_not_taught_again() -> None:
    prompt = replace(prompt_of(picture(200, 100)), prefill="<think>")
    encoder: Encoder = encoder_of("qwen2_5_vl")
    assert encoder.decode(encoder.reply_ids(prompt, NAMED)[:-1]).startswith("There.")


def test_every_family_says_what_it_counts_in() -> None:
    assert {family.boxes for family in FAMILIES} == {"original", "resized", "thousandths", "unit"}
    assert Family("new", ("new",)).boxes == "original"
