"""Training examples of `sprout`: every drawn world and pages of digits, read, described, reasoned about and
judged, in every response style it is taught."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import ClassVar

from seethink.boxes import read_boxes
from seethink.formats import VERBATIM, turns
from seethink.media import Image
from seethink.sequences import LazySequence
from seethink.sources import handwritten
from seethink.sources.drawn import WORLDS, grid
from seethink.sources.drawn.rendered_text import WORD_PROBLEMS
from seethink.sources.drawn.world import Ask, Scene, SceneWorld
from seethink.systems.sprout.readings import read
from seethink.systems.sprout.styles import PLAN, Manners, respond
from seethink.types import Example, SFTExample, Turn

SHARES: Mapping[str, float] = {
    "pages": 0.16,
    "counting": 0.08,
    "grounding": 0.10,
    "detection": 0.09,
    "spatial": 0.08,
    "geometry": 0.14,
    "charts": 0.12,
    "text": 0.12,
    "screens": 0.10,
    "clips": 0.10,
}
"""World -> how often it is drawn, relative to the others. `exams` is a mixture of others."""

WITH_WORDS: Mapping[str, float] = {**SHARES, "words": 0.03}
"""With word problems as text alone, beside those that the world `text` shows as pictures."""

TOLD = "told"
"""Among the shares of worlds: pictures of all of them that are told in words, and not shown."""

SMALL_GRIDS = ((2, 2), (2, 3), (3, 3))
GRIDS = (*SMALL_GRIDS, (3, 4), (4, 4), (4, 4), (4, 4), (4, 4), (4, 5), (5, 4), (5, 5))
"""Rows x columns of pages; a grid is drawn as often as it is listed."""
SHAPE_GRIDS = 0.1
"""Share of pages that show drawn shapes in the cells instead of digits."""
READINGS = 0.15
"""Share of readings among the examples of a picture after the first."""
JUDGEMENTS = 0.06
"""Share of questions that ask whether somebody's reasoning is right."""
DIALOGUES = 0.05
"""Share of questions that are answered in four turns: plan, caption, reasoning, conclusion."""


@dataclass(frozen=True)
class CurriculumExamples(LazySequence[SFTExample]):
    """`n` examples, `per_picture` in a row about the same picture; the first of them names all it shows.
    Those of the world `words` are about no picture, and ask the same question in several manners.

    name: of the course, part of the random seeds. manners: prompt formats and response styles; empty for
    readings alone, and for questions about pictures that are told, each about one of its own. shares: world
    -> how often it is drawn. level: of drawn worlds; None mixes them.
    """

    n: int
    name: str
    seed: int
    manners: Manners
    per_picture: int = 4
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    level: int | None = None
    split: ClassVar[handwritten.Split] = "train"
    """Of the handwritten digits."""

    @property
    def identity(self) -> str:
        manners = sorted((form.name, repr(manner)) for form, manner in self.manners.items())
        shares = sorted(self.shares.items())
        return f"sprout/{self.name}/{self.seed}/{manners}/{self.per_picture}/{shares}/{self.level}"

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> SFTExample:
        page, place = divmod(i, self.per_picture)
        return self._example(self.picture(page), page, place)

    def about(self, page: int) -> list[SFTExample]:
        """All examples about one picture."""
        example = self.picture(page)
        return [self._example(example, page, place) for place in range(self.per_picture)]

    def picture(self, page: int) -> Example:
        """The picture of the examples `per_picture * page` and following, with its ground truth and one of
        many possible questions."""
        key = f"{self.name}/{self.seed}/{page}"
        world = _chosen(random.Random(f"{key}/world"), self.shares)
        return self._told(key) if world == TOLD else self._of(world, key)

    def _told(self, key: str) -> Example:
        rng = random.Random(f"{key}/{TOLD}")
        shown = self._of(_chosen(rng, SHARES), key)
        return replace(shown, media=(), meta={**shown.meta, TOLD: reading(rng, shown, first=True)[1]})

    def _of(self, world: str, key: str) -> Example:
        if world == "pages":
            return page_of_digits(key, self.split)
        of_world = WORD_PROBLEMS if world == WORD_PROBLEMS.name else WORLDS[world]
        return _drawn_once(of_world.example(key, shifted=False, level=self.level))

    def _example(self, example: Example, page: int, place: int) -> SFTExample:
        rng = random.Random(f"{self.name}/{self.seed}/{page}/{place}")
        if example.media and (place == 0 or not self.manners or rng.random() < READINGS):
            request, reply = reading(rng, example, first=place == 0)
            return SFTExample(replace(example, question=request), VERBATIM, reply)
        if TOLD in example.meta:
            return in_words(another_question(rng, self._told(f"{example.id}/{place}")))
        question = another_question(rng, example)
        boxes = bool(read_boxes(question.answer or "")) or question.answer == "None"
        kind = rng.random()
        if kind < DIALOGUES and example.media:
            return dialogue(rng, question)
        if kind > 1 - JUDGEMENTS and not boxes:
            question = judgement(rng, question)
        form, text = respond(rng, self.manners, question, boxes)
        return SFTExample(question, form, text)


