"""What a model and its settings ask of a card: floating-point operations and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from seethink.run.cost.known_models import ModelCost

FP32, BF16 = 4, 2
STATE_BYTES = 4 * FP32
"""Of a trained weight: itself, its gradient, and two moments of the optimiser."""
PICTURE_TOKENS, TEXT_TOKENS = 1_280, 20
"""Of a prompt that could not be read: one picture of a megapixel, and a short question."""


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
