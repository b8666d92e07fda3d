"""sprout: the tiny bundled model, trained from random weights on every drawn world and on pages of digits.

source   ours; the architecture is Qwen2-VL's (arXiv 2409.12191), with about eight million parameters
claim    none: it exists so that everything here runs at once, offline, on two CPU cores
needs    one_gpu: a GPU and sixteen cores that draw; tiny: two cores with bfloat16 instructions, for the
         easiest level of each world alone; not run to its end at either scale
differs  Perception comes first: the tower names what each square of a picture holds, then the language
         model reads small pages cell by cell, lists objects, reads print, and whole pictures of every
         world. Then stepwise answers are learned alone. Only then come the many response styles that
         pretrained models have read: directly or by steps, in tags, boxes or prose, following the
         instruction only sometimes. So the model mostly answers directly even where its steps would be
         right, and reinforcement learning has something to find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seethink import verify
from seethink.formats import PREFILLED_THINK, THINK_ANSWER, VERBATIM, BaseFormat
from seethink.run.run import Run
from seethink.sources.drawn import WORLDS, by_name
from seethink.sources.handwritten import Pages
from seethink.systems.sprout.curriculum import SHARES, WITH_WORDS, CurriculumExamples, HeldOutReadings
from seethink.systems.sprout.growth_config import GrowthConfig, RowShape
from seethink.systems.sprout.initial_model import ModelSize, write_initial_model
from seethink.systems.sprout.readings import words_read
from seethink.systems.sprout.styles import ANSWERING, READING, REASONING, Manners
from seethink.types import Sampling, Task

UNENDING = 10**12
"""Examples of a course: more than are ever drawn."""


@dataclass(frozen=True)
class Course:
    """A stage of the curriculum. steps: updates at the scales tiny and one_gpu. rows: of 1,024 tokens and of
    1,024 patches in a batch at one_gpu; a sixteenth of it at tiny."""

    manners: Manners
    steps: Mapping[str, int]
    learning_rate: float = 6e-3
    rows: int = 64
    per_picture: int = 4
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    train_tower: bool = True

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
            adam_learning_rate=self.learning_rate / 6,
            train_tower=self.train_tower,
            name_squares=not self.manners,
            workers=run.scale(smoke=0, tiny=1, one_gpu=15),
            compile=run.scale(tiny=False, one_gpu=True),
            save_steps=run.scale(tiny=200, one_gpu=500),
        )


SEEN = {
    **SHARES,
    **{"pages": 0.12, "counting": 0.06, "grounding": 0.06, "detection": 0.06, "text": 0.20, "charts": 0.16},
}
"""More print than elsewhere, since characters are learned last."""
SEE = Course(READING, {"tiny": 2_500, "one_gpu": 800}, shares=SEEN)
OBJECTS = {"counting": 0.3, "grounding": 0.3, "detection": 0.2, "spatial": 0.2}
"""Worlds whose pictures are lists of objects."""
PRINTED = {"text": 0.3, "charts": 0.25, "screens": 0.2, "geometry": 0.25}
"""Worlds whose pictures have words or labels."""
COURSES = {
    # Dense readings of one kind of picture teach soon which feature comes next; mixed with all worlds, late.
    "scan": Course(READING, {"tiny": 200, "one_gpu": 100}, per_picture=2, shares={"pages": 1.0}),
    "list": Course(READING, {"tiny": 600, "one_gpu": 300}, per_picture=1, shares=OBJECTS, train_tower=False),
    "read": Course(
        READING, {"tiny": 1_200, "one_gpu": 500}, per_picture=1, shares=PRINTED, train_tower=False
    ),
    "say": Course(READING, {"tiny": 1_500, "one_gpu": 1_000}),
    "steps": Course(
        REASONING, {"tiny": 4_000, "one_gpu": 2_500}, per_picture=5, shares=WITH_WORDS, train_tower=False
    ),
    "answers": Course(
        ANSWERING,
        {"tiny": 1_200, "one_gpu": 700},
        learning_rate=3e-3,
        per_picture=6,
        shares=WITH_WORDS,
        train_tower=False,
    ),
}


def recipe(run: Run) -> None:
    from seethink.systems.sprout.growth import grow
    from seethink.systems.sprout.perception import pretrain_vision_tower

    texts = run.scale(smoke=400, tiny=16_000, one_gpu=16_000)
    model = run.make("initial", write_initial_model, seed=run.seed, size=ModelSize(), texts=texts)
    greedy = Sampling(temperature=0.0, max_tokens=run.scale(smoke=16, tiny=384, one_gpu=384))
    level = _level(run)
    see = SEE.examples("see", run.seed, level)
    model = run.make("see", pretrain_vision_tower, model=model, course=see, config=SEE.config(run, False))
    for name, course in COURSES.items():
        examples = course.examples(name, run.seed, level)
        model = run.make(name, grow, model=model, course=examples, config=course.config(run))
        run.evaluate(f"readings/{name}", model, _readings(run), greedy)
    model = run.export("sprout", model)
    results = {
        arm: run.evaluate(f"eval/{arm}", model, _tests(run, form), greedy)
        for arm, form in {"asked": THINK_ANSWER, "begun": PREFILLED_THINK}.items()
    }
    run.compare("report", results)


def _readings(run: Run) -> list[Task]:
    """What each world's pictures show, read aloud: after every course, which shows what it forgot."""
    n = run.scale(smoke=1, tiny=50, one_gpu=50)
    worlds = run.scale(smoke=("pages", "clips"), tiny=tuple(SHARES), one_gpu=tuple(SHARES))
    return [
        Task(world, HeldOutReadings(world, n, run.seed, _level(run)), VERBATIM, words_read)
        for world in worlds
    ]


def _level(run: Run) -> int | None:
    """The level of drawn worlds that is learned; None is all of them. Two cores learn the easiest one."""
    return run.scale(smoke=None, tiny=1, one_gpu=None)


def _tests(run: Run, form: BaseFormat) -> list[Task]:
    """Held-out questions of every world, of its shifted variant, and of levels that were not learned."""
    n, level = run.scale(smoke=1, tiny=300, one_gpu=300), _level(run)
    variants = {"": (False, level), ", shifted": (True, level)}
    if level:
        variants[", all levels"] = (False, None)
    tasks = [Task("pages", Pages(n, "test", run.seed), form, verify.by_name("same_answer"))]
    for name in run.scale(smoke=("counting", "clips"), tiny=tuple(WORLDS), one_gpu=tuple(WORLDS)):
        verifier = verify.by_name(WORLDS[name].verifier)
        tasks += [
            Task(f"{name}{label}", by_name(name, n, "test", run.seed, shifted, of), form, verifier)
            for label, (shifted, of) in variants.items()
        ]
    return tasks
