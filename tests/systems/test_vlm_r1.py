"""VLM-R1: its five best-known defects, and what is done here instead. `test_rewards.py` has more cases of the
rewards as published; `test_recipes.py` runs the recipe."""

from __future__ import annotations

import json

import pytest

from seethink import systems, verify
from seethink.boxes import Box
from seethink.formats import THINK_ANSWER
from seethink.models.families import boxes_to_pixels
from seethink.run.comparison import Claim
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.systems.vlm_r1.box_rewards import CocoPrecision
from seethink.systems.vlm_r1.questions import drawn
from seethink.types import GREEDY, CoordinateFrame, Example, InputError, Response, Turn

CUP = {"bbox_2d": [10, 10, 50, 50], "label": "cup"}
DOG = {"bbox_2d": [60, 10, 90, 40], "label": "dog"}


def scored(name: str, gold: object, answer: object, **facts: int) -> float | None:
    """By a verifier of `verify` or one as published, `NAME@vlm_r1`. Values that are no text are written as
    JSON, in a fence where the reward as published needs one."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (gold, answer)]
    if "@" in name and not isinstance(answer, str):
        texts[1] = f"```json\n{texts[1]}\n```"
    example = Example("1", "?", answer=texts[0])
    response = THINK_ANSWER.parse(THINK_ANSWER.write("so", texts[1]))
    return systems.verifier(name)(example, Response(**{**vars(response), **facts})).value


@pytest.mark.parametrize(
    ("gold", "answer", "mended"),
    [
        ([CUP], [CUP, DOG], 0.5),  # a label that the gold lacks
        ([CUP], [CUP, CUP, CUP], 1 / 3),  # boxes after the right one
        ("None", "I cannot tell", 0.0),
    ],
)
def test_boxes_that_are_not_there_cost(gold: object, answer: object, mended: float) -> None:
    assert scored("boxes@vlm_r1", gold, answer) == 1.0
    assert scored("boxes", gold, answer) == pytest.approx(mended)


@pytest.mark.parametrize(
    ("name", "gold", "answer", "published"),
    [
        ("same_answer", "two red cups", "two red cubs", 11 / 12),
        ("same_answer", "gate 4b", "gate 5b", 6 / 7),
        ("yes_no", "no", "another", 1.0),
        ("same_choice", "C", "(D)", 0.0),
    ],
)
def test_wrong_words_earn_nothing(name: str, gold: str, answer: str, published: float) -> None:
    assert scored(f"{name}@vlm_r1", gold, answer) == pytest.approx(published)
    assert not scored(name, gold, answer)


@pytest.mark.parametrize("answer", ["(C)", "C a hat"])
def test_a_letter_before_a_bracket_or_a_blank_is_read(answer: str) -> None:
    assert scored("same_choice@vlm_r1", "C", answer) == 0.0
    example = Example("1", "?", answer="C", choices=("a cup", "a dog", "a hat"))
    response = THINK_ANSWER.parse(THINK_ANSWER.write("so", answer))
    assert verify.by_name("same_choice")(example, response).value == 1


def test_length_pays_right_answers_alone_and_is_clamped() -> None:
    lengths = (0, 500, 1_024, 2_048, 5_000)
    published = [scored("length_cosine@vlm_r1", "5", "4", n_tokens=max(1, n)) for n in lengths]
    assert published[3] == pytest.approx(published[0], abs=1e-4) and published[0] == pytest.approx(
        1, abs=1e-4
    )
    wrong, right = (
        [scored("length_cosine", "5", answer, n_tokens=max(1, n)) or 0.0 for n in lengths] for answer in "45"
    )
    assert max(wrong) <= 0.25 and min(right) >= 0.75
    assert right == sorted(right, reverse=True) and right[2] == right[3] == right[4]


@pytest.mark.parametrize(
    ("answer", "published", "mended"),
    [
        ("[10.0, 10, 50, 50]", 0.0, 1.0),
        ("[10, 10, 50, 50] or [60, 10, 90, 40]", 1.0, 0.0),
        ("[-2, 10, 50, 50]", 0.0, 40 / 52),
    ],
)
def test_a_box_is_any_four_numbers_and_one_box(answer: str, published: float, mended: float) -> None:
    assert scored("box_iou@vlm_r1", [CUP], answer) == pytest.approx(published)
    assert scored("box_iou", [CUP], answer) == pytest.approx(mended)


@pytest.mark.parametrize(
    ("units", "written"),
    [((1000, 1000), (50, 100, 250, 500)), ((1, 1), (0.05, 0.1, 0.25, 0.5)), ((100, 50), (5, 5, 25, 25))],
)
def test_boxes_of_every_family_are_compared_in_original_pixels(units, written) -> None:
    frame = CoordinateFrame("thousandths", (200, 100), units)
    x1, y1, x2, y2 = written
    (box,) = boxes_to_pixels([Box(x1, y1, x2, y2)], frame)
    example, response = Example("1", "?", answer=json.dumps([CUP])), Response("", answer="[]", boxes=(box,))
    assert verify.by_name("box_iou")(example, response).value == pytest.approx(1.0)


def test_the_box_that_the_published_reward_finds_is_compared_in_original_pixels() -> None:
    """The first one is no list of integers."""
    text = "<answer>[[1.0, 2, 3, 4], [10, 20, 30, 40]]</answer>"
    boxes = (Box(2, 4, 6, 8), Box(20, 40, 60, 80))
    example = Example("1", "?", answer="[20, 40, 60, 80]")
    score = systems.verifier("box_iou@vlm_r1")(example, Response(text, answer=text[8:-9], boxes=boxes))
    assert score.value == 1.0


def test_two_pictures_stay_in_their_places_and_are_learned_from(tmp_path) -> None:
    """The recipe's stage screens-grpo trains on such rows."""
    run = Run("vlm_r1", Scale("smoke"), tmp_path)
    task = drawn(run, 2, 2, 2)["screens"].task(verify.by_name("same_text"))
    assert all(len(example.media) == 2 for example in task.examples)
    (turn,) = THINK_ANSWER.prompt(task.examples[0])
    assert [part["type"] for part in turn["content"]][:3] == ["image", "image", "text"]
    media = task.examples[0].media
    compared = Example(
        "1", "Before <image> and after <image>?", media, "same", history=(Turn("system", "s"),)
    )
    _, turn = THINK_ANSWER.prompt(compared)
    assert [part["type"] for part in turn["content"]][:5] == ["text", "image", "text", "image", "text"]


