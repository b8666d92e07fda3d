"""The world `charts`: questions about bar charts, line charts and tables of a few values."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import PIL.Image
import PIL.ImageDraw

from seethink.sources.drawn import page_style
from seethink.sources.drawn.shapes import listed
from seethink.sources.drawn.world import DrawnQuestion, Scene, SceneWorld, numbered, running_sum
from seethink.sources.fonts import font

SUBJECTS = {
    "Books read": ("Ann", "Ben", "Eva", "Ida", "Leo", "Max", "Tom", "Zoe"),
    "Cups sold": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "Fruit in stock": ("apple", "fig", "kiwi", "lime", "pear", "plum", "date"),
    "Rain in mm": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug"),
    "Goals scored": ("red", "blue", "pink", "gold", "grey", "lime"),
}
LARGE_PX = 270
"""Charts of at least this width have a larger font."""
TICKS = (1, 2, 5, 10, 20, 50)
FORMS, UNSEEN_FORMS = ("bars", "line", "table"), ("lying bars", "dots", "ruled table")


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    low, high = (280, 392) if shifted else (196, 252)
    title = rng.choice(list(SUBJECTS))
    subjects = SUBJECTS[title][: 4 if level == 1 else None]
    names = rng.sample(subjects, min(len(subjects), level + 2 + shifted))
    tick = 1 if level == 1 else rng.choice(TICKS[: level + 2])
    form = rng.choice(UNSEEN_FORMS if shifted else FORMS)
    fine = "table" in form
    values = [tick * rng.randint(1, 8) + (rng.randrange(tick) if fine else 0) for _ in names]
    top = 9 if level == 1 else tick * (max(values) // tick + 1)
    size = [196, 196] if level == 1 and not shifted else [rng.randint(low, high), rng.randint(low, high)]
    return {
        "size": size, "style": page_style.style(rng, shifted),
        "chart": form, "title": title, "tick": tick, "top": top, "names": names, "values": values,
    }  # fmt: skip


# Drawing ----------------------------------------------------------------------------------------------------


def draw(scene: Scene) -> list[PIL.Image.Image]:
    """The chart or table with its title."""
    picture, pen = page_style.blank(scene)
    width = scene["size"][0]
    ink, typeface = tuple(scene["style"]["inks"][0]), scene["style"]["font"]
    largest = 15 if width < LARGE_PX else 19
    heading = page_style.fitting(typeface, [scene["title"]], width - 16, largest)
    pen.text((width / 2, 6), scene["title"], ink, heading, anchor="ma")
    {
        "bars": _bars, "line": _line, "dots": _line, "lying bars": _lying_bars,
        "table": _table, "ruled table": _table,
    }[scene["chart"]](pen, scene, 16 + largest)  # fmt: skip
    return [picture]


def _below(width: int) -> int:
    """Height in pixels of the names below the axis."""
    return 24 if width < LARGE_PX else 31


def _small(scene: Scene, width_px: float) -> Any:
    return page_style.fitting(
        scene["style"]["font"], scene["names"], width_px, 12 if scene["size"][0] < LARGE_PX else 15
    )


def _frame(pen: PIL.ImageDraw.ImageDraw, scene: Scene, top_px: int) -> tuple[list[float], float, float]:
    """Draw axis, ticks and names. Returns (centres of the columns, y of the base line, pixels per unit)."""
    width, height = scene["size"]
    ink = tuple(scene["style"]["inks"][0])
    letters = font(scene["style"]["font"], 11 if width < LARGE_PX else 14)
    left, base = 10 + letters.getlength(str(scene["top"])), height - _below(width)
    unit = (base - top_px - 4) / scene["top"]
    for value in range(0, scene["top"] + 1, scene["tick"]):
        y = base - value * unit
        pen.line((left, y, width - 6, y), ink if value == 0 else page_style.faint(scene))
        pen.text((left - 4, y), str(value), ink, letters, anchor="rm")
    slot = (width - 8 - left) / len(scene["names"])
    centres = [left + slot * (i + 0.5) for i in range(len(scene["names"]))]
    names = _small(scene, slot - 4)
    for x, name in zip(centres, scene["names"], strict=True):
        pen.text((x, base + 4), name, ink, names, anchor="ma")
    return centres, base, unit


def _bars(pen: PIL.ImageDraw.ImageDraw, scene: Scene, top_px: int) -> None:
    centres, base, unit = _frame(pen, scene, top_px)
    half = 0.3 * (centres[1] - centres[0])
    for x, value in zip(centres, scene["values"], strict=True):
        pen.rectangle((x - half, base - value * unit, x + half, base), tuple(scene["style"]["inks"][1]))


def _line(pen: PIL.ImageDraw.ImageDraw, scene: Scene, top_px: int) -> None:
    centres, base, unit = _frame(pen, scene, top_px)
    points = [(x, base - value * unit) for x, value in zip(centres, scene["values"], strict=True)]
    ink, r = tuple(scene["style"]["inks"][1]), 4
    if scene["chart"] == "line":
        pen.line(points, ink, 2)
    for x, y in points:
        pen.ellipse((x - r, y - r, x + r, y + r), ink)


def _lying_bars(pen: PIL.ImageDraw.ImageDraw, scene: Scene, top_px: int) -> None:
    width, height = scene["size"]
    ink, fill = (tuple(ink) for ink in scene["style"]["inks"][:2])
    names, digits = _small(scene, 70), font(scene["style"]["font"], 13)
    left, base = 12 + max(names.getlength(name) for name in scene["names"]), height - _below(width)
    unit = (width - left - 20) / scene["top"]
    for value in range(0, scene["top"] + 1, scene["tick"]):
        x = left + value * unit
        pen.line((x, top_px, x, base), ink if value == 0 else page_style.faint(scene))
        pen.text((x, base + 4), str(value), ink, digits, anchor="ma")
    slot = (base - top_px) / len(scene["names"])
    for i, (name, value) in enumerate(zip(scene["names"], scene["values"], strict=True)):
        y = top_px + slot * (i + 0.5)
        pen.text((left - 4, y), name, ink, names, anchor="rm")
        pen.rectangle((left, y - 0.3 * slot, left + value * unit, y + 0.3 * slot), fill)


def _table(pen: PIL.ImageDraw.ImageDraw, scene: Scene, top_px: int) -> None:
    """Two columns; with rules in the shifted variant, else with every other row shaded."""
    width, height = scene["size"]
    ink = tuple(scene["style"]["inks"][0])
    paper = scene["style"]["paper"]
    row = min(30.0, (height - top_px - 8) / len(scene["names"]))
    letters = font(scene["style"]["font"], int(min(15, row - 5)))
    for i, (name, value) in enumerate(zip(scene["names"], scene["values"], strict=True)):
        box = (10, top_px + i * row, width - 10, top_px + (i + 1) * row)
        if scene["chart"] == "ruled table":
            pen.rectangle(box, outline=ink)
        elif i % 2:
            pen.rectangle(box, tuple((7 * p + f) // 8 for p, f in zip(paper, ink, strict=True)))
        middle = top_px + (i + 0.5) * row
        pen.text((18, middle), name, ink, letters, anchor="lm")
        pen.text((width - 18, middle), str(value), ink, letters, anchor="rm")


# Questions --------------------------------------------------------------------------------------------------


def value(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The value of one name."""
    i = rng.randrange(len(scene["names"]))
    name, answer = scene["names"][i], str(scene["values"][i])
    steps = (read(scene), _stated({name: scene["values"][i]}))
    return DrawnQuestion(f"What is the value of {name}?", answer, steps)


