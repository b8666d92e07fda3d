"""The world `text`: price lists, timetables, notices and word problems rendered in the picture."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import PIL.Image

from seethink.sources.drawn import page_style
from seethink.sources.drawn.world import DrawnQuestion, Scene, SceneWorld, running_sum
from seethink.sources.fonts import font
from seethink.types import Example

GOODS = ("tea", "soup", "bread", "salad", "juice", "cake", "rice", "eggs", "milk", "honey", "beans", "nuts")
TOWNS = ("Arden", "Bexley", "Corby", "Dover", "Epsom", "Frome", "Goole", "Hove", "Ilford", "Luton")
WORDS = (
    "open", "quiet", "river", "lamp", "stone", "paper", "north", "garden", "winter", "bridge",
    "silver", "music", "apple", "window", "letter", "market", "coffee", "yellow", "island",
    "summer", "train", "forest", "clock", "candle", "harbour",
)  # fmt: skip
NAMES = ("Ann", "Ben", "Eva", "Ida", "Leo", "Max", "Tom", "Zoe")
THINGS = ("pens", "coins", "shells", "books", "marbles", "stamps")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    """A scene. lines: (left, right) text of each line; the right text is right-aligned."""
    low, high = (308, 420) if shifted else (196, 280)
    scene = {
        "size": [280, 196]
        if level == 1 and not shifted
        else [rng.randint(low, high), rng.randint(low, high)],
        "style": page_style.style(rng, shifted),
        "page": PAGES[kind],
        "tilt": round(rng.uniform(-3, 3), 1) if shifted else 0,
    }
    n = level + 2 + (1 if shifted else 0)
    if scene["page"] == "prices":
        goods = rng.sample(_few(GOODS, level), n)
        most = 9 if level == 1 else 10 + 10 * level
        return scene | {"lines": [[name, str(rng.randint(2, most))] for name in goods]}
    if scene["page"] == "departures":
        minutes = range(60, 10 * 60, 60) if level == 1 else range(5 * 60, 23 * 60, 5)
        hours = sorted(rng.sample(minutes, n))
        towns = rng.sample(_few(TOWNS, level), n)
        return scene | {
            "lines": [[town, f"{t // 60:02}:{t % 60:02}"] for t, town in zip(hours, towns, strict=True)]
        }
    if scene["page"] == "notice":
        most, words = (2, WORDS[:10]) if level == 1 else (3, WORDS)
        return scene | {"lines": [[" ".join(rng.sample(words, rng.randint(2, most))), ""] for _ in range(n)]}
    return scene | _problem(rng, level)


PAGES = {
    "price": "prices", "bill": "prices", "cheapest": "prices",
    "departure": "departures", "wait": "departures",
    "word": "notice", "problem": "problem",
}  # fmt: skip


def _few(words: Sequence[str], level: int) -> Sequence[str]:
    """Half of the words at level 1."""
    return words[: len(words) // 2] if level == 1 else words


def _problem(rng: random.Random, level: int) -> dict[str, Any]:
    """A word problem of one to four operations. numbers: the initial value, then the signed changes."""
    who, what = rng.choice(_few(NAMES, level)), rng.choice(_few(THINGS, level))
    total = rng.randint(4, 9) if level == 1 else rng.randint(8, 12 + 10 * level)
    numbers, lines = [total], [f"{who} has {total} {what}."]
    for _ in range(level):
        gains = rng.random() < 0.5 or total < 4
        change = rng.randint(2, 9 * level) if gains else rng.randint(1, total - 1)
        lines.append(f"{rng.choice(('Then', 'Later'))} {who} {'finds' if gains else 'gives away'} {change}.")
        numbers.append(change if gains else -change)
        total += numbers[-1]
    lines.append(f"How many {what} are left?")
    return {"numbers": numbers, "lines": [[line, ""] for line in lines]}


def draw(scene: Scene) -> list[PIL.Image.Image]:
    """The page, rotated by the tilt of the shifted variant."""
    picture, pen = page_style.blank(scene)
    width, height = scene["size"]
    inks, typeface = [tuple(ink) for ink in scene["style"]["inks"]], scene["style"]["font"]
    margin = 14 + height * abs(scene["tilt"]) / 100
    row = (height - 2 * margin) / (len(scene["lines"]) + 1)
    largest = int(min(18 if width < 300 else 24, 0.75 * row))
    whole = ["  ".join(line) for line in scene["lines"]]
    letters = page_style.fitting(typeface, whole, width - 2 * margin, largest)
    title = {"prices": "Prices", "departures": "Departures", "notice": "Notice"}.get(scene["page"], "")
    pen.text((width / 2, margin + row / 2), title, inks[1], font(typeface, largest), anchor="mm")
    for i, (left, right) in enumerate(scene["lines"], 1):
        y = margin + row * (i + 0.5)
        if right:
            pen.line((margin, y + row / 2, width - margin, y + row / 2), page_style.faint(scene))
        pen.text((margin, y), left, inks[0], letters, anchor="lm")
        pen.text((width - margin, y), right, inks[0], letters, anchor="rm")
    if scene["tilt"]:
        paper = tuple(scene["style"]["paper"])
        picture = picture.rotate(scene["tilt"], PIL.Image.Resampling.BILINEAR, fillcolor=paper)
    return [picture]


# Questions --------------------------------------------------------------------------------------------------


def read(scene: Scene) -> str:
    """The lines below the title, numbered: "1: milk 8. 2: honey 7." """
    lines = (" ".join(line).strip() for line in scene["lines"])
    return " ".join(f"{i}: {line.removesuffix('.')}." for i, line in enumerate(lines, 1)).replace("?.", "?")


def price(rng: random.Random, scene: Scene) -> DrawnQuestion:
    name, cost = rng.choice(scene["lines"])
    return DrawnQuestion(
        f"What is the price of {name}?", cost, (read(scene), f"The price of {name} is {cost}.")
    )


def bill(rng: random.Random, scene: Scene) -> DrawnQuestion:
    (a, x), (b, y) = rng.sample(scene["lines"], 2)
    n = rng.randint(2, 4)
    total = n * int(x) + int(y)
    steps = (
        read(scene),
        f"{n} x {x} = {n * int(x)}.",
        running_sum([n * int(x), int(y)]),
    )
    return DrawnQuestion(f"What do {n} portions of {a} and one of {b} cost together?", str(total), steps)


def cheapest(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    word, of = rng.choice([("cheapest", min), ("most expensive", max)])
    costs = [int(cost) for _, cost in scene["lines"]]
    if costs.count(of(costs)) > 1:
        return None
    answer = scene["lines"][costs.index(of(costs))][0]
    return DrawnQuestion(
        f"What is {word}?", answer, (read(scene), f"{word.capitalize()}: {answer}, {of(costs)}.")
    )


def departure(rng: random.Random, scene: Scene) -> DrawnQuestion:
    town, time = rng.choice(scene["lines"])
    steps = (read(scene), f"The departure to {town} is {time}.")
    return DrawnQuestion(f"When is the departure to {town}?", time, steps)


def wait(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The minutes between two departures."""
    i, j = sorted(rng.sample(range(len(scene["lines"])), 2))
    (a, t), (b, u) = scene["lines"][i], scene["lines"][j]
    (first, told), (second, told_too) = _minutes(t), _minutes(u)
    question = f"How many minutes after the departure to {a} is that to {b}?"
    difference = f"{second} - {first} = {second - first}."
    return DrawnQuestion(question, str(second - first), (read(scene), f"{told}, {told_too}.", difference))


