"""What a model and its settings ask of a card: floating-point operations and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from seethink.train.dimensions import TextDimensions, TowerDimensions

FP32, BF16 = 4, 2
STATE_BYTES = 4 * FP32
"""Of a trained weight: itself, its gradient, and two moments of the optimiser."""
_QWEN2_TOWER = TowerDimensions(1280, 5120, 32, 14, merged=4, full=32)
_QWEN2_5_TOWER = TowerDimensions(1280, 3420, 32, 14, merged=4, gated=True, window=64, full=4)
_QWEN2_7B = TextDimensions(3584, 18_944, 3584, 512, 28, 152_064)
PICTURE_TOKENS, TEXT_TOKENS = 1_280, 20
"""Of a prompt that could not be read: one picture of a megapixel, and a short question."""


@dataclass(frozen=True)
class ModelCost:
    """Sizes of a model. tied: whether the output layer is the table of embeddings."""

    text: TextDimensions
    tower: TowerDimensions
    tied: bool

    @property
    def head(self) -> int:
        return self.text.hidden * self.text.vocabulary

    @property
    def tower_weights(self) -> int:
        """Of the tower and the projector."""
        return self.tower.weights + self.tower.projector(self.text.hidden)

    @property
    def parameters(self) -> int:
        """Norms and biases left out."""
        return self.text.weights + self.tower_weights + self.head * (1 if self.tied else 2)


PUBLISHED: Mapping[str, ModelCost] = {
    "Qwen/Qwen2-VL-2B-Instruct": ModelCost(
        TextDimensions(1536, 8960, 1536, 256, 28, 151_936), _QWEN2_TOWER, tied=True
    ),
    "Qwen/Qwen2-VL-7B-Instruct": ModelCost(_QWEN2_7B, _QWEN2_TOWER, tied=False),
    "Qwen/Qwen2.5-VL-3B-Instruct": ModelCost(
        TextDimensions(2048, 11_008, 2048, 256, 36, 151_936), _QWEN2_5_TOWER, tied=True
    ),
    "Qwen/Qwen2.5-VL-7B-Instruct": ModelCost(_QWEN2_7B, _QWEN2_5_TOWER, tied=False),
}
"""Sizes from the models' own config.json, for machines that do not have it."""


@cache
def model_cost(name: str) -> ModelCost | None:
    """Of a model by alias, folder or hub id; None where its configuration is neither on this machine nor
    among `PUBLISHED`."""
    from transformers import AutoConfig

    from seethink.models.names import resolve

    try:
        config: Any = AutoConfig.from_pretrained(resolve(name), local_files_only=True)
    except OSError:
        return PUBLISHED.get(name)
    tied = bool(getattr(config, "tie_word_embeddings", False))
    return ModelCost(TextDimensions.of(config), TowerDimensions.of(config), tied)


@dataclass(frozen=True)
class Question:
    """A prompt and what is learned or sampled for it: `answers` of `length` tokens each. prompt: tokens, the
    picture's included. patches: of its pictures. copies: how often prompt and pictures are computed, 1 where
    answers share them."""

    prompt: int
    patches: int
    answers: int
    length: float
    copies: int = 1

    @property
    def tokens(self) -> float:
        """That pass through the layers."""
        return self.copies * self.prompt + self.answers * self.length


def assumed_question(model: ModelCost, prompt: int | None, answers: int, length: float) -> Question:
    """A question about one picture that takes all of the prompt but a short text."""
    tokens = prompt or PICTURE_TOKENS + TEXT_TOKENS
    return Question(tokens, max(0, tokens - TEXT_TOKENS) * model.tower.merged, answers, length)


def forward_flops(model: ModelCost, question: Question) -> float:
    """Of one forward pass: 2 for each weight that a token meets, 4 for each unit of width and visible pair of
    tokens."""
    p, n, c = question.prompt, question.answers, question.length
    pairs = question.copies * p * (p + 1) / 2 + n * c * (p + (c + 1) / 2)
    text = model.text
    language = text.weights * question.tokens + model.head * n * c
    attention = text.heads * text.layers * pairs
    seen = question.copies * model.tower.hidden * model.tower.seen_pairs(question.patches)
    tower = tower_flops(model, question)
    return 2 * language + 4 * (attention + seen) + tower


def tower_flops(model: ModelCost, question: Question) -> float:
    """Of the weights of tower and projector in a forward pass."""
    merged = model.tower.projector(model.text.hidden) * question.patches / model.tower.merged
    return 2 * question.copies * (model.tower.weights * question.patches + merged)


def kept_bytes(model: ModelCost, question: Question, checkpointed: bool, bytes_each: int = BF16) -> float:
    """Activations that a forward pass keeps for its backward pass, as `train.memory` counts them."""
    text, tower = model.text, model.tower
    answers = round(question.answers * question.length)
    row = text.saved(question.prompt * question.copies, answers, question.answers // question.copies)
    of_tower = question.copies * tower.saved(question.patches)
    if checkpointed:
        inputs = text.layers * question.tokens * text.hidden
        inputs += question.copies * tower.layers * question.patches * tower.hidden
        return bytes_each * (inputs + max(row, of_tower))
    return bytes_each * (text.layers * row + tower.layers * of_tower)