def extreme(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The name with the largest or smallest value."""
    word, of = rng.choice([("largest", max), ("smallest", min)])
    best = of(scene["values"])
    if scene["values"].count(best) > 1:
        return None
    answer = scene["names"][scene["values"].index(best)]
    steps = (read(scene), f"The {word} is {best}, of {answer}.")
    return DrawnQuestion(f"Which has the {word} value?", answer, steps)


def difference(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The difference of two values."""
    (i, j) = rng.sample(range(len(scene["names"])), 2)
    a, b = scene["values"][i], scene["values"][j]
    if a <= b:
        return None
    first, second = scene["names"][i], scene["names"][j]
    question = f"By how much is the value of {first} larger than the value of {second}?"
    steps = (read(scene), _stated({first: a, second: b}), f"{a} - {b} = {a - b}.")
    return DrawnQuestion(question, str(a - b), steps)


def total(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The sum of two or three values."""
    n = rng.randint(2, min(3, len(scene["names"])))
    chosen = sorted(rng.sample(range(len(scene["names"])), n))
    names, values = [scene["names"][i] for i in chosen], [scene["values"][i] for i in chosen]
    steps = (read(scene), _stated(dict(zip(names, values, strict=True))), running_sum(values))
    return DrawnQuestion(f"What is the sum of the values of {listed(names)}?", str(sum(values)), steps)


def _stated(values: Mapping[str, int]) -> str:
    """ "The value of Ann is 3. The value of Ben is 4." """
    return " ".join(f"The value of {name} is {value}." for name, value in values.items())


def above(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The number of values above a bound, which is a tick; neither none nor all exceed it."""
    bound = scene["tick"] * rng.randint(2, 7)
    chosen = [name for name, number in zip(scene["names"], scene["values"], strict=True) if number > bound]
    if not 0 < len(chosen) < len(scene["names"]) or bound in scene["values"]:
        return None
    steps = (read(scene), f"Above {bound}: {listed(chosen)}, so {len(chosen)}.")
    return DrawnQuestion(f"How many values are above {bound}?", str(len(chosen)), steps)


def rank(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """All names ordered by value."""
    if len(set(scene["values"])) < len(scene["values"]):
        return None
    order = sorted(zip(scene["values"], scene["names"], strict=True), reverse=True)
    answer = ", ".join(name for _, name in order)
    question = "Name all of them in order, from the largest value to the smallest."
    return DrawnQuestion(question, answer, (read(scene), f"In order: {answer}."))


def read(scene: Scene) -> str:
    """All names with their values, numbered."""
    pairs = zip(scene["names"], scene["values"], strict=True)
    return f"{numbered(f'{name} {value}' for name, value in pairs)}."


def caption(scene: Scene) -> str:
    forms = {"bars": "bar chart", "lying bars": "bar chart", "line": "line chart", "dots": "chart of dots"}
    return f"A {forms.get(scene['chart'], 'table')}, {scene['title']}: {read(scene)}"


CHARTS = SceneWorld(
    name="charts",
    about="Values, differences, sums, ranks and counts, read off bar charts, line charts and tables.",
    compose=compose,
    draw=draw,
    kinds={ask.__name__: ask for ask in (value, extreme, difference, total, above, rank)},
    caption=caption,
    verifier="same_answer",
    blind=0.4,
    easy=("value", "difference", "total"),
)
