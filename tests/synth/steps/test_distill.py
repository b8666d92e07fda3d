from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.sources import clevr
from seethink.synth.draft import Draft, Dropped, FormalDescription
from seethink.synth.steps.distill import DistillStep, bold_answer, published, reworded
from seethink.synth.steps.scene import SceneStep, listed
from seethink.types import InputError
from tests.synth.steps.run_step import make_draft, run_step, text_of

THING = {
    "size": "large", "color": "red", "material": "rubber", "shape": "cube", "rotation": 12.345,
    "3d_coords": [1.0, -2.345, 0.7], "pixel_coords": [120, 33, 9.876],
}  # fmt: skip
SCENE = FormalDescription("scene", "- large red rubber cube")
REPLY = (
    "<think>The scene description lists three.</think>\n\nIn the scene description are 3.\n\n"
    "**The answer is: 3**"
)


def test_objects_have_rounded_coordinates_and_a_hashed_order() -> None:
    things = [{**THING, "rotation": float(i)} for i in range(6)]
    line = listed([THING], random.Random(0))
    assert (
        line == "- large red rubber cube, rotation 12.3, at (1.00, -2.35, 0.70) in space, (120, 33) in pixels"
    )
    orders = {listed(things, random.Random(i)) for i in range(8)}
    assert len(orders) == 8 and {len(order.splitlines()) for order in orders} == {6}


def test_a_scene_file_needs_no_request_and_an_image_does() -> None:
    from_file = make_draft()
    from_file = Draft(type(from_file.example)("c", "?", meta={"scene": [THING]}))
    after, calls = run_step(SceneStep(), from_file, lambda call: "")
    assert isinstance(after, Draft) and not calls and after.formal[0].text.startswith("- large red")
    odd = Draft(type(from_file.example)("c", "?", meta={"scene": [{"size": "large"}]}))
    after, calls = run_step(SceneStep(), odd, lambda call: "")
    assert isinstance(after, Dropped) and after.reason == "invalid" and not calls
    after, calls = run_step(SceneStep(), make_draft(), lambda call: "- small blue ball")
    assert isinstance(after, Draft) and after.formal == (FormalDescription("scene", "- small blue ball"),)
    assert [(call.step, call.role) for call in calls] == [("describe/scene", "vision")]


def test_a_correct_reply_is_reworded_to_mention_an_image() -> None:
    after, calls = run_step(DistillStep(), make_draft(formal=(SCENE,)), lambda call: REPLY)
    assert isinstance(after, Draft)
    assert after.thought == "The image lists three."
    assert after.final == "In the image are 3.\n\n**The answer is: 3**"
    assert calls[0].role == "text" and SCENE.text in text_of(calls[0])
    assert all(part["type"] == "text" for message in calls[0].messages for part in message["content"])


@pytest.mark.parametrize("reading", ["ours", "r1v"])
def test_a_wrong_reply_is_dropped_and_an_unreadable_one_retried(reading: str) -> None:
    step = DistillStep(reading=reading)
    after, calls = run_step(step, make_draft(answer="4", formal=(SCENE,)), lambda call: REPLY)
    assert isinstance(after, Dropped) and after.reason == "wrong answer" and len(calls) == 1
    after, calls = run_step(step, make_draft(formal=(SCENE,)), lambda call: "I count three of them, all red.")
    assert isinstance(after, Dropped) and after.reason == "no answer" and len(calls) == 1 + step.retries
    assert step.reminder in text_of(calls[1])
    after, _ = run_step(step, make_draft(), lambda call: REPLY)
    assert isinstance(after, Dropped) and after.reason == "invalid"


def thought(text: str) -> str:
    return f"<think>hm</think>\n{text}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So, **4**\nThus 5", "5"),  # (a), the last line first
        ("Therefore the answer is **Yes**", "yes"),
        ("The answer is ** 12 **.", "12"),
        ("Final answer is **7**", "7"),
        ("Hence 6 cubes.\n\n\n\n\n**The answer is:** 8", "8"),  # a conclusion four lines up is none: (b)
        ("**Answer**: no, as **3** of them", "no"),  # (b) before (c)
        ("**Answer:** There are 4 of them", "4"),
        ("**Final Count:** 9 spheres", "9"),
        ("**Total:** 2", "2"),
        ("It should be 5.", "5"),
        (
            "Of **11 red things**, **3 cubes** are left and **2** hide",
            "2",
        ),  # (c): bare, then things, then any
        ("Of **11 red things**, **3 cubes** are left", "3"),
        ("$\\boxed{6}$ or \\boxed{5}", "6"),  # (d)
        ("\\boxed{5}. There are 4 cubes", "5"),
        ("There are 4 cubes and there is 1 sphere", "4"),  # (e)
        ("**The answer is: four**", None),
    ],
)
def test_r1v_reads_answers_in_its_published_order(text: str, answer: str | None) -> None:
    assert published(thought(text)) == answer


