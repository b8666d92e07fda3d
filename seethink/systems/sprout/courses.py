"""The courses of `sprout`'s curriculum: what is learned in each, for how long, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seethink.run.run import Run
from seethink.systems.sprout.curriculum import SHARES, TOLD, WITH_WORDS, CurriculumExamples
from seethink.systems.sprout.growth_config import GrowthConfig, RowShape
from seethink.systems.sprout.styles import ANSWERING, READING, REASONING, Manners

UNENDING = 10**12
"""Examples of a course: more than are ever drawn."""


@dataclass(frozen=True)
class Course:
    """A stage of the curriculum. steps: updates at the scales tiny and one_gpu. adam_share: the learning rate
    of the head and of vectors, as a part of that of matrices. rows: of 1,024 tokens and of 1,024 patches in
    a batch at one_gpu; at tiny, a sixteenth of it."""

    manners: Manners
    steps: Mapping[str, int]
    learning_rate: float = 3e-3
    adam_share: float = 1 / 2
    rows: int = 64
    per_picture: int = 4
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)

    def examples(self, name: str, seed: int, level: int | None = None) -> CurriculumExamples:
        """The examples; the course's name is part of their random seeds. level: of the drawn worlds."""
        return CurriculumExamples(UNENDING, name, seed, self.manners, self.per_picture, self.shares, level)

    def config(self, run: Run, with_text: bool = True) -> GrowthConfig:
        """with_text: whether batches have rows of tokens."""
        rows = run.scale(smoke=1, tiny=self.rows // 16, one_gpu=self.rows)
        return GrowthConfig(
            max_steps=run.scale(smoke=2, **self.steps),
            shape=RowShape(rows if with_text else 0, tower_rows=rows),
            learning_rate=self.learning_rate,
            adam_learning_rate=self.learning_rate * self.adam_share,
            name_squares=not self.manners,
            workers=run.scale(smoke=0, tiny=1, one_gpu=15),
            compile=run.scale(tiny=False, one_gpu=True),
            save_steps=run.scale(tiny=200, one_gpu=500),
        )


SEEN = {
    "pages": 0.9,
    "counting": 0.07,
    "grounding": 0.06,
    "detection": 0.06,
    "spatial": 0.08,
    "geometry": 0.5,
    "charts": 0.11,
    "text": 0.16,
    "screens": 0.07,
    "clips": 0.06,
}
"""Many pages, which are small, and whose handwriting takes most examples: where an eighth of the pictures
were pages, 9 of 100 new digits were named wrong. And many figures, whose pictures have few labels: of these
digits, a quarter were named wrong."""
SEE = Course(READING, {"tiny": 1_300, "one_gpu": 800}, 6e-3, 1 / 6, shares=SEEN)
OBJECTS = {
    "pages": 0.27, "counting": 0.17, "grounding": 0.17, "detection": 0.13, "spatial": 0.13, "clips": 0.13
}  # fmt: skip
"""Pages, and worlds whose pictures are lists of objects."""
PRINTED = {
    "pages": 0.10,
    "counting": 0.05,
    "grounding": 0.05,
    "detection": 0.03,
    "spatial": 0.03,
    "text": 0.22,
    "charts": 0.18,
    "screens": 0.16,
    "geometry": 0.18,
    "clips": 0.05,
}
"""With the worlds whose pictures have words or labels."""
ANSWERED = {**WITH_WORDS, TOLD: 0.3}
"""With pictures that are told. Without them, sums of digits that `think` had learned came out wrong again."""
COURSES = {
    # What follows from what is seen, in words; courses of readings keep a little of it. Faster matrices
    # unlearn the heads of `wiring.py`, and a slower head delays everything: after 100 updates the loss was
    # 0.41, at 4e-3 and a sixth of it 0.58.
    "think": Course(READING, {"tiny": 850, "one_gpu": 800}, 1.5e-3, 1.5, shares={TOLD: 1.0}),
    # Dense readings of one kind of picture teach soon which feature comes next; mixed with all worlds, late.
    # The tower stays as it is: trained on pages alone, it forgot what other pictures show (of the words in
    # charts it named 98 % before, and 21 % after 120 updates).
    "scan": Course(
        READING,
        {"tiny": 120, "one_gpu": 100},
        per_picture=2,
        shares={"pages": 1.0, TOLD: 0.3},
    ),
    "list": Course(READING, {"tiny": 250, "one_gpu": 300}, per_picture=1, shares={**OBJECTS, TOLD: 0.2}),
    "read": Course(READING, {"tiny": 300, "one_gpu": 500}, per_picture=2, shares={**PRINTED, TOLD: 0.2}),
    "say": Course(READING, {"tiny": 350, "one_gpu": 1_000}, shares={**SHARES, TOLD: 0.3}),
    "steps": Course(REASONING, {"tiny": 2_000, "one_gpu": 2_500}, 2e-3, per_picture=3, shares=ANSWERED),
    "answers": Course(ANSWERING, {"tiny": 500, "one_gpu": 700}, 1.5e-3, per_picture=4, shares=ANSWERED),
}
