"""Worlds of coloured shapes: boxes enclose what is drawn, and answers follow anew from question and scene."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from PIL import ImageChops

from seethink.boxes import read_boxes
from seethink.sources.drawn import by_name, shapes
from seethink.sources.drawn.grounding import FROM, ORDINALS, RELATIONS, SIDES
from seethink.sources.drawn.shapes import centre, name, plural

WORLDS = [(world, shifted) for world in ("counting", "grounding", "detection") for shifted in (False, True)]


def items(world, shifted, n=200):
    return by_name(world, n, "test", shifted=shifted)


@pytest.mark.parametrize(("world", "shifted"), WORLDS)
def test_boxes_lie_in_the_picture_and_enclose_exactly_what_is_drawn(world, shifted):
    """An object's box is where the picture changes when the object is left out."""
    for example in items(world, shifted, 30):
        scene = example.meta["formal"]
        (whole,) = shapes.draw(scene)
        width, height = scene["size"]
        for i, thing in enumerate(scene["things"]):
            x1, y1, x2, y2 = thing["box"]
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            (without,) = shapes.draw({**scene, "things": scene["things"][:i] + scene["things"][i + 1 :]})
            changed = ImageChops.difference(whole, without).getbbox()
            assert changed and max(abs(a - b) for a, b in zip(changed, thing["box"], strict=True)) <= 1, thing


def _fits(words, scene):
    """The objects that a noun phrase names: "small red circle", "yellow objects"."""
    parts = words.removesuffix(" object").split()
    return [
        t for t in scene["things"] if all(p in (t["size"], t["colour"], t["shape"], "object") for p in parts)
    ]


def _meant(words, scene):
    """The one object that an expression means."""
    words = words.removeprefix("the ")
    for relation, (axis, sign) in RELATIONS.items():
        if f" {relation} the " in words:
            group, anchor = words.split(f" {relation} the ")
            (other,) = _fits(anchor, scene)
            there = [t for t in _fits(group, scene) if t is not other]
            return [t for t in there if sign * (centre(t)[axis] - centre(other)[axis]) > 0]
    if " nearest to the " in words:
        group, anchor = words.split(" nearest to the ")
        (other,) = _fits(anchor, scene)
        near = [t for t in _fits(group, scene) if t is not other]
        return sorted(
            near, key=lambda t: sum((a - b) ** 2 for a, b in zip(centre(t), centre(other), strict=True))
        )[:1]
    first, _, rest = words.partition(" ")
    if first in SIDES:
        axis, sign = SIDES[first]
        return sorted(_fits(rest, scene), key=lambda t: sign * centre(t)[axis])[:1]
    for end, (axis, sign) in FROM.items():
        if words.endswith(end):
            row = sorted(_fits(rest.removesuffix(f" {end}"), scene), key=lambda t: sign * centre(t)[axis])
            return [row[ORDINALS.index(first)]]
    return _fits(words, scene)


@pytest.mark.parametrize("shifted", [False, True])
def test_an_expression_means_one_object_and_the_answer_is_its_box(shifted):
    for example in items("grounding", shifted):
        words = re.fullmatch(r"Where is (.+)\? Give its box\.", example.question)[1]
        (thing,) = _meant(words, example.meta["formal"])
        (box,) = read_boxes(example.answer)
        assert list(box.corners) == thing["box"], example.question
        assert example.steps[-1] == f"So it is the {shapes.located_name(thing, example.meta['formal'])}."


@pytest.mark.parametrize("shifted", [False, True])
def test_a_detection_is_every_object_of_the_kinds_asked_for_and_no_other(shifted):
    nothing = 0
    for example in items("detection", shifted):
        labels = re.match(r"Find every (.+)\. Give", example.question)[1].split(" and every ")
        scene = example.meta["formal"]
        gold = {(tuple(t["box"]), label) for label in labels for t in _fits(label, scene)}
        boxes = read_boxes(example.answer)
        assert boxes is not None and {(box.corners, box.label) for box in boxes} == gold
        assert len(boxes) == len(gold) and (example.answer == "None") == (not gold)
        nothing += not gold
    assert 20 <= nothing <= 60, "about a fifth of the questions"


@pytest.mark.parametrize("shifted", [False, True])
def test_a_count_is_the_number_of_objects_that_fit(shifted):
    for example in items("counting", shifted):
        words = example.question.removeprefix("How many ").removesuffix(" are there?").split()
        things = example.meta["formal"]["things"]
        for thing in things:
            assert thing["shape"] != "object"
        fits = [t for t in things if all(w in (t["colour"], plural(t["shape"]), "objects") for w in words)]
        assert example.answer == str(len(fits)), example.question


