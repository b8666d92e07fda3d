"""Questions about pages of handwritten digits: the 1,797 scans of scikit-learn (E. Alpaydin, C. Kaynak, UCI,
1998).

A page is a grid of square cells, some of which contain a digit. The scans of the `test` split do not occur
in the `train` split. `glyphs="fonts"` renders the digits in fonts instead, also with disjoint fonts for the
two splits. Every item is determined by a hash of (world, seed, index).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, Literal

import PIL.Image
import PIL.ImageDraw

from seethink.media import Image
from seethink.sequences import LazySequence
from seethink.sources.fonts import font as sized
from seethink.types import Example

CELL_PX = 28
"""Side of a cell in pixels: one image token of Qwen2-VL (patch 14, merge 2)."""
HELD_OUT_SCANS = 400
FONTS = {
    "train": (
        "DejaVuSans.ttf",
        "DejaVuSerif.ttf",
        "DejaVuSansMono.ttf",
        "DejaVuSans-Bold.ttf",
        "DejaVuSerif-Italic.ttf",
    ),
    "test": ("cmr10.ttf", "STIXGeneral.ttf", "cmss10.ttf", "DejaVuSansMono-Oblique.ttf"),
}
Split = Literal["train", "test"]
Glyphs = Literal["scans", "varied", "fonts"]
"""How digits are written: as scanned; as scanned, with other slants, widths and strokes; printed."""


@cache
def scans(split: Split) -> dict[int, list[PIL.Image.Image]]:
    """Digit -> scans of the split: 8 x 8 grey pictures with bright ink."""
    import numpy
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    order = sorted(range(len(data.images)), key=lambda i: random.Random(f"scan/{i}").random())
    chosen = order[:HELD_OUT_SCANS] if split == "test" else order[HELD_OUT_SCANS:]
    by_digit: dict[int, list[PIL.Image.Image]] = {digit: [] for digit in range(10)}
    for i in chosen:
        grey = numpy.clip(data.images[i] * (255 / 16), 0, 255).astype("uint8")
        by_digit[int(data.target[i])].append(PIL.Image.fromarray(grey))
    return by_digit


@dataclass(frozen=True)
class Page:
    """The content of a page. digits: (row, column) -> digit, in reading order."""

    rows: int
    columns: int
    digits: dict[tuple[int, int], int]

    @classmethod
    def of(cls, example: Example) -> Page:
        """The page that an example's picture shows, from its meta `page`."""
        cells = example.meta["page"]
        digits = {(r, c): d for r, row in enumerate(cells) for c, d in enumerate(row) if d is not None}
        return cls(len(cells), len(cells[0]), digits)

    @property
    def cells(self) -> list[list[int | None]]:
        """The rows of cells; None is a blank."""
        return [[self.digits.get((r, c)) for c in range(self.columns)] for r in range(self.rows)]

    @property
    def values(self) -> list[int]:
        """All digits in reading order."""
        return list(self.digits.values())

    def row(self, row: int) -> list[int]:
        """The digits of a row, from the left."""
        return [digit for (r, _), digit in self.digits.items() if r == row]

    def line(self, row: int) -> str:
        """The cells of a row, blank ones as dots: `7 . 3`"""
        return " ".join(str(self.digits.get((row, column), ".")) for column in range(self.columns))

    def formal(self) -> str:
        """All rows, separated by slashes: `7 . 3 / . 1 .`"""
        return " / ".join(map(self.line, range(self.rows)))


def compose(rng: random.Random, rows: int, columns: int, digits: tuple[int, int]) -> Page:
    """A page with digits[0] to digits[1] digits in random cells."""
    cells = sorted(rng.sample([(r, c) for r in range(rows) for c in range(columns)], rng.randint(*digits)))
    return Page(rows, columns, {cell: rng.randrange(10) for cell in cells})


