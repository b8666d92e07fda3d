"""The truth about a drawn example: its answer, the steps that lead to it, and plausible wrong answers."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seethink import verify
from seethink.boxes import Box, read_boxes, write_boxes
from seethink.sources.handwritten import CELL_PX, Page
from seethink.types import MEDIA_MARK, Example, InputError, Response, Verifier
from seethink.verify.text import read_quantity

RIGHT = 0.5
"""Least score of a right answer; only boxes have scores between 0 and 1."""
SIDES = ("left", "right", "above", "below")
WAYS = ("right", "left", "up", "down", "up right", "up left", "down right", "down left")
ODD_OR_EVEN = ("equal", "odd by 1", "even by 1", "odd by 2", "even by 2")
_OPTIONS = re.compile(r"\bone of: (.+?)\.")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class WrongAnswer:
    """A wrong answer. last_step: the step that leads to it, where replacing the gold answer in the true last
    step is not enough."""

    answer: str
    last_step: str | None = None


@dataclass(frozen=True)
class Truth:
    """A drawn example and the scene that its picture was drawn from. Raises InputError for other examples."""

    example: Example

    def __post_init__(self) -> None:
        known = all(name in self.example.meta for name in ("kind", "caption", "formal"))
        if not known or self.example.answer is None or not self.example.steps:
            raise InputError(
                f"example {self.example.id} is not of a drawn world, so the oracle does not know its answer; "
                "use --data drawn:WORLD:N, or a teacher on a server"
            )

    @property
    def question(self) -> str:
        """The question without marks of media."""
        return MEDIA_MARK.sub("", self.example.question).strip()

    @property
    def answer(self) -> str:
        """The gold answer."""
        return str(self.example.answer)

    @property
    def kind(self) -> str:
        """The kind of question, such as "count" or "angle"."""
        return self.example.meta["kind"]

    @property
    def caption(self) -> str:
        """A sentence that describes the whole picture."""
        return self.example.meta["caption"]

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The example's steps, without the separators of grids."""
        return tuple(step.rstrip(" ,/") for step in self.example.steps)

    @cached_property
    def scene(self) -> Mapping[str, Any]:
        """What the picture shows, in the form of drawn worlds for `ShapeGrids` and `Pages` too."""
        meta = self.example.meta
        if objects := meta.get("objects"):
            things = [{"colour": c, "shape": s, "box": _cell(row, column)} for row, column, c, s in objects]
            return {"things": things, "size": _grid(objects)}
        if "page" in meta:
            page = Page.of(self.example)
            digits = [{"text": str(d), "box": _cell(*at)} for at, d in page.digits.items()]
            return {"digits": digits, "size": [page.columns * CELL_PX, page.rows * CELL_PX]}
        return meta["formal"]

    @cached_property
    def _verifier(self) -> Verifier:
        if self.example.choices:
            return verify.same_choice
        if self.boxes is None:
            return verify.same_answer
        plain = len(self.boxes) == 1 and not self.boxes[0].label
        return verify.by_name("box_iou" if plain else "boxes")

    @cached_property
    def boxes(self) -> tuple[Box, ...] | None:
        """The boxes of the answer; None where it is not boxes."""
        return read_boxes(self.answer)

    def is_right(self, answer: str | None) -> bool:
        """Whether the example's verifier accepts an answer."""
        response = Response(text=answer or "", answer=answer)
        return (self._verifier(self.example, response).value or 0.0) >= RIGHT

    def share_of_steps_in(self, text: str) -> float:
        """Share of the true steps that occur in a text, word for word and as often as in the truth."""
        text, true = " ".join(text.split()), " ".join(" ".join(self.steps).split())
        steps = [" ".join(step.split()) for step in self.steps]
        return sum(text.count(step) >= true.count(step) for step in steps) / len(steps)

    def wrong(self, rng: random.Random) -> WrongAnswer:
        """A wrong answer that is plausible for this kind of question."""
        return next(wrong for wrong in self._plausible(rng) if not self.is_right(wrong.answer))

    def steps_towards(self, wrong: WrongAnswer) -> tuple[str, ...]:
        """The true steps, the last one changed so that it leads to a wrong answer."""
        last = wrong.last_step or _with_other_answer(self.steps[-1], self.answer, wrong.answer)
        return (*self.steps[:-1], last or f"So it is {wrong.answer}.")

    def _plausible(self, rng: random.Random) -> Iterator[WrongAnswer]:
        if self.example.choices:
            letters = [chr(65 + i) for i in range(len(self.example.choices))]
            yield from map(WrongAnswer, _shuffled(letters, rng))
        elif self.boxes is not None:
            yield from self._other_boxes(rng)
        elif (gold := read_quantity(self.answer)) is not None:
            steps = (10, 20) if self.kind == "measure" else (1, 1, 2, 3, 10)
            least = 0 if gold.value >= 0 else -10_000
            for away in _shuffled([sign * step for step in steps for sign in (1, -1)], rng):
                if gold.value + away >= least:
                    yield WrongAnswer(str(gold.value + away))
        elif ", " in self.answer:
            yield from (WrongAnswer(", ".join(_shuffled(self.answer.split(", "), rng))) for _ in range(20))
        else:
            yield from map(WrongAnswer, _shuffled(self._alternatives(), rng))
        yield WrongAnswer("nothing of the kind")

    def _other_boxes(self, rng: random.Random) -> Iterator[WrongAnswer]:
        """Another object instead of the one that is meant; one object where there is none; else all boxes
        moved."""
        assert self.boxes is not None
        objects = [thing for thing in self.scene.get("things", ()) if "box" in thing]
        if not self.boxes or not self.boxes[0].label:
            for thing in _shuffled(objects, rng):
                words = " ".join(thing[a] for a in ("size", "colour", "shape") if a in thing)
                label = "" if self.boxes else f"{thing['colour']} {thing['shape']}"
                yield WrongAnswer(write_boxes([labelled_box(thing["box"], label)]), f"So it is the {words}.")
        moved = write_boxes(_moved(box, self.scene["size"][0]) for box in self.boxes)
        yield WrongAnswer(moved, f"I find them here: {moved}.")

    def _alternatives(self) -> list[str]:
        """Other answers of the gold answer's kind: options of the question, or other names in the scene.

        If the question names the gold answer, it names the alternatives too (which of two is in front?); if
        it does not, what it names is something else (nearest to what?).
        """
        question = self.question.casefold()
        for group in self._groups():
            if self.answer in group:
                named = [(o, bool(re.search(rf"\b{re.escape(o.casefold())}\b", question))) for o in group]
                gold = dict(named)[self.answer]
                if others := [o for o, there in named if o != self.answer and there == gold]:
                    return others
        return []

    def _groups(self) -> Iterator[Sequence[str]]:
        scene = self.scene
        yield from (found.split(", ") for found in _OPTIONS.findall(self.question))
        yield SIDES if self.kind == "relation" else WAYS if self.kind == "direction" else ()
        yield (*ODD_OR_EVEN, *({self.answer} if self.kind == "odd_or_even" else ()))
        yield [f"{t['colour']} {t['shape']}" for t in scene.get("things", ())]
        yield scene.get("names", ())
        lines = scene.get("lines", ())
        yield from ([line[side] for line in lines] for side in (0, 1))
        yield [word for line in lines for word in line[0].split()]


