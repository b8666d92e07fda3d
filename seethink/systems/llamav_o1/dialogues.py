"""Data sets of LlamaV-o1's two curriculum stages, made from questions on access."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from seethink.sequences import LazySequence
from seethink.sources.drawn import DrawnExamples, another_question
from seethink.systems.llamav_o1.turns import dialogue, opening
from seethink.systems.sprout.styles import PLAN
from seethink.types import Example, InputError


@dataclass(frozen=True)
class StagedQuestions(LazySequence[Example]):
    """Questions about drawn pictures, `per_picture` in a row about each. Their steps are LLaVA-CoT's stages:
    a plan, the picture's caption, the reasoning."""

    pictures: DrawnExamples
    per_picture: int = 1

    @property
    def identity(self) -> str:
        return f"{self.pictures.identity}/in stages/{self.per_picture}"

    def __len__(self) -> int:
        return self.per_picture * len(self.pictures)

    def item(self, i: int) -> Example:
        picture, place = divmod(i, self.per_picture)
        example = self.pictures[picture]
        if place:
            name = f"{example.id}/{place}"
            example = replace(another_question(random.Random(name), example), id=name)
        stages = (PLAN, example.meta["caption"], " ".join(example.steps))
        return replace(example, steps=stages)


@dataclass(frozen=True)
class Openings(LazySequence[Example]):
    """The first stage's rows: plan and caption of each question (`turns.opening`)."""

    questions: LazySequence[Example]

    @property
    def identity(self) -> str:
        return f"{self.questions.identity}/opening"

    def __len__(self) -> int:
        return len(self.questions)

    def item(self, i: int) -> Example:
        return opening(self.questions[i])


@dataclass(frozen=True)
class Dialogues(LazySequence[Example]):
    """The second stage's rows: the first `n` dialogues of neighbouring questions about the same media, at
    most `longest` questions each. Only then are the questions read. Raises InputError for fewer."""

    questions: LazySequence[Example]
    n: int
    longest: int = 4

    @property
    def identity(self) -> str:
        return f"{self.questions.identity}/dialogues/{self.longest}"

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> Example:
        return dialogue(self.about(i))

    def about(self, i: int) -> Sequence[Example]:
        """The questions of dialogue `i`, answered or not."""
        start, end = self._groups[i]
        return self.questions[start:end]

    @cached_property
    def _groups(self) -> Sequence[tuple[int, int]]:
        """(start, end) of each dialogue among the questions."""
        groups = [*islice(self._all_groups(), self.n)]
        if len(groups) < self.n:
            raise InputError(
                f"the questions make {len(groups):,} dialogues, not {self.n:,}; set n to at most that"
            )
        return groups

    def _all_groups(self) -> Iterator[tuple[int, int]]:
        start, media = 0, None
        for i, question in enumerate(self.questions):
            if i > start and (question.media != media or i - start == self.longest):
                yield start, i
                start = i
            media = question.media
        if len(self.questions):
            yield start, len(self.questions)


@dataclass(frozen=True)
class FirstQuestions(LazySequence[Example]):
    """The first question of each dialogue, whose pass rate stands for the dialogue's: it has the same id."""

    dialogues: Dialogues

    @property
    def identity(self) -> str:
        return f"{self.dialogues.identity}/first"

    def __len__(self) -> int:
        return len(self.dialogues)

    def item(self, i: int) -> Example:
        return self.dialogues.about(i)[0]