def draw(page: Page, rng: random.Random, glyphs: Glyphs, split: Split) -> PIL.Image.Image:
    """Render the page as scanned or printed: paper and ink vary; position, rotation and size of every digit
    vary slightly."""
    paper, ink = rng.randint(225, 255), rng.randint(0, 70)
    picture = PIL.Image.new("L", (page.columns * CELL_PX, page.rows * CELL_PX), paper)
    font = rng.choice(FONTS[split])
    for (row, column), digit in page.digits.items():
        printed, varied = glyphs == "fonts", glyphs == "varied"
        stamp = _print(digit, rng, font) if printed else _scan(digit, rng, split, varied)
        picture.paste(ink, (column * CELL_PX, row * CELL_PX), stamp)
    return picture.convert("RGB")


def _scan(digit: int, rng: random.Random, split: Split, varied: bool) -> PIL.Image.Image:
    scan = rng.choice(scans(split)[digit])
    side = rng.randint(19, 25)
    wide = min(CELL_PX, round(side * rng.uniform(0.8, 1.15))) if varied else side
    stamp = PIL.Image.new("L", (CELL_PX, CELL_PX), 0)
    grown = scan.resize((wide, side), PIL.Image.Resampling.BICUBIC)
    if varied:
        thickness = rng.uniform(0.6, 1.6)
        grown = grown.point([round(255 * (ink / 255) ** thickness) for ink in range(256)])
    stamp.paste(grown, (rng.randint(0, CELL_PX - wide), rng.randint(0, CELL_PX - side)))
    if varied:
        slant = rng.uniform(-0.25, 0.25)
        sheared = (1, slant, -slant * CELL_PX / 2, 0, 1, 0)
        stamp = stamp.transform(
            stamp.size, PIL.Image.Transform.AFFINE, sheared, PIL.Image.Resampling.BILINEAR
        )
    return stamp.rotate(rng.uniform(-9, 9), PIL.Image.Resampling.BILINEAR)


def _print(digit: int, rng: random.Random, font: str) -> PIL.Image.Image:
    stamp = PIL.Image.new("L", (CELL_PX, CELL_PX), 0)
    x, y = CELL_PX / 2 + rng.uniform(-3, 3), CELL_PX / 2 + rng.uniform(-3, 3)
    PIL.ImageDraw.Draw(stamp).text(
        (x, y), str(digit), fill=255, font=sized(font, rng.randint(19, 25)), anchor="mm"
    )
    return stamp


# Questions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PageQuestion:
    """A question about a page, with its answer and reasoning steps."""

    question: str
    answer: str
    steps: tuple[str, ...]


Property = tuple[str, Callable[[int], bool]]
"""(words, predicate of a digit)."""


def _property(rng: random.Random) -> Property:
    kind = rng.choice(["even", "odd", "above", "below"])
    if kind in ("even", "odd"):
        return kind, lambda digit: digit % 2 == (kind == "odd")
    bound = rng.randint(2, 7)
    return f"{kind} {bound}", lambda digit: digit > bound if kind == "above" else digit < bound


def row_steps(
    title: str, page: Page, verdicts: Iterable[tuple[str, str]], start: str = "0"
) -> tuple[str, ...]:
    """Reasoning steps row by row: the cells, then each digit with a verdict and the result so far:
    `r2 8 . 3: 8 yes 1, 3 no 1 /`

    verdicts: (verdict, result so far) for each digit in reading order. start: the result before the first
    digit.
    """
    verdicts, result, steps = iter(verdicts), start, [f"{title}:"]
    for row in range(page.rows):
        parts = []
        for digit in page.row(row):
            verdict, result = next(verdicts)
            parts.append(f"{digit} {verdict} {result}")
        steps.append(f"r{row + 1} {page.line(row)}: {', '.join(parts) or result} /")
    steps[-1] = steps[-1].removesuffix(" /") + "."
    return tuple(steps)


def sum_selected(
    title: str, page: Page, selected: Sequence[bool], weights: Sequence[int]
) -> tuple[int, tuple[str, ...]]:
    """(sum of the weights of the selected digits, reasoning steps)."""
    results = list(
        accumulate(weight if taken else 0 for taken, weight in zip(selected, weights, strict=True))
    )
    verdicts = zip(("yes" if taken else "no" for taken in selected), map(str, results), strict=True)
    return results[-1], row_steps(title, page, verdicts)


