"""Starting points of `seethink init`: drawn pictures with questions, a verifier and a short training."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any, Literal

from seethink.types import Example


@dataclass(frozen=True)
class Start:
    """A folder to start from.

    about: what the questions ask. draw: (split, number) -> an example, or None where this number has
    none of the kind. verifier: the function in the module of this package that becomes `my_verifier.py`.
    answer: what an answer is, in words. method, settings: the training in the folder's commands. rows,
    held_out: numbers of questions, each about its own picture. steps: whether the rows hold the reasoning
    steps, which SFT imitates. format: the one in the commands.
    """

    about: str
    draw: Callable[[str, int], Example | None]
    verifier: str
    answer: str
    method: Literal["grpo", "sft"]
    settings: Mapping[str, Any]
    rows: int
    held_out: int
    steps: bool = False
    format: str = "think_answer"

    @property
    def module(self) -> str:
        """The file that becomes `my_verifier.py`."""
        return f"{self.verifier}.py"

    def examples(self, split: str, n: int) -> Iterator[Example]:
        """The first `n` examples of a split, each about its own picture."""
        drawn = (self.draw(split, i) for i in itertools.count())
        return itertools.islice((example for example in drawn if example is not None), n)


def _counting(split: str, i: int) -> Example:
    from seethink.sources.drawn.grid import ShapeGrids

    return ShapeGrids(i + 1, split, cells=(4, 4), objects=(2, 8))[i]


def _boxes(split: str, i: int) -> Example:
    """One of few objects, named by its colour, shape or size."""
    from seethink.sources.drawn import GROUNDING

    return GROUNDING.only("attribute").example(f"start/boxes/{split}/{i}", shifted=False, level=1)


def _choices(split: str, i: int) -> Example | None:
    """The largest or smallest of three bars, with their names in random order as options."""
    from seethink.sources.drawn import CHARTS

    key = f"start/choices/{split}/{i}"
    example = CHARTS.only("extreme").example(key, shifted=False, level=1)
    if example.meta["formal"]["chart"] != "bars":
        return None
    names = example.meta["formal"]["names"]
    options = tuple(random.Random(f"{key}/options").sample(names, len(names)))
    listed = " ".join(f"({letter}) {name}" for letter, name in zip(ascii_uppercase, options, strict=False))
    letter = ascii_uppercase[options.index(str(example.answer))]
    return replace(example, question=f"{example.question} {listed}", answer=letter, choices=options)


STARTS: Mapping[str, Start] = {
    "counting": Start(
        about="how many shapes of a kind there are",
        draw=_counting,
        verifier="near",
        answer="the number",
        method="grpo",
        settings={"learning_rate": 5e-5, "max_steps": 25, "max_completion_length": 160},
        rows=400,
        held_out=200,
    ),
    "boxes": Start(
        about="where an object is; the answer is its box",
        draw=_boxes,
        verifier="box_overlap",
        answer="the box as [x1, y1, x2, y2]",
        method="sft",
        settings={"learning_rate": 5e-4, "max_steps": 60},
        format="answer_only",
        rows=800,
        held_out=100,
    ),
    "choices": Start(
        about="which bar of a chart is the largest or the smallest; the answer is the letter of an option",
        draw=_choices,
        verifier="option",
        answer="the letter of the option",
        method="sft",
        settings={"learning_rate": 5e-4, "max_steps": 80},
        format="answer_only",
        rows=800,
        held_out=100,
    ),
}
"""{name: starting point}. Their trainings fit the bundled model and are set here alone."""