@pytest.mark.parametrize("option", ["min_p=0.1", "max_prompt_lenght=512", "reward_weights=1"])
def test_an_option_that_would_be_ignored_is_refused(option: str, tmp_path) -> None:
    run = Run("vlm_r1", Scale("smoke"), tmp_path, overrides=[f"grpo.{option}"])
    with pytest.raises(InputError, match=f"field.* '{option.partition('=')[0]}'"):
        run.dry_run(systems.recipe("vlm_r1").recipe)


# The recipe -------------------------------------------------------------------------------------------------


def test_at_one_gpu_sft_and_grpo_end_at_the_step_whose_numbers_are_shown(tmp_path) -> None:
    sources: dict[str, list[str]] = {}

    class Watched(Run):
        def compare(self, name, results, *published):
            sources[self.scale] = [one.source for one in published if isinstance(one, Claim)]
            super().compare(name, results, *published)

    for scale, steps in (("one_gpu", 100), ("full", 600)):
        stages = Watched("vlm_r1", Scale(scale), tmp_path).dry_run(systems.recipe("vlm_r1").recipe)
        ends = {stages[arm].config.max_steps for arm in ("sft", "grpo", "grpo-lora")}
        assert ends == {steps}
        assert [f"step {steps}" in source for source in sources[scale]] == [True, True, False]


def test_screens_are_tested_at_full_too(tmp_path) -> None:
    """On drawn ones: no test of them was published."""
    stages = Run("vlm_r1", Scale("full"), tmp_path).dry_run(systems.recipe("vlm_r1").recipe)
    for arm in ("base", "grpo"):
        (tested,) = stages[f"eval/screens-{arm}"].inputs["tasks"]
        assert tested["name"] == "screens"
    assert stages["eval/screens-grpo"].inputs["model"].key == stages["screens-grpo"].artefact_key


def test_ap_as_published_is_learned_from_boxes_in_pixels_and_pays_redundant_ones() -> None:
    """With or without a fence; that is what odLength ends."""
    example = Example("1", "?", answer=json.dumps([CUP]))
    plain, by_length = CocoPrecision(parsed=True), CocoPrecision(parsed=True, by_length=True)
    for boxes, paid in (([CUP], (1, 1)), ([CUP, DOG, DOG, DOG], (1, 1 / 4)), ([DOG], (0, 0)), ([], (0, 0))):
        response = THINK_ANSWER.parse(THINK_ANSWER.write("so", json.dumps(boxes)))
        assert [r(example, response).value for r in (plain, by_length)] == pytest.approx(list(paid))
    assert plain(example, THINK_ANSWER.parse("no tag")).value == 0.0


@pytest.mark.parametrize(
    ("boxes", "share"), [([CUP], 1.0), ([CUP] * 4, 0.25), ([], 1.0), ([DOG, DOG], 0.5), ("a cup", None)]
)
def test_redundant_boxes_are_measured_in_detection_beside_its_precision(
    boxes: object, share: float, tmp_path
) -> None:
    (task,) = drawn(Run("vlm_r1", Scale("smoke"), tmp_path), 2, 2, 2)["detection"].asked()
    text = boxes if isinstance(boxes, str) else json.dumps(boxes)
    response = THINK_ANSWER.parse(THINK_ANSWER.write("so", text))
    score = task.verifier(Example("1", "?", answer=json.dumps([CUP])), response)
    assert [*score.parts] == ["correct", "format", "f1", "not_redundant"]
    assert score.parts["not_redundant"].value == share
    assert score.value == score.parts["correct"].value


def test_the_shifted_test_has_kinds_that_are_not_practised_and_no_question_twice(tmp_path) -> None:
    part = drawn(Run("vlm_r1", Scale("smoke"), tmp_path), 20, 2, 20)["expressions"]
    kinds = {name: {e.meta["kind"] for e in rows} for name, rows in {"": part.practice, **part.tests}.items()}
    assert kinds == {"": {"attribute"}, "attributes": {"attribute"}, "relations": {"relation", "nearest"}}
    ids = [e.id for rows in (part.practice, *part.tests.values()) for e in rows]
    assert len(ids) == len({*ids})
    watched = part.watched(3, THINK_ANSWER, GREEDY)
    assert [len(task.examples) for task in (watched.task, *watched.others)] == [3, 3]
    assert [task.name for task in (watched.task, *watched.others)] == ["attributes", "relations"]