def count(rng: random.Random, page: Page) -> PageQuestion:
    """The number of digits with a property."""
    name, has = _property(rng)
    answer, steps = sum_selected(
        name.capitalize(), page, [has(d) for d in page.values], [1] * len(page.values)
    )
    return PageQuestion(f"How many digits are {name}?", str(answer), steps)


def count_one(rng: random.Random, page: Page) -> PageQuestion:
    """The number of occurrences of one digit."""
    digit = rng.choice(page.values) if rng.random() < 0.7 else rng.randrange(10)
    equal = [d == digit for d in page.values]
    answer, steps = sum_selected(f"Equal to {digit}", page, equal, [1] * len(page.values))
    return PageQuestion(f"How many {digit}s are there?", str(answer), steps)


def total(rng: random.Random, page: Page) -> PageQuestion:
    """The sum of the digits with a property."""
    name, has = _property(rng)
    words = f"the digits {name}" if name[-1].isdigit() else f"the {name} digits"
    answer, steps = sum_selected(name.capitalize(), page, [has(d) for d in page.values], page.values)
    return PageQuestion(f"What is the sum of {words}?", str(answer), steps)


def odd_or_even(rng: random.Random, page: Page) -> PageQuestion:
    """Whether odd or even digits are more frequent, and by how many."""
    odd, even, verdicts = 0, 0, []
    for digit in page.values:
        odd, even = odd + digit % 2, even + 1 - digit % 2
        verdicts.append(("odd" if digit % 2 else "even", f"{odd} {even}"))
    more, fewer = max(odd, even), min(odd, even)
    answer = "equal" if odd == even else f"{'odd' if odd > even else 'even'} by {more - fewer}"
    steps = row_steps("Odd and even", page, verdicts, start="0 0")
    question = "Are there more odd or even digits, and by how many?"
    return PageQuestion(question, answer, (*steps, f"{more} - {fewer} = {more - fewer}."))


QUESTIONS = {"count": count, "count_one": count_one, "total": total, "odd_or_even": odd_or_even}


def example(
    key: str,
    page: Page,
    glyphs: Glyphs,
    split: Split,
    rng: random.Random,
    questions: Sequence[str] = tuple(QUESTIONS),
) -> Example:
    """A question about `page`. key: the id, which determines page, rendering and question."""
    kind = rng.choice(questions)
    question = QUESTIONS[kind](rng, page)
    picture = Image.drawn(key, lambda: draw(page, random.Random(f"{key}/ink"), glyphs, split))
    adjective = "printed" if glyphs == "fonts" else "handwritten"
    return Example(
        id=key,
        question=question.question,
        media=(picture,),
        answer=question.answer,
        steps=question.steps,
        meta={
            "kind": kind,
            "page": page.cells,
            "caption": f"A page with {len(page.digits)} {adjective} digits.",
            "formal": page.formal(),
        },
    )


@dataclass(frozen=True)
class Pages(LazySequence[Example]):
    """`n` questions, each about a page of its own, generated on access. Equal fields give equal examples.

    cells: (rows, columns) of the grid. digits: (minimum, maximum) per page. glyphs: "scans" or "fonts".
    questions: names in `QUESTIONS`.
    """

    n: int
    split: Split = "train"
    seed: int = 0
    cells: tuple[int, int] = (4, 4)
    digits: tuple[int, int] = (4, 12)
    glyphs: Glyphs = "scans"
    questions: tuple[str, ...] = tuple(QUESTIONS)

    @property
    def identity(self) -> str:
        return (
            f"handwritten/{self.split}/{self.seed}/{self.cells}/{self.digits}/{self.glyphs}/{self.questions}"
        )

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> Example:
        key = f"{self.identity}/{i}"
        rng = random.Random(key)
        page = compose(rng, *self.cells, self.digits)
        return example(key, page, self.glyphs, self.split, rng, self.questions)
