"""Seconds of the parts of a GRPO step on one card, and of what cards tell each other."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from seethink.engines.base import BATCH_TOKENS
from seethink.run.cost.figures import Figures
from seethink.run.cost.known_models import CALIBRATION_MODEL, ModelCost
from seethink.run.cost.workload import (
    BF16,
    FP32,
    STATE_BYTES,
    Question,
    forward_flops,
    kept_bytes,
    tower_flops,
)
from seethink.train.configs import GRPOConfig, TrainingConfig

OPTIMISER_BYTES = 7 * FP32
"""Read and written by Adam for each weight: three read and written, and the gradient."""
RECOMPUTED = 4 / 3
"""Time of forward and backward pass with checkpointing over that without: one more forward pass."""
CHUNK_BYTES = 16 * 2048
"""Of logits that exist at one time, for each entry of the vocabulary, as `train.memory` counts them."""
SHORT, LONG = Question(350, 1296, 8, 512), Question(4096, 16_128, 8, 512)
"""The updates that `Figures.short_update` and `Figures.long_update` measured."""
CALIBRATION_ROWS = 32
"""Rows that `Figures.rollout` sampled together: four questions with eight answers."""


@dataclass(frozen=True)
class CardCost:
    """What one card needs for a model. cards: of the whole training."""

    model: ModelCost
    figures: Figures
    cards: int = 1

    # Arithmetic ------------------------------------------------------------------------------------------

    @cached_property
    def mfu(self) -> float:
        """Share of the peak that arithmetic reaches, launches left out: from the difference of the two
        measured updates."""
        more = forward_flops(CALIBRATION_MODEL, LONG) - forward_flops(CALIBRATION_MODEL, SHORT)
        seconds = self.figures.long_update.value - self.figures.short_update.value
        return 3 * more / seconds / self.figures.peak.value

    @property
    def _rate(self) -> float:
        return self.mfu * self.figures.peak.value

    @cached_property
    def pass_s(self) -> float:
        """Seconds that a layer's forward pass takes whatever its tokens are: launches. What is left of the
        shorter update, in three equal parts, over the layers of both stacks."""
        model = CALIBRATION_MODEL
        left = self.figures.short_update.value - 3 * forward_flops(model, SHORT) / self._rate
        return left / 3 / (model.text.layers + model.tower.layers)

    def forward_s(self, question: Question) -> float:
        """Seconds of one forward pass."""
        layers = self.model.text.layers + self.model.tower.layers
        return forward_flops(self.model, question) / self._rate + layers * self.pass_s

    def update_s(self, question: Question, training: TrainingConfig) -> float:
        """Seconds of forward and backward pass. A frozen tower has no backward pass; frozen weights beside
        adapters have no gradient of their own."""
        tower = tower_flops(self.model, question) / self._rate + self.model.tower.layers * self.pass_s
        language = self.forward_s(question) - tower
        trains_tower = training.rate("vision") or training.rate("projector")
        passes = 2 if training.adapter.lora_rank else 3
        passes *= RECOMPUTED if training.gradient_checkpointing else 1
        return passes * language + (passes if trains_tower else 1) * tower

    # Sampling --------------------------------------------------------------------------------------------

    @cached_property
    def layer_s(self) -> float:
        """Seconds that a layer of the local engine takes for one token of every row, beside the reading of
        its weights: launches, mostly. From `Figures.rollout`."""
        model = CALIBRATION_MODEL
        step = CALIBRATION_ROWS / self.figures.rollout.value
        reading = BF16 * (model.text.weights + model.head) / self.figures.memory_bandwidth.value
        return (step - reading) / model.text.layers

    def decode_s(self, rows: int, context: float, bytes_each: int = FP32) -> float:
        """Seconds of one token for each of `rows` rows with `context` cached tokens."""
        text = self.model.text
        cache = rows * context * 2 * text.kv_size * text.layers
        read = bytes_each * (text.weights + self.model.head + cache)
        arithmetic = 2 * rows * (text.weights + self.model.head) / self._rate
        return text.layers * self.layer_s + max(read / self.figures.memory_bandwidth.value, arithmetic)

    def rollout_s(self, prompt: Question, lengths: Sequence[Sequence[int]], limit: int) -> float:
        """Seconds to sample groups of completions of these lengths: prompts are computed once, and as many
        groups as `BATCH_TOKENS` allows continue together until the longest completion ends."""
        if not lengths:
            return 0.0
        rows = len(lengths[0])
        together = max(1, BATCH_TOKENS // (rows * (prompt.prompt + limit)))
        prefill = self.forward_s(replace(prompt, answers=0, length=0))
        total = len(lengths) * prefill
        for first in range(0, len(lengths), together):
            some = [length for group in lengths[first : first + together] for length in group]
            context = prompt.prompt + sum(some) / len(some) / 2
            total += max(some) * self.decode_s(len(some), context)
        return total

    # Memory ----------------------------------------------------------------------------------------------

    def _trained(self, training: TrainingConfig) -> int:
        """Number of trained weights."""
        n, rank = self.model.parameters, training.adapter.lora_rank
        return n * rank * 4 // self.model.text.hidden if rank else n

    def states(self, training: TrainingConfig, reference: bool) -> float:
        """Bytes of weights, gradients, optimiser states, and of a reference model, for one card alone."""
        n = self.model.parameters
        held = FP32 * n + (STATE_BYTES - FP32) * self._trained(training)
        return held + (FP32 * n if reference and not training.adapter.lora_rank else 0)

    def memory(self, question: Question, training: TrainingConfig, reference: bool) -> float:
        """Bytes at the peak of an update. States are divided among cards where one card cannot hold them."""
        states = self.states(training, reference)
        states /= self.cards if self.sharded(training, reference) else 1
        groups = max(1, int(training.tokens_per_batch // question.tokens))
        kept = groups * kept_bytes(self.model, question, bool(training.gradient_checkpointing))
        return states + kept + CHUNK_BYTES * self.model.text.vocabulary

    def sharded(self, training: TrainingConfig, reference: bool) -> bool:
        """Whether states must be divided among cards: they would leave less than a fifth of the memory."""
        return self.states(training, reference) > 0.8 * self.figures.memory.value

    # Among cards -----------------------------------------------------------------------------------------

    @property
    def _link(self) -> float:
        """Bytes a second of each card in a collective call."""
        inside = self.cards <= self.figures.cards_of_node.value
        link = self.figures.node_link if inside else self.figures.network
        return link.value * self.figures.link_share.value

    def gradients_s(self, training: TrainingConfig, reference: bool, packs: int) -> float:
        """Seconds to add the gradients of all cards (a ring), or to gather divided states twice and scatter
        gradients once for every pack."""
        if self.cards == 1:
            return 0.0
        n, trained = self.model.parameters, self._trained(training)
        share = (self.cards - 1) / self.cards
        starts = self.figures.launch_s.value * math.log2(self.cards)
        if self.sharded(training, reference):
            return packs * (3 * FP32 * n * share / self._link + 3 * starts)
        return 2 * FP32 * trained * share / self._link + starts

    @property
    def weights_s(self) -> float:
        """Seconds to send the weights in bf16 to cards that sample."""
        return BF16 * self.model.parameters / self._link if self.cards > 1 else 0.0

    def optimiser_s(self, training: TrainingConfig, reference: bool) -> float:
        """Seconds of the optimiser: as long as its bytes take."""
        part = self.cards if self.sharded(training, reference) else 1
        return OPTIMISER_BYTES * self.model.parameters / part / self.figures.memory_bandwidth.value


@lru_cache(maxsize=64)
def sampled_lengths(config: GRPOConfig, figures: Figures, seed: str) -> list[list[int]]:
    """Lengths of the completions of a step's groups: log-normal with the mean and spread of `figures`, cut at
    the limit. The lengths of a group share half of their variance, since a hard question is hard for all."""
    rng, limit = random.Random(seed), config.rollout.max_completion_length
    mean, variance = figures.mean_length.value * limit, math.log1p(figures.spread.value**2)
    middle, half = math.log(mean) - variance / 2, math.sqrt(variance / 2)

    def group() -> list[int]:
        own = rng.gauss(0, half)
        drawn = (math.exp(middle + own + rng.gauss(0, half)) for _ in range(config.rollout.num_generations))
        return [min(limit, max(1, round(length))) for length in drawn]

    return [group() for _ in range(config.rollout.prompts_per_step)]