def with_wrong_step(steps: Sequence[str], rng: random.Random) -> tuple[str, ...]:
    """The steps with one of them wrong; the last one only where there is no other."""
    at = rng.randrange(max(1, len(steps) - 1))
    return (*steps[:at], _altered(steps[at], rng), *steps[at + 1 :])


_SWAPS = (
    ("red", "blue"), ("green", "yellow"), ("purple", "black"), ("orange", "cyan"), ("pink", "brown"),
    ("grey", "navy"), ("circle", "square"), ("triangle", "star"), ("left", "right"), ("top", "bottom"),
    ("yes", "no"), ("on", "off"), ("odd", "even"), ("more", "less"), ("longest", "shortest"),
    ("above", "below"), ("across", "up and down"), ("there is no", "there is one"), ("is", "is not"),
)  # fmt: skip
_OTHER = {a: b for pair in _SWAPS for a, b in (pair, pair[::-1])}
_WORD = re.compile(rf"(?<!\w)({'|'.join(sorted(_OTHER, key=len, reverse=True))})(?=s?(?!\w))", re.IGNORECASE)


def _altered(step: str, rng: random.Random) -> str:
    """The step with a number changed, else a word, else replaced."""
    if found := list(_NUMBER.finditer(step)):
        one = rng.choice(found)
        other = str(int(one[0]) + rng.randint(1, 3)).zfill(len(one[0]))
        return step[: one.start()] + other + step[one.end() :]
    if found := list(_WORD.finditer(step)):
        one = rng.choice(found)
        other = _OTHER[one[0].lower()]
        other = other.capitalize() if one[0][0].isupper() else other
        return step[: one.start()] + other + step[one.end() :]
    return "I leave something out here."


def _with_other_answer(step: str, gold: str, wrong: str) -> str | None:
    """The step with `wrong` in place of the last `gold`; two names that both occur in it are exchanged. None
    where the step does not contain the gold answer."""
    found = list(re.finditer(rf"(?<!\w){re.escape(gold)}(?!\w)", step))
    if not found:
        return None
    if read_quantity(gold) is None and wrong in step:
        return re.sub(
            f"{re.escape(gold)}|{re.escape(wrong)}", lambda m: wrong if m[0] == gold else gold, step
        )
    return step[: found[-1].start()] + wrong + step[found[-1].end() :]


def _moved(box: Box, width: int) -> Box:
    """The box moved by its width to the right, or to the left at the right edge of the picture."""
    box_width = box.x2 - box.x1
    move = box_width if box.x2 + box_width <= width else -box_width
    return Box(box.x1 + move, box.y1, box.x2 + move, box.y2, box.label)


def labelled_box(corners: Sequence[float], label: str = "") -> Box:
    """A Box from its corners (x1, y1, x2, y2)."""
    x1, y1, x2, y2 = corners
    return Box(x1, y1, x2, y2, label)


def _shuffled(items: Sequence[Any], rng: random.Random) -> list[Any]:
    return rng.sample(list(items), len(items))


def _cell(row: int, column: int) -> list[int]:
    return [column * CELL_PX, row * CELL_PX, (column + 1) * CELL_PX, (row + 1) * CELL_PX]


def _grid(objects: Sequence[Any]) -> list[int]:
    """(width, height) of the part of a grid's picture that holds its objects."""
    return [CELL_PX * (1 + max(o[axis] for o in objects)) for axis in (1, 0)]
