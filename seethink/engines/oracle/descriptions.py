"""Formal descriptions of pictures of drawn worlds, one function for each kind that chains request."""

from __future__ import annotations

import csv
import html
import io
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seethink.boxes import write_boxes
from seethink.engines.oracle.truth import Truth, labelled_box

LabelledBox = tuple[str, list[int]]
"""A label or a text, and its box in pixels."""


def suitable_kind(truth: Truth) -> str:
    """The kind of description that suits the picture."""
    scene = truth.scene
    if "chart" in scene:
        return "table" if "table" in scene["chart"] else "chart"
    if "frames" in scene:
        return "caption"
    kinds = {"before": "ui", "figure": "geometry", "lines": "ocr", "digits": "ocr", "things": "boxes"}
    return next(kind for name, kind in kinds.items() if name in scene)


def describe(truth: Truth, kind: str, rng: random.Random) -> str:
    """A description of one of `KINDS`."""
    return KINDS[kind](truth, rng)


# Content of pictures ----------------------------------------------------------------------------------------


def _objects(scene: Mapping[str, Any]) -> list[LabelledBox]:
    """The objects in a picture, or in a clip's first frame that shows them; a chart or a figure is one
    object."""
    if "frames" in scene:
        side = round(0.17 * min(scene["size"]))
        corners = [thing["path"][thing["shown"].index(1)] for thing in scene["things"]]
        return [
            (_name(thing), [x, y, x + side, y + side])
            for thing, (x, y) in zip(scene["things"], corners, strict=True)
        ]
    if things := scene.get("things"):
        return [(_name(thing), thing["box"]) for thing in things]
    if "before" in scene:
        return [(f"{e['role']} {_shown(e)}".strip(), e["box"]) for e in scene["before"]]
    if "lines" in scene or "digits" in scene:
        return _texts(scene)
    name = scene["figure"] if "figure" in scene else f"{scene['title']} ({scene['chart']})"
    return [(name, _whole(scene))]


def _texts(scene: Mapping[str, Any]) -> list[LabelledBox]:
    """The texts in a picture. Where the scene has no box for a text, it is the whole picture."""
    if "digits" in scene:
        return [(digit["text"], digit["box"]) for digit in scene["digits"]]
    if "before" in scene:
        elements = [e for name in ("before", "after") for e in scene[name] if "text" in e or "number" in e]
        texts = dict.fromkeys((_shown(e), tuple(e["box"])) for e in elements)
        return sorted(((text, [*box]) for text, box in texts), key=lambda item: (item[1][1], item[1]))
    if "lines" in scene:
        return [(" ".join(line).strip(), _line_box(scene, i)) for i, line in enumerate(scene["lines"])]
    values = map(str, scene.get("values", ())) if "table" in scene.get("chart", "") else ()
    written = [scene.get("title"), *scene.get("names", ()), *values]
    written += [text for name in ("at_sides", "at_corners") for text in scene.get(name, ())]
    return [(text, _whole(scene)) for text in written if text]


def _line_box(scene: Mapping[str, Any], i: int) -> list[int]:
    """The box of the i-th line below the title."""
    width, height = scene["size"]
    margin = 14 + height * abs(scene["tilt"]) / 100
    row = (height - 2 * margin) / (len(scene["lines"]) + 1)
    top = margin + row * (i + 1)
    return [round(margin), round(top), round(width - margin), round(top + row)]


def _whole(scene: Mapping[str, Any]) -> list[int]:
    return [0, 0, *scene["size"]]


def _name(thing: Mapping[str, Any]) -> str:
    return f"{thing['colour']} {thing['shape']}"


def _shown(element: Mapping[str, Any]) -> str:
    return str(element.get("text", element.get("number", "on" if element.get("on") else "off")))


def _rows(scene: Mapping[str, Any]) -> list[Sequence[Any]]:
    """The picture as a table, header first."""
    if "chart" in scene:
        return [("name", "value"), *zip(scene["names"], scene["values"], strict=True)]
    if "lines" in scene:
        return [("left", "right"), *scene["lines"]]
    return [("label", "x1", "y1", "x2", "y2"), *((label, *box) for label, box in _objects(scene))]


# Kinds ------------------------------------------------------------------------------------------------------


def _caption(truth: Truth, rng: random.Random) -> str:
    width, height = truth.scene["size"]
    return truth.caption + rng.choice(("", f" It is {width} pixels wide and {height} high."))


def _boxes(truth: Truth, rng: random.Random) -> str:
    return write_boxes(labelled_box(box, label) for label, box in _objects(truth.scene))


def _ocr(truth: Truth, rng: random.Random) -> str:
    return "\n".join(f"{text} @ {box}" for text, box in _texts(truth.scene)) or "(no text)"


