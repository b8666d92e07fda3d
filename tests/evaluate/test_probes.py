"""Robustness probes: reference boxes and options follow the change, and nothing else changes."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seethink.boxes import read_boxes, read_points
from seethink.evaluate.probes import PROBES, applicable, probed, same_answers
from seethink.formats import by_name
from seethink.media import DrawnVideo, Frames, Image
from seethink.report.robustness import probe_sentence
from seethink.types import Example, InputError, Response, Task
from seethink.verify import same_choice, same_number

FORM = by_name("think_answer")


def picture(width: int, height: int, box: tuple[int, int, int, int]) -> Image:
    def draw() -> PIL.Image.Image:
        page = PIL.Image.new("RGB", (width, height), "white")
        x1, y1, x2, y2 = box
        PIL.ImageDraw.Draw(page).rectangle((x1, y1, x2 - 1, y2 - 1), "black")
        return page

    return Image.drawn(f"{width}x{height} {box}", draw)


def task_of(*examples: Example, verifier=same_number) -> Task:
    return Task("t", examples, FORM, verifier)


def found_box(medium: Image) -> tuple[int, int, int, int]:
    """Where the picture is dark."""
    dark = np.asarray(medium.load().convert("L")) < 128
    ys, xs = np.nonzero(dark)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@st.composite
def pages(draw):
    width, height = draw(st.integers(40, 300)), draw(st.integers(40, 300))
    x1, y1 = draw(st.integers(0, width - 12)), draw(st.integers(0, height - 12))
    x2, y2 = draw(st.integers(x1 + 10, width)), draw(st.integers(y1 + 10, height))
    return width, height, (x1, y1, x2, y2)


@settings(max_examples=40, deadline=None)
@given(
    page=pages(),
    spelling=st.sampled_from(["named", "list", "lists"]),
    name=st.sampled_from(["resize", "crop"]),
)
def test_the_reference_box_is_where_its_object_is_after_the_change(page, spelling, name):
    width, height, box = page
    spelled = {"named": [{"bbox_2d": list(box), "label": "it"}], "list": list(box), "lists": [list(box)]}
    example = Example("1", "Where?", (picture(width, height, box),), json.dumps(spelled[spelling]))
    if PROBES[name](example, True) is None:
        margins = (box[0], box[1], width - box[2], height - box[3])
        limits = (0.04 * width, 0.04 * height) * 2
        assert name == "crop" and all(min(*both) < 1.01 for both in zip(margins, limits, strict=True))
        return
    (changed,) = probed(task_of(example), name).examples
    (moved,) = read_boxes(changed.answer)
    assert moved.corners == pytest.approx(found_box(changed.media[0]), abs=1.01)
    assert moved.label == ("it" if spelling == "named" else "")
    w, h = changed.media[0].size()
    assert moved.x1 >= 0 and moved.y1 >= 0 and moved.x2 <= w + 0.01 and moved.y2 <= h + 0.01
    assert (w, h) != (width, height) and changed.id == "1"


def test_points_and_boxes_in_the_question_and_the_steps_move_too():
    step = 'I see {"bbox_2d": [40, 20, 80, 60]}.'
    example = Example(
        "1", 'What is at {"point_2d": [40, 20]}?', (picture(100, 100, (40, 20, 80, 60)),),
        '[{"point_2d": [40, 20]}]', steps=(step,),
    )  # fmt: skip
    (resized,) = probed(task_of(example), "resize").examples
    assert read_points(resized.answer) == ((30.0, 15.0),)
    assert resized.question == 'What is at {"point_2d": [30, 15]}?'
    assert resized.steps == ('I see {"bbox_2d": [30, 15, 60, 45]}.',)
    (cropped,) = probed(task_of(example), "crop").examples
    assert read_points(cropped.answer) == ((36.0, 16.0),)


def test_numbers_that_are_no_places_stay():
    """An interval is no point: other answers of the task tell."""
    examples = [
        Example(str(i), "In which interval?", (picture(100, 100, (40, 20, 80, 60)),), answer)
        for i, answer in enumerate(("[1, 3]", "x = 2", "12"))
    ]
    for name in ("resize", "crop", "jpeg", "blank"):
        changed = probed(task_of(*examples), name).examples
        assert [one.answer for one in changed] == ["[1, 3]", "x = 2", "12"]
        assert [one.id for one in changed] == ["0", "1", "2"]


def test_pictures_are_changed_as_told():
    page = picture(100, 60, (40, 20, 80, 50))
    example = Example("1", "How many?", (page,), "1")
    changed = {
        name: probed(task_of(example), name).examples[0].media[0] for name in PROBES if name != "options"
    }
    assert len({medium.key for medium in (page, *changed.values())}) == 5, "each is another picture"
    assert changed["resize"].size() == (75, 45)
    assert changed["crop"].size() == (92, 56)
    assert changed["jpeg"].size() == changed["blank"].size() == (100, 60)
    assert changed["blank"].load().getcolors() == [(6_000, (127, 127, 127))]
    jpeg, plain = (np.asarray(one.load(), dtype=int) for one in (changed["jpeg"], page))
    assert 0 < np.abs(jpeg - plain).mean() < 10


def test_every_frame_of_a_clip_is_changed():
    pages = tuple(PIL.Image.new("RGB", (40, 20), "red") for _ in range(3))
    clip = DrawnVideo("clip", lambda: Frames(pages, (0.0, 1.0, 2.0), 3.0))
    (changed,) = probed(task_of(Example("1", "How many?", (clip,), "1")), "blank").examples
    frames = changed.media[0].load()
    assert frames.times_s == (0.0, 1.0, 2.0)
    assert {frame.getpixel((0, 0)) for frame in frames.pictures} == {(127,) * 3}


# Options ---------------------------------------------------------------------------------------------------

WORDS = st.lists(
    st.sampled_from(["cat", "dog", "cow", "hen", "pig", "ape", "fox", "owl"]),
    min_size=2,
    max_size=6,
    unique=True,
)


@given(words=WORDS, data=st.data(), style=st.sampled_from(["{}. {}", "({}) {}", "{}) {}"]), id=st.integers())
def test_options_change_places_and_the_reference_follows(words, data, style, id):
    gold = data.draw(st.integers(0, len(words) - 1))
    block = "\n".join(style.format(chr(65 + i), word) for i, word in enumerate(words))
    by_text = data.draw(st.booleans())
    answer = words[gold] if by_text else chr(65 + gold)
    example = Example(str(id), f"Which one?\n{block}", (), answer, tuple(words))
    (changed,) = probed(task_of(example, verifier=same_choice), "options").examples
    assert sorted(changed.choices) == sorted(words) and changed.choices != example.choices
    for i, word in enumerate(changed.choices):
        assert style.format(chr(65 + i), word) in changed.question.splitlines()
    place = changed.choices.index(words[gold])
    assert changed.answer == (words[gold] if by_text else chr(65 + place))
    assert place != gold, "the letter of the right answer is another"
    for i in range(len(words)):
        value = same_choice(changed, Response("", answer=chr(65 + i))).value
        assert value == (i == place)


@pytest.mark.parametrize(
    ("question", "choices", "answer"),
    [
        ("Which?", ("cat", "dog"), "A"),  # the options do not stand in the question
        ("Which?\nA. cat\nB. all of the above", ("cat", "all of the above"), "A"),
        ("Which?\nA. cat\nB. both A and C", ("cat", "both A and C"), "A"),
        ("Which?\nA. cat\nB. dog", ("cat", "dog"), "a cow"),
        ("How many?", (), "3"),
    ],
)
def test_questions_whose_options_cannot_change_places_are_left_out(question, choices, answer):
    task = task_of(Example("1", question, (), answer, choices), verifier=same_choice)
    assert applicable(task) == []
    with pytest.raises(InputError, match="the probe options changes no question of t"):
        probed(task, "options")


def test_probes_that_apply_are_known_and_unknown_ones_named():
    page = (picture(40, 40, (10, 10, 20, 20)),)
    assert applicable(task_of(Example("1", "How many?", page, "1"))) == ["resize", "crop", "jpeg", "blank"]
    with pytest.raises(InputError, match="unknown probe 'turn'; the probes are resize, crop"):
        probed(task_of(Example("1", "How many?", page, "1")), "turn")
    with pytest.raises(InputError, match="the probe blank changes no question of t: it has no pictures"):
        probed(task_of(Example("1", "How many?", (), "1")), "blank")


def test_two_answers_are_the_same_if_they_choose_the_same_option():
    block = "Which?\nA. cat\nB. dog"
    plain = task_of(
        *(Example(str(i), block, (), "A", ("cat", "dog")) for i in range(4)), verifier=same_choice
    )
    other = probed(plain, "options")
    said = {"0": "A", "1": "A", "2": None, "3": "cat"}, {"0": "B", "1": "A", "2": None, "3": "(B)"}
    assert same_answers([(plain, said[0]), (other, said[1])]) == 0.5, (
        "0 and 3; what was not read is not the same"
    )


@pytest.mark.parametrize(
    ("plain", "probed", "p", "said"),
    [
        (0.73, 0.71, 0.4, "the questions do not need the picture, or it is not looked at"),
        (0.73, 0.50, 0.2, "too few questions to tell whether it looks"),
        (0.80, 0.50, 0.001, "it looks, but most of what it gets right needs no picture"),
        (0.80, 0.20, 0.001, "it looks at the picture"),
    ],
)
def test_the_sentence_about_blank_pictures(plain, probed, p, said):
    test = {"plain": plain, "probed": probed, "n": 200, "p_holm": p, "graded": False, "same_answers": 0.5}
    text = probe_sentence("blank", test).replace("\xa0", " ").replace("\u202f", " ")
    assert text.startswith(f"blank: {100 * probed:.1f} % right, {100 * plain:.1f} % as they are (n = 200, p ")
    assert text.endswith(said)
