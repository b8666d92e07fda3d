"""Lessons about pages and pictures: what they hold, and every way of answering that `sprout` has read."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

from seethink.formats import ANSWER_ONLY, THINK_ANSWER, TagFormat
from seethink.sources import handwritten
from seethink.sources.drawn import counting
from seethink.types import Example, Lesson

PLAIN = TagFormat("plain", "", thinks=False)
BRIEF = TagFormat("brief", "Answer briefly.", thinks=False)
BOX = TagFormat("box", "Explain, then put the final answer in \\boxed{}.", thinks=False)

STYLES: Mapping[str, Callable[[str, str], str]] = {
    "tagged steps": THINK_ANSWER.write,
    "tagged at once": ANSWER_ONLY.write,
    "empty thought": lambda thought, answer: THINK_ANSWER.write("", answer),
    "prose steps": lambda thought, answer: f"{thought} The answer is {answer}.",
    "prose at once": lambda thought, answer: f"The answer is {answer}.",
    "boxed steps": lambda thought, answer: f"{thought} \\boxed{{{answer}}}",
    "boxed at once": lambda thought, answer: f"\\boxed{{{answer}}}",
    "bare": lambda thought, answer: answer,
}

Habit = Mapping[TagFormat, Mapping[str, float]]
"""For each way of being asked, how often each way of answering follows."""


@dataclass(frozen=True)
class Schoolbook(Sequence[Lesson]):
    """`n` lessons, `per_picture` in a row about the same picture; the first of them reads it cell by cell.

    habit: how it is asked and answered; empty for reading alone. grids: rows x columns of pictures. shapes:
    the share of pictures that show drawn shapes instead of digits.
    """

    n: int
    name: str
    seed: int
    habit: Habit
    grids: Sequence[tuple[int, int]]
    per_picture: int = 1
    shapes: float = 0.1

    @property
    def identity(self) -> str:
        habit = sorted((form.name, dict(styles)) for form, styles in self.habit.items())
        return f"schoolbook/{self.name}/{self.seed}/{habit}/{self.grids}/{self.per_picture}/{self.shapes}"

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> Lesson: ...
    @overload
    def __getitem__(self, index: slice) -> list[Lesson]: ...
    def __getitem__(self, index: int | slice) -> Lesson | list[Lesson]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.n))]
        if not 0 <= index < self.n:
            raise IndexError(index)
        page, place = divmod(index, self.per_picture)
        example = picture(f"{self.name}/{self.seed}/{page}", self.grids, self.shapes)
        rng = random.Random(f"{self.name}/{self.seed}/{page}/{place}")
        if place == 0 or not self.habit or rng.random() < 0.1:
            return _reading(example, rng, cell_by_cell=place == 0)
        asked = _ask(example, rng)
        form = rng.choice(list(self.habit))
        styles = self.habit[form]
        style = rng.choices(list(styles), list(styles.values()))[0]
        thought, answer = " ".join(asked.steps), asked.answer or ""
        return Lesson(asked, form, STYLES[style](thought, answer))


def picture(key: str, grids: Sequence[tuple[int, int]], shapes: float) -> Example:
    """A picture with everything that is known about it; its question is one of many that may be asked."""
    rng = random.Random(key)
    rows, columns = rng.choice(grids)
    cells = rows * columns
    if rng.random() < shapes:
        return _on(counting.Counting(1, key, 0, (rows, columns), (1, min(10, cells)))[0], rows, columns)
    most = min(cells, 13 if rng.random() < 0.8 else 20)
    glyphs = "scans" if rng.random() < 0.75 else "fonts"
    page = handwritten.compose(rng, rows, columns, (1 if rng.random() < 0.2 else min(4, most), most))
    return _on(handwritten.example(key, page, glyphs, "train", rng), rows, columns)


def _on(example: Example, rows: int, columns: int) -> Example:
    return replace(example, meta={**example.meta, "grid": (rows, columns)})


def _ask(example: Example, rng: random.Random) -> Example:
    """Another question about the same picture."""
    if "page" in example.meta:
        asked = handwritten.QUESTIONS[rng.choice(list(handwritten.QUESTIONS))](rng, example.meta["page"])
        return replace(example, question=asked.question, answer=asked.answer, steps=asked.steps)
    question, answer, steps = counting.ask(rng, example.meta["objects"])
    return replace(example, question=question, answer=answer, steps=steps)


def _reading(example: Example, rng: random.Random, cell_by_cell: bool) -> Lesson:
    """Perception: name every cell, blanks included; list what is there; name one place; describe."""
    if cell_by_cell:
        return Lesson(
            replace(example, question="Read the picture cell by cell."), PLAIN, example.meta["formal"]
        )
    kind = rng.choice(["list", "place", "place", "caption"])
    page = example.meta.get("page")
    if kind == "caption" or page is None:
        return Lesson(replace(example, question="Describe the picture."), PLAIN, example.meta["caption"])
    if kind == "list":
        return Lesson(replace(example, question="List the digits."), PLAIN, " ".join(map(str, page.read)))
    row, column = rng.randrange(page.rows), rng.randrange(page.columns)
    question = f"Which digit is in row {row + 1}, column {column + 1}?"
    return Lesson(replace(example, question=question), PLAIN, str(page.digits.get((row, column), "none")))


CELL_NAMES = (".", *"0123456789", *(f"{c} {s}" for c in counting.COLOURS for s in counting.SHAPES))


def cells(picture: Example) -> list[str]:
    """What each cell holds, in reading order."""
    rows, columns = picture.meta["grid"]
    page = picture.meta.get("page")
    held = {o[:2]: " ".join(o[2:]) for o in picture.meta.get("objects", ())} if page is None else page.digits
    return [str(held.get((r, c), ".")) for r in range(rows) for c in range(columns)]