def test_r1v_reads_intermediate_results_of_the_thought_and_ours_does_not() -> None:
    text = "<think>Answer: 2? No.</think>\nThree it is.\n\n\n\n**Final answer: 3 cubes**"
    assert published(text) == "2"
    assert published("So, **4**") is None, "without a thought nothing is read"
    assert bold_answer(text.partition("</think>")[2]) == "3 cubes"


@pytest.mark.parametrize(
    ("final", "answer"),
    [
        ("x\n**The answer is: 3**", "3"), ("**The answer is:** 3.", "3"),
        ("**Answer: the red ball**", "the red ball"), ("**Final answer:** yes", "yes"),
        ("There are 4 cubes", "4"), ("", None),
        ("Nobody can tell what this shows", None),
    ],
)  # fmt: skip
def test_ours_reads_the_bold_line_or_any_final_answer(final: str, answer: str | None) -> None:
    assert bold_answer(final) == answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A scene description. The scene descriptions.", "An image. The images."),
        ("Scene description: in a Scene Description", "Image: in an Image"),
        ("the description of the scene says", "the image says"),
        ("a scene with a description", "a scene with a description"),
    ],
)
def test_a_scene_description_becomes_an_image(text: str, expected: str) -> None:
    assert reworded(text) == expected


@given(st.text())
def test_any_text_is_read_and_rewording_is_idempotent(text: str) -> None:
    published(f"<think></think>{text}")
    bold_answer(text)
    assert reworded(reworded(text)) == reworded(text)


def write(folder: Path, name: str, **content: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_clevr_files_give_counting_questions_and_a_total_for_every_scene(tmp_path: Path) -> None:
    scenes = [{"image_filename": f"{i}.png", "objects": [THING] * (i + 1)} for i in range(2)]
    questions = [
        {"image_filename": "1.png", "question": "How many cubes?", "answer": 2},
        {"image_filename": "0.png", "question": "What color is it?", "answer": "red"},
        {"image_filename": "0.png", "question": "Is the number of cubes 1?", "answer": "yes"},
    ]
    paths = write(tmp_path, "s.json", scenes=scenes), write(tmp_path, "q.json", questions=questions)
    found = clevr.counting(*paths)
    assert [(e.question, e.answer) for e in found] == [
        ("How many cubes?", "2"), ("Is the number of cubes 1?", "yes"), (clevr.TOTAL, "1"),
        (clevr.TOTAL, "2"),
    ]  # fmt: skip
    assert [len(e.meta["scene"]) for e in found] == [2, 1, 1, 2] and len({e.id for e in found}) == 4


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        ([{"objects": []}], "scenes 1: has no image_filename"),
        ([{"image_filename": "0.png"}], "scene 1: has no list of objects"),
        (
            [{"image_filename": "0.png", "objects": [{**THING, "3d_coords": [1.0]}]}],
            "object 1 must have size",
        ),
        ([{"image_filename": "0.png", "objects": [{**THING, "rotation": True}]}], "object 1 must have size"),
        ({}, "has no list 'scenes'"),
    ],
)
def test_a_file_of_another_layout_is_named(tmp_path: Path, scenes: object, message: str) -> None:
    path = write(tmp_path, "s.json", scenes=scenes)
    with pytest.raises(InputError, match=r"s\.json") as error:
        clevr.counting(path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_questions_without_a_scene_and_broken_files_are_named(tmp_path: Path) -> None:
    scenes = write(tmp_path, "s.json", scenes=[])
    questions = write(tmp_path, "q.json", questions=[{"image_filename": "9.png", "question": "How many?"}])
    with pytest.raises(InputError, match=r"question 1: .* has no scene of 9.png"):
        clevr.counting(scenes, questions)
    with pytest.raises(InputError, match="cannot be read"):
        clevr.counting(tmp_path / "none.json")
    (tmp_path / "s.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        clevr.counting(scenes)
