"""sprout: the tiny bundled model, trained from random weights on pages of digits and drawn shapes.

source   ours; the architecture is Qwen2-VL's (arXiv 2409.12191), with about five million parameters
claim    none: it exists so that everything here runs at once, offline, on two CPU cores
needs    tiny: two CPU cores, an hour and a quarter
differs  Perception comes first, cell by cell. Then stepwise answers are learned alone. Only then come the
         many response styles that pretrained models have read: directly or by steps, in tags, boxes or prose,
         following the instruction only sometimes. So the model mostly answers directly even where its steps
         would be right, and reinforcement learning has something to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seethink.run.run import Run
from seethink.systems.sprout.curriculum import (
    ANSWERING,
    GRIDS,
    READING,
    REASONING,
    SMALL_GRIDS,
    CurriculumExamples,
    ResponseStyles,
)
from seethink.systems.sprout.initial_model import pretrain_vision_tower, write_initial_model
from seethink.train.configs import SFTConfig


def recipe(run: Run) -> None:
    model = run.make("initial", write_initial_model, seed=run.seed)
    steps = run.scale(smoke=2, tiny=800)
    model = run.make("vision", pretrain_vision_tower, model=model, seed=run.seed, steps=steps)
    for name, full in CURRICULUM.items():
        stage = run.scale(smoke=replace(full, pictures_per_step=4, max_steps=2), tiny=full)
        model = run.sft(name, model, stage.examples(name, run.seed), stage.config())
    run.export("sprout", model)


SFT_DEFAULTS = SFTConfig.of(
    bf16=True,
    warmup_ratio=0.05,
    weight_decay=0.01,
    adam_beta2=0.98,
    shuffle=False,
    max_tokens_per_batch=2_000,
    save_steps=100,
)


@dataclass(frozen=True)
class CurriculumStage:
    """One stage of supervised training: each step sees `pictures_per_step` pictures with `per_picture`
    examples about each, which share the picture's tokens.

    styles: how often each response style follows each prompt format. grids: rows x columns of the pictures.
    """

    styles: ResponseStyles
    pictures_per_step: int
    per_picture: int
    max_steps: int
    grids: Sequence[tuple[int, int]]
    learning_rate: float = 1e-3

    @property
    def train_batch_size(self) -> int:
        return self.pictures_per_step * self.per_picture

    def examples(self, name: str, seed: int) -> CurriculumExamples:
        """The stage's examples, in order; its name is part of their random seeds."""
        n = self.train_batch_size * self.max_steps
        return CurriculumExamples(n, name, seed, self.styles, self.grids, self.per_picture)

    def config(self) -> SFTConfig:
        return SFT_DEFAULTS.replace(
            max_steps=self.max_steps,
            train_batch_size=self.train_batch_size,
            learning_rate=self.learning_rate,
        )


CURRICULUM = {
    "look": CurriculumStage(READING, pictures_per_step=96, per_picture=1, max_steps=150, grids=SMALL_GRIDS),
    "reason": CurriculumStage(REASONING, pictures_per_step=32, per_picture=4, max_steps=1500, grids=GRIDS),
    "practise": CurriculumStage(
        REASONING, pictures_per_step=32, per_picture=4, max_steps=600, grids=GRIDS, learning_rate=6e-4
    ),
    "mixed": CurriculumStage(
        ANSWERING, pictures_per_step=32, per_picture=6, max_steps=300, grids=GRIDS, learning_rate=5e-4
    ),
}