def _table(truth: Truth, rng: random.Random) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(_rows(truth.scene))
    return file.getvalue().strip()


def _chart(truth: Truth, rng: random.Random) -> str:
    scene, (head, *rows) = truth.scene, _rows(truth.scene)
    if "chart" not in scene or "table" in scene["chart"]:
        drawn = f"plt.axis('off')\nplt.table(cellText={[[*map(str, r)] for r in rows]}, colLabels={[*head]})"
    else:
        mark = {"bars": "bar", "lying bars": "barh", "line": "plot"}.get(scene["chart"], "scatter")
        drawn = f"plt.{mark}({scene['names']}, {scene['values']})"
    title = f"plt.title({scene['title']!r})\n" if "title" in scene else ""
    return f"import matplotlib.pyplot as plt\n\n{drawn}\n{title}plt.show()"


def _circuit(truth: Truth, rng: random.Random) -> str:
    return f"* {truth.caption}\n* no component is drawn\n.end"


def _flow(truth: Truth, rng: random.Random) -> str:
    nodes = (label.replace('"', "'") for label, _ in _objects(truth.scene))
    return "\n".join(["graph TD", *(f'    n{i}["{label}"]' for i, label in enumerate(nodes))])


def _ui(truth: Truth, rng: random.Random) -> str:
    scene = truth.scene
    if "before" not in scene:
        items = (f'<p style="left:{b[0]}px;top:{b[1]}px">{html.escape(t)}</p>' for t, b in _objects(scene))
        return "\n".join(["<main>", *items, "</main>"])
    screens = (
        [f'<section id="{name}">', *map(_element, scene[name]), "</section>"] for name in ("before", "after")
    )
    return "\n".join(line for screen in screens for line in screen)


def _element(element: Mapping[str, Any]) -> str:
    box = "{},{},{},{}".format(*element["box"])
    role, shown = element["role"], html.escape(_shown(element))
    if role in ("switch", "box"):
        kind = ' role="switch"' if role == "switch" else ""
        return f'<input type="checkbox"{kind} data-box="{box}"{" checked" if element["on"] else ""}>'
    if role == "stepper":
        return f'<input type="number" data-box="{box}" value="{shown}">'
    tag = {"title": "h1", "label": "label", "button": "button"}.get(role, "output")
    return f'<{tag} data-box="{box}">{shown}</{tag}>'


def _score(truth: Truth, rng: random.Random) -> str:
    return f"% {truth.caption}\n% no note is written\n{{ }}"


def _geometry(truth: Truth, rng: random.Random) -> str:
    """The givens of a figure, without anything that follows from them."""
    scene = truth.scene
    if "figure" not in scene:
        return f"Given: {truth.caption}"
    corners = ", ".join(f"({x:g}, {y:g})" for x, y in scene["points"])
    given = [f"Given: {truth.caption}", f"Corners in pixels, in order: {corners}."]
    n = len(scene["points"])
    written = [(f"side {i + 1}-{(i + 1) % n + 1}", text) for i, text in enumerate(scene.get("at_sides", ()))]
    written += [(f"corner {i + 1}", text) for i, text in enumerate(scene.get("at_corners", ()))]
    given += [f"At {where} stands {text}." for where, text in written if text]
    if "right_angle" in scene:
        given.append(f"The angle at corner {scene['right_angle'] + 1} is marked as a right angle.")
    if "cells" in scene:
        (w, h), (a, b) = scene["cells"], scene["cut"]
        given.append(f"It is {w} squares wide and {h} high; at one corner {a} by {b} squares are missing.")
    return "\n".join(given)


def _scene(truth: Truth, rng: random.Random) -> str:
    """One object a line, in random order, as in R1-V's descriptions of CLEVR scenes."""
    things = truth.scene.get("things", ())
    sizes = [f"size {thing['size']}, " if "size" in thing else "" for thing in things]
    objects = _objects(truth.scene)
    lines = [
        f"{size}{label}, pixel coordinates ({(x1 + x2) / 2:g}, {(y1 + y2) / 2:g})"
        for size, (label, (x1, y1, x2, y2)) in zip(sizes or [""] * len(objects), objects, strict=True)
    ]
    return "\n".join(rng.sample(lines, len(lines)))


KINDS: dict[str, Callable[[Truth, random.Random], str]] = {
    "caption": _caption, "boxes": _boxes, "ocr": _ocr, "table": _table, "chart": _chart, "circuit": _circuit,
    "flow": _flow, "ui": _ui, "score": _score, "geometry": _geometry, "scene": _scene,
}  # fmt: skip
