"""Training examples of `sprout`: questions about pages and drawn shapes, in every response style it is
taught."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from seethink.formats import ANSWER_ONLY, THINK_ANSWER, TagFormat
from seethink.sequences import LazySequence
from seethink.sources import handwritten
from seethink.sources.drawn import grid
from seethink.types import Example, SFTExample

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

ResponseStyles = Mapping[TagFormat, Mapping[str, float]]
"""{prompt format: {response style of `STYLES`: probability}}; empty for reading alone."""

READING: ResponseStyles = {}
REASONING: ResponseStyles = {
    THINK_ANSWER: {"tagged steps": 1.0},
    BOX: {"boxed steps": 1.0},
    PLAIN: {"prose steps": 1.0},
}
ANSWERING: ResponseStyles = {
    THINK_ANSWER: {
        "tagged at once": 0.34,
        "prose at once": 0.18,
        "tagged steps": 0.16,
        "prose steps": 0.10,
        "boxed at once": 0.08,
        "bare": 0.08,
        "empty thought": 0.06,
    },
    ANSWER_ONLY: {"tagged at once": 0.7, "bare": 0.2, "prose at once": 0.1},
    BOX: {"boxed steps": 0.4, "boxed at once": 0.4, "prose steps": 0.2},
    BRIEF: {"bare": 0.6, "prose at once": 0.4},
    PLAIN: {"prose at once": 0.4, "prose steps": 0.3, "bare": 0.3},
}

SMALL_GRIDS = ((2, 2), (2, 3), (3, 3))
GRIDS = (*SMALL_GRIDS, (3, 4), (4, 4), (4, 4), (4, 4), (4, 4), (4, 5), (5, 4), (5, 5))
"""Rows x columns of pictures; a grid is drawn as often as it is listed."""


@dataclass(frozen=True)
class CurriculumExamples(LazySequence[SFTExample]):
    """`n` examples, `per_picture` in a row about the same picture; the first of them reads it cell by cell.

    styles: prompt formats and response styles. grids: rows x columns of pictures. shapes: share of pictures
    that show drawn shapes instead of digits.
    """

    n: int
    name: str
    seed: int
    styles: ResponseStyles
    grids: Sequence[tuple[int, int]]
    per_picture: int = 1
    shapes: float = 0.1

    @property
    def identity(self) -> str:
        styles = sorted((form.name, dict(weights)) for form, weights in self.styles.items())
        return f"sprout/{self.name}/{self.seed}/{styles}/{self.grids}/{self.per_picture}/{self.shapes}"

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> SFTExample:
        page, place = divmod(i, self.per_picture)
        example = picture(f"{self.name}/{self.seed}/{page}", self.grids, self.shapes)
        rng = random.Random(f"{self.name}/{self.seed}/{page}/{place}")
        if place == 0 or not self.styles or rng.random() < 0.1:
            return _reading(example, rng, cell_by_cell=place == 0)
        question = _another_question(example, rng)
        form = rng.choice(list(self.styles))
        weights = self.styles[form]
        style = rng.choices(list(weights), list(weights.values()))[0]
        thought, answer = " ".join(question.steps), question.answer or ""
        return SFTExample(question, form, STYLES[style](thought, answer))


def picture(key: str, grids: Sequence[tuple[int, int]], shapes: float) -> Example:
    """A picture with its ground truth (page or objects, formal text, caption) and one of many possible
    questions."""
    rng = random.Random(key)
    rows, columns = rng.choice(grids)
    cells = rows * columns
    if rng.random() < shapes:
        example = grid.ShapeGrids(1, key, 0, (rows, columns), (1, min(10, cells)))[0]
        return _with_grid(example, rows, columns)
    most = min(cells, 13 if rng.random() < 0.8 else 20)
    glyphs = "scans" if rng.random() < 0.75 else "fonts"
    page = handwritten.compose(rng, rows, columns, (1 if rng.random() < 0.2 else min(4, most), most))
    return _with_grid(handwritten.example(key, page, glyphs, "train", rng), rows, columns)


def _with_grid(example: Example, rows: int, columns: int) -> Example:
    return replace(example, meta={**example.meta, "grid": (rows, columns)})


def _another_question(example: Example, rng: random.Random) -> Example:
    """Another question about the same picture."""
    if "page" in example.meta:
        ask = handwritten.QUESTIONS[rng.choice(list(handwritten.QUESTIONS))]
        drawn = ask(rng, example.meta["page"])
        return replace(example, question=drawn.question, answer=drawn.answer, steps=drawn.steps)
    question, answer, steps = grid.ask(rng, example.meta["objects"])
    return replace(example, question=question, answer=answer, steps=steps)


def _reading(example: Example, rng: random.Random, cell_by_cell: bool) -> SFTExample:
    """A perception example: name every cell, blanks included; list the digits; name one cell; describe."""
    if cell_by_cell:
        return SFTExample(
            replace(example, question="Read the picture cell by cell."), PLAIN, example.meta["formal"]
        )
    kind = rng.choice(["list", "place", "place", "caption"])
    page = example.meta.get("page")
    if kind == "caption" or page is None:
        return SFTExample(replace(example, question="Describe the picture."), PLAIN, example.meta["caption"])
    if kind == "list":
        return SFTExample(
            replace(example, question="List the digits."), PLAIN, " ".join(map(str, page.values))
        )
    row, column = rng.randrange(page.rows), rng.randrange(page.columns)
    question = f"Which digit is in row {row + 1}, column {column + 1}?"
    return SFTExample(replace(example, question=question), PLAIN, str(page.digits.get((row, column), "none")))


CELL_NAMES = (".", *"0123456789", *(f"{c} {s}" for c in grid.COLOURS for s in grid.SHAPES))


def cells(picture: Example) -> list[str]:
    """The name of what each cell holds (`CELL_NAMES`), in reading order."""
    rows, columns = picture.meta["grid"]
    page = picture.meta.get("page")
    contents = (
        {o[:2]: " ".join(o[2:]) for o in picture.meta.get("objects", ())} if page is None else page.digits
    )
    return [str(contents.get((r, c), ".")) for r in range(rows) for c in range(columns)]