def _minutes(time: str) -> tuple[int, str]:
    """(minutes since midnight of a time "08:35", how they are found)"""
    hours, minutes = map(int, time.split(":"))
    total = 60 * hours + minutes
    return total, f"{time} is {60 * hours} + {minutes} = {total} minutes"


def word(rng: random.Random, scene: Scene) -> DrawnQuestion:
    i = rng.randrange(min(len(scene["lines"]), len(ORDINALS)))
    words = scene["lines"][i][0].split()
    which, answer = rng.choice([("first", words[0]), ("last", words[-1])])
    question = f"What is the {which} word of the {ORDINALS[i]} line below the title?"
    return DrawnQuestion(question, answer, (read(scene), f"The {which} word of line {i + 1}: {answer}."))


def problem(rng: random.Random, scene: Scene) -> DrawnQuestion:
    steps = (read(scene), running_sum(scene["numbers"]))
    return DrawnQuestion("Answer the question in the picture.", str(sum(scene["numbers"])), steps)


def caption(scene: Scene) -> str:
    names = {"prices": "A price list", "departures": "A timetable", "notice": "A notice"}
    return f"{names.get(scene['page'], 'A word problem')}: {read(scene)}"


TEXT = SceneWorld(
    name="text",
    about="Prices, departures, words of a notice and word problems, all rendered in the picture.",
    compose=compose,
    draw=draw,
    kinds={ask.__name__: ask for ask in (price, bill, cheapest, departure, wait, word, problem)},
    caption=caption,
    verifier="same_answer",
    blind=0.2,
    easy=("price", "departure", "problem"),
)


@dataclass(frozen=True)
class WordProblems:
    """A world without pictures: what a page of word problems of the world `text` shows is the question."""

    name: str = "words"
    about: str = "Word problems as text alone."
    verifier: str = "same_answer"
    blind: float = 1.0

    def example(self, key: str, shifted: bool, level: int | None = None) -> Example:
        page = TEXT.only("problem").example(key, shifted, level)
        question = " ".join(" ".join(line).strip() for line in page.meta["formal"]["lines"])
        return replace(page, question=question, media=(), meta={**page.meta, "world": self.name})


WORD_PROBLEMS = WordProblems()
"""No member of `WORLDS`, which all show something."""