# Space ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shifted", [False, True])
def test_spatial_answers_follow_from_where_the_objects_are(shifted):
    for example in items("spatial", shifted):
        things = {name(thing): thing for thing in example.meta["formal"]["things"]}
        assert len(things) == len(example.meta["formal"]["things"]), "no name is used twice"
        named = re.findall("|".join(sorted(things, key=len, reverse=True)), example.question)
        if example.meta["kind"] == "relation":
            (x, y), (u, v) = (centre(things[n]) for n in named)
            across = abs(x - u) > abs(y - v)
            assert example.answer == (("left", "right")[x > u] if across else ("above", "below")[y > v])
        elif example.meta["kind"] == "nearest":
            x, y = centre(things[named[0]])
            rest = [n for n in things if n != named[0]]
            assert example.answer == min(
                rest, key=lambda n: (centre(things[n])[0] - x) ** 2 + (centre(things[n])[1] - y) ** 2
            )
        elif example.meta["kind"] == "front":
            assert example.answer == max(named, key=list(things).index)
        else:
            assert example.answer == ", ".join(things) and sorted(named) == sorted(things)


@pytest.mark.parametrize("shifted", [False, True])
def test_depth_order_is_visible_in_the_pixels(shifted):
    """Swapping two objects in depth order changes many pixels of the picture."""
    examples = [e for e in items("spatial", shifted) if e.meta["kind"] in ("front", "order")]
    for example in examples[:60]:
        scene = example.meta["formal"]
        things = scene["things"]
        (whole,) = shapes.draw(scene)
        for i, j in combinations(range(len(things)), 2):
            both = name(things[i]) in example.question and name(things[j]) in example.question
            if not both or (example.meta["kind"] == "order" and j != i + 1):
                continue
            swapped = list(things)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            (other,) = shapes.draw({**scene, "things": swapped})
            changed = ImageChops.difference(whole, other).convert("L").point(lambda v: 255 if v else 0)
            assert changed.histogram()[255] >= 60, example.question


@pytest.mark.parametrize("world", ["counting", "grounding", "detection", "spatial"])
def test_at_level_1_every_object_is_alone_in_its_ninth(world):
    for example in by_name(world, 60, "test", level=1):
        scene = example.meta["formal"]
        assert scene["size"] == [168, 168], "a ninth is 2 x 2 squares of the tiny model"
        places = [shapes.place(thing, scene) for thing in scene["things"]]
        assert len({*places}) == len(places) > 1


@pytest.mark.parametrize("level", [1, 4])
def test_a_look_around_names_every_ninth_and_every_object_once(level):
    for example in by_name("counting", 40, "test", level=level):
        scene = example.meta["formal"]
        said = " ".join(shapes.look_around(scene))
        for place in (place for row in shapes.PLACES for place in row):
            (held,) = re.findall(rf"(?<![a-z] ){place}: ([^.]+)\.", said)
            here = [shapes.full_name(t) for t in scene["things"] if shapes.place(t, scene) == place]
            assert held.split("; ") == (here or ["none"])


@pytest.mark.parametrize("world", ["counting", "detection", "grounding"])
def test_every_object_has_a_verdict_and_the_running_count(world):
    for example in items(world, False, 60):
        title, *rows = example.steps
        if not title.startswith("Each "):
            continue
        found = re.findall(r"(small|large) (\w+) (\w+) (yes|no) (\d)", " ".join(rows))
        things, count = example.meta["formal"]["things"], 0
        assert [tuple(words) for *words, _, _ in found] == [
            (t["size"], t["colour"], t["shape"]) for t in things
        ]
        asked = [{*one.split()} - {"object"} for one in title[len("Each ") : -1].split(" and each ")]
        for *words, verdict, said in found:
            fits = any(one <= {*words} for one in asked)
            count += fits
            assert (verdict, int(said)) == ("yes" if fits else "no", count)
        if world == "counting":
            assert example.answer == str(count) and rows[-1] == f"So {count}."


@pytest.mark.parametrize("name", ["counting", "grounding", "detection", "spatial"])
def test_at_level_1_objects_stand_near_the_middle_of_their_ninths(name: str) -> None:
    for example in by_name(name, 100, level=1):
        scene = example.meta["formal"]
        for thing in scene["things"]:
            for at, side in zip(centre(thing), scene["size"], strict=True):
                assert abs(at % (side / 3) - side / 6) <= 3