def _chosen(rng: random.Random, shares: Mapping[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def _drawn_once(example: Example) -> Example:
    """The example, whose pictures are kept once drawn: for the model and for the targets of their squares."""
    kept = tuple(
        replace(medium, source=cache(medium.source))
        if isinstance(medium, Image) and callable(medium.source)
        else medium
        for medium in example.media
    )
    return replace(example, media=kept)


class _OfNewDigits(CurriculumExamples):
    """With handwritten digits that no course shows."""

    split = "test"


@dataclass(frozen=True)
class HeldOutReadings(LazySequence[Example]):
    """`n` new pictures of a world, with the densest reading asked for; the answer is that reading."""

    world: str
    n: int
    seed: int
    level: int | None = None

    @property
    def identity(self) -> str:
        return f"sprout/held out readings/{self.world}/{self.seed}/{self.level}"

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> Example:
        name = f"held out/{self.world}/{self.level}"
        shares = {self.world: 1.0}
        read = _OfNewDigits(self.n, name, self.seed, {}, 1, shares, self.level).item(i)
        return replace(read.example, answer=read.text)


def reading(rng: random.Random, example: Example, first: bool) -> tuple[str, str]:
    """(a request to read the example's picture, the reply). first: the densest reading."""
    return _page_reading(rng, example, first) if "grid" in example.meta else read(rng, example, first)


# Questions --------------------------------------------------------------------------------------------------


def another_question(rng: random.Random, example: Example) -> Example:
    """Another question about the same picture."""
    if example.meta["world"] == WORD_PROBLEMS.name:
        return example
    if "page" in example.meta:
        ask = handwritten.QUESTIONS[rng.choice(list(handwritten.QUESTIONS))]
        drawn = ask(rng, handwritten.Page.of(example))
        return replace(example, question=drawn.question, answer=drawn.answer, steps=drawn.steps)
    if "grid" in example.meta:
        question, answer, steps = grid.ask(rng, example.meta["objects"])
        return replace(example, question=question, answer=answer, steps=steps)
    for _ in range(8):
        if drawn := rng.choice(_askable(example))(rng, example.meta["formal"]):
            return replace(example, question=drawn.question, answer=drawn.answer, steps=drawn.steps)
    return example  # its own question, which this scene was composed for


def _askable(example: Example) -> Sequence[Ask]:
    """The questions that scenes of this kind allow."""
    world, scene, level = (example.meta[name] for name in ("world", "formal", "level"))
    asked = _world(world).asked(level)
    names = {*_TOGETHER.get(world, lambda scene: ())(scene), example.meta["kind"]}
    others = [_world(other) for other in _SCATTERED if world in _SCATTERED and other != world]
    return [
        *(_world(world).kinds[name] for name in asked if name in names),
        *(other.kinds[name] for other in others for name in other.asked(level)),
    ]


def _world(name: str) -> SceneWorld:
    world = WORLDS[name]
    assert isinstance(world, SceneWorld)
    return world


_SCATTERED = ("counting", "grounding", "detection")
"""Worlds whose questions can all be asked about each other's pictures."""
_PAGES = {
    "prices": ("price", "bill", "cheapest"),
    "departures": ("departure", "wait"),
}
_TOGETHER: Mapping[str, Callable[[Scene], Sequence[str]]] = {
    **{world: lambda scene, world=world: tuple(_world(world).kinds) for world in (*_SCATTERED, "charts")},
    "spatial": lambda scene: ("front", "order") if "piled" in scene else ("relation", "nearest"),
    "text": lambda scene: _PAGES.get(scene["page"], ()),
}
"""World -> kinds of questions that go with a scene; a world that is not listed has one for each scene."""


def in_words(example: Example) -> SFTExample:
    """A question about a picture that is told: what it shows comes after the question, in whose light it is
    read, as in the reply about a picture that is shown; the reply is what follows from it. (With the question
    last, the loss after 150 updates was twice as high.)"""
    question = f"{example.question} {example.meta[TOLD]}"
    return SFTExample(replace(example, question=question), VERBATIM, _follows(example))


def _follows(example: Example) -> str:
    """The steps after those that only tell what is seen, with the answer. Boxes, which words do not tell, are
    left out."""
    told, steps = example.meta[TOLD], example.steps
    known = next((n for n in range(len(steps), 0, -1) if told.endswith(" ".join(steps[:n]))), 0)
    answer = () if read_boxes(example.answer or "") else (f"The answer is {example.answer}.",)
    return " ".join((*steps[known:], *answer))


_WRONG = {"yes": "no", "no": "yes", "left": "right", "right": "left", "on": "off", "off": "on"}
_CHANGEABLE = re.compile(rf"\d+|\b(?:{'|'.join([*_WRONG, *grid.COLOURS])})\b")


def judgement(rng: random.Random, example: Example) -> Example:
    """Whether somebody's reasoning about the example is right; half of the time one word of it is changed."""
    thought, right = " ".join(example.steps), rng.random() < 0.5
    places = [*_CHANGEABLE.finditer(thought)]
    if not right and places:
        place = rng.choice(places)
        thought = f"{thought[: place.start()]}{_changed(rng, place[0])}{thought[place.end() :]}"
    right = right or not places
    question = f"{example.question} Somebody answers: {thought} So {example.answer}. Is every step right?"
    verdict = "yes" if right else "no"
    steps = (*example.steps, f"So {verdict}.")
    return replace(example, question=question, answer=verdict, steps=steps)


def _changed(rng: random.Random, word: str) -> str:
    if word.isdigit():
        return str(max(0, int(word) + rng.choice((-2, -1, 1, 2)))) if word != "0" else "1"
    return _WRONG.get(word) or rng.choice([colour for colour in grid.COLOURS if colour != word])


def dialogue(rng: random.Random, example: Example) -> SFTExample:
    """One of the four turns of an answer in LlamaV-o1's stages, after the turns before it."""
    said = (PLAN, example.meta["caption"], " ".join(example.steps), example.answer or "")
    asked = (f"{example.question}\n{turns.PLAN}", turns.CAPTION, turns.REASON, turns.CONCLUDE)
    last = rng.randrange(len(said))
    history = [
        turn
        for request, reply in zip(asked[:last], said[:last], strict=True)
        for turn in (Turn("user", request), Turn("assistant", reply))
    ]
    return SFTExample(replace(example, history=tuple(history), question=asked[last]), VERBATIM, said[last])


# Pages of digits --------------------------------------------------------------------------------------------


def page_of_digits(key: str, split: handwritten.Split = "train") -> Example:
    """A page of handwritten or printed digits, or of shapes, in cells. split: of the handwritten digits."""
    rng = random.Random(key)
    rows, columns = rng.choice(GRIDS)
    cells = rows * columns
    if rng.random() < SHAPE_GRIDS:
        example = grid.ShapeGrids(1, key, 0, (rows, columns), (1, min(10, cells)))[0]
        return _with_grid(example, rows, columns)
    most = min(cells, 13 if rng.random() < 0.8 else 20)
    scanned = "varied" if split == "train" else "scans"  # there are only 1,397 of them to learn from
    glyphs = scanned if rng.random() < 0.75 else "fonts"
    page = handwritten.compose(rng, rows, columns, (1 if rng.random() < 0.2 else min(4, most), most))
    return _with_grid(handwritten.example(key, page, glyphs, split, rng), rows, columns)


def _with_grid(example: Example, rows: int, columns: int) -> Example:
    return replace(example, meta={**example.meta, "world": "pages", "grid": (rows, columns)})


def _page_reading(rng: random.Random, example: Example, first: bool) -> tuple[str, str]:
    """Name every cell, blanks included; list the digits; name one cell; describe."""
    if first:
        return "Read the picture cell by cell.", example.meta["formal"]
    kind = rng.choice(["list", "place", "place", "caption"])
    if kind == "caption" or "page" not in example.meta:
        return "Describe the picture.", example.meta["caption"]
    page = handwritten.Page.of(example)
    if kind == "list":
        return "List the digits.", " ".join(map(str, page.values))
    row, column = rng.randrange(page.rows), rng.randrange(page.columns)
    question = f"Which digit is in row {row + 1}, column {column + 1}?"
    return question, str(page.digits.get((row, column), "none"))


CELL_NAMES = (".", *"0123456789", *(f"{c} {s}" for c in grid.COLOURS for s in grid.SHAPES))


def cells(picture: Example) -> list[str]:
    """The name of what each cell of a page holds (`CELL_NAMES`), in reading order."""
    rows, columns = picture.meta["grid"]
    contents = (
        handwritten.Page.of(picture).digits
        if "page" in picture.meta
        else {o[:2]: " ".join(o[2:]) for o in picture.meta.get("objects", ())}
    )
    return [str(contents.get((r, c), ".")) for r in range(rows) for c in range(columns)]
