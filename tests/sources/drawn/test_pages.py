"""Figures, charts, texts and screens: what is drawn is to scale, and answers follow anew from the scene."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from seethink.sources.drawn import by_name
from seethink.sources.drawn.screens import BUTTONS, CONTROLS, DEFECTS

VARIANTS = pytest.mark.parametrize("shifted", [False, True])


def items(world, shifted, n=200):
    return [(e, e.meta["formal"], e.meta["kind"]) for e in by_name(world, n, "test", shifted=shifted)]


# Geometry ---------------------------------------------------------------------------------------------------


def _sides(points):
    return [math.dist(p, q) for p, q in pairwise([*points, points[0]])]


def _area(points):
    return abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in pairwise([*points, points[0]]))) / 2


def _angle_at(points, i):
    (x, y), ends = points[i], (points[i - 1], points[(i + 1) % len(points)])
    a, b = (math.atan2(v - y, u - x) for u, v in ends)
    turn = abs(math.degrees(a - b)) % 360
    return min(turn, 360 - turn)


@VARIANTS
def test_figures_are_true_to_scale_and_measuring_them_gives_the_answer(shifted):
    for example, scene, kind in items("geometry", shifted):
        points, answer = scene["points"], float(example.answer)
        sides, written = _sides(points), scene.get("at_sides", ())
        scale = [side / int(w) for side, w in zip(sides, written, strict=False) if w.isdigit()]
        assert not scale or max(scale) / min(scale) < 1.25, (scene["at_sides"], sides)
        if kind == "measure":
            assert abs(_angle_at(points, 1) - answer) < 1
        elif kind == "angle":
            assert abs(_angle_at(points, scene["at_corners"].index("?")) - answer) < 1.5
        elif kind == "side":
            assert abs(sides[written.index("?")] / (sum(scale) / len(scale)) - answer) < 0.04 * answer + 0.1
        elif kind == "perimeter":
            assert answer == sum(map(int, written)) and len(written) == len(points)
        elif kind == "area":
            assert abs(_area(points) / scale[0] ** 2 - answer) < 0.04 * answer
        else:
            cell = sides[0] / scene["cells"][0]
            assert abs(_area(points) / cell**2 - answer) < 0.2


# Charts -----------------------------------------------------------------------------------------------------


@VARIANTS
def test_chart_answers_follow_from_the_values(shifted):
    for example, scene, kind in items("charts", shifted):
        values = dict(zip(scene["names"], scene["values"], strict=True))
        question, answer = example.question.rstrip("?."), example.answer
        named = [word for word in re.findall(r"\w+", question) if word in values]
        if kind == "value":
            assert answer == str(values[named[0]])
        elif kind == "difference":
            assert answer == str(values[named[0]] - values[named[1]]) and int(answer) > 0
        elif kind == "total":
            assert answer == str(sum(values[name] for name in named)) and len(named) >= 2
        elif kind == "above":
            assert answer == str(sum(value > int(question.split()[-1]) for value in values.values()))
        elif kind == "extreme":
            best = (max if "largest" in question else min)(values.values())
            assert [name for name in values if values[name] == best] == [answer]
        else:
            assert answer.split(", ") == sorted(values, key=lambda name: -values[name])


@VARIANTS
def test_bars_are_as_long_as_their_values(shifted):
    form = "lying bars" if shifted else "bars"
    checked = 0
    for example, scene, _ in items("charts", shifted):
        if scene["chart"] != form:
            continue
        picture, fill = example.media[0].load(), tuple(scene["style"]["inks"][1])
        width, height = picture.size
        pixel = picture.load()
        lines = (
            [[pixel[x, y] for x in range(width)] for y in range(height)]
            if shifted
            else [[pixel[x, y] for y in range(height)] for x in range(width)]
        )
        runs, before = [], 0
        for line in lines:
            now = line.count(fill)
            if now and not before:
                runs.append(now)
            before = now
        assert len(runs) == len(scene["values"])
        lengths = [run - 1.5 for run in runs]  # both ends are drawn, rounded to whole pixels
        unit = max(lengths) / max(scene["values"])
        assert all(abs(a - unit * v) <= 1.6 for a, v in zip(lengths, scene["values"], strict=True))
        checked += 1
    assert checked > 20


# Texts ------------------------------------------------------------------------------------------------------


@VARIANTS
def test_answers_about_a_text_follow_from_its_lines(shifted):
    for example, scene, kind in items("text", shifted):
        lines, question, answer = scene["lines"], example.question, example.answer
        left = dict(lines)
        right = {a: 60 * int(b[:2]) + int(b[3:]) for a, b in lines if scene["page"] == "departures"}
        if kind == "price":
            assert answer == left[re.fullmatch(r"What is the price of (\w+)\?", question)[1]]
        elif kind == "bill":
            n, a, b = re.fullmatch(
                r"What do (\d) portions of (\w+) and one of (\w+) cost together\?", question
            ).groups()
            assert answer == str(int(n) * int(left[a]) + int(left[b]))
        elif kind == "cheapest":
            best = (min if "cheapest" in question else max)(map(int, left.values()))
            assert [name for name in left if int(left[name]) == best] == [answer]
        elif kind == "departure":
            town = question.removeprefix("When is the departure to ").rstrip("?")
            assert [town, answer] in lines
        elif kind == "wait":
            first, second = re.findall(r"to (\w+) is that to (\w+)\?", question)[0]
            assert answer == str(right[second] - right[first]) and int(answer) > 0
        elif kind == "word":
            place = ["first", "second", "third", "fourth", "fifth", "sixth"].index(question.split()[-5])
            assert answer == lines[place][0].split()[0 if "the first word" in question else -1]
        else:
            text = " ".join(line for line, _ in lines)
            changes = re.findall(r"(has|finds|gives away) (\d+)", text)
            assert answer == str(sum(-int(n) if verb == "gives away" else int(n) for verb, n in changes))
            assert int(answer) >= 0 and lines[-1][0].startswith("How many")


# Screens ----------------------------------------------------------------------------------------------------


def _defect(scene):
    """The defect, found by looking at both screens alone."""
    before, after, tapped = scene["before"], scene["after"], scene["tapped"]
    texts = [e["text"] for e in before if "text" in e]
    if after == before:
        return "no response"
    if any(e not in after and e["role"] == "label" for e in before):
        labels = [e for e in after if e["role"] == "label"]
        if len(labels) < sum(e["role"] == "label" for e in before):
            return "missing element"
        return "overlapping elements" if {e["text"] for e in labels} <= set(texts) else "cut text"
    control = before[tapped]
    if control["role"] == "button":
        done = after[-1]["role"] == "message" and after[-1]["text"] == BUTTONS[control["text"]]
    else:
        done = after[tapped][CONTROLS[control["role"]]] != control[CONTROLS[control["role"]]]
    return "no defect" if done else "wrong result"


@VARIANTS
def test_the_defect_is_seen_in_the_two_screens(shifted):
    for example, scene, _ in items("screens", shifted):
        assert example.answer == _defect(scene)
        assert all(name in example.question for name in DEFECTS)
        before, after = (medium.load() for medium in example.media)
        assert (before.tobytes() == after.tobytes()) == (example.answer == "no response")


@VARIANTS
def test_elements_lie_on_the_screen_and_overlap_only_where_that_is_the_defect(shifted):
    for example, scene, _ in items("screens", shifted):
        width, height = scene["size"]
        for screen in (scene["before"], scene["after"]):
            for e in screen:
                x1, y1, x2, y2 = e["box"]
                assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            labels = sorted(e["box"][1::2] for e in screen if e["role"] == "label")
            crowded = any(below[0] < above[1] for above, below in pairwise(labels))
            assert crowded == (screen is scene["after"] and example.answer == "overlapping elements")
