"""What a user may set for each training. No torch, so that recipes and the command line load at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Optimiser:
    """Shared by every training. Defaults suit a pretrained model of billions of parameters.

    tokens_per_pack: padded tokens of one forward pass; a group larger than that still goes through, alone.
    save_every: optimiser steps between checkpoints from which a killed run continues.
    bf16: autocast (weights and optimiser states stay fp32); None means on an accelerator, not on a CPU.
    """

    learning_rate: float = 1e-6
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    max_grad_norm: float = 1.0
    tokens_per_pack: int = 16_384
    gradient_checkpointing: bool = False
    bf16: bool | None = None
    save_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if (
            self.learning_rate <= 0
            or not 0 <= self.warmup < 1
            or self.tokens_per_pack < 1
            or self.save_every < 1
        ):
            raise ValueError(f"impossible settings: {self}")


@dataclass(frozen=True)
class SFT(Optimiser):
    """Negative log-likelihood of the reply alone, never of the prompt.

    shuffle False keeps the lessons' order (for streams that are random already). steps, if given, wins over
    epochs.
    """

    learning_rate: float = 2e-5
    warmup: float = 0.1
    lessons_per_step: int = 16
    epochs: float = 1.0
    steps: int | None = None
    shuffle: bool = True


@dataclass(frozen=True)
class GRPO(Optimiser):
    """Group relative policy optimisation (Shao et al. 2024, DeepSeekMath, eq. 3), with clip-higher (DAPO,
    eq. 10).

    steps: rollout batches; each feeds `updates_per_rollout` (mu) optimiser steps. kl_weight (beta) 0 loads
    no reference model. normalise: "sequence" is the mean over responses of the mean over tokens (GRPO),
    "token" the mean over all tokens of the step (DAPO).
    """

    schedule: Literal["constant", "linear", "cosine"] = "constant"
    questions_per_step: int = 16
    responses_per_question: int = 8
    steps: int = 100
    temperature: float = 1.0
    max_tokens: int = 256
    kl_weight: float = 0.0
    clip_low: float = 0.2
    clip_high: float = 0.2
    updates_per_rollout: int = 1
    normalise: Literal["sequence", "token"] = "sequence"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.responses_per_question < 2:
            raise ValueError("a group needs at least two responses, or no advantage can be formed")
        if self.save_every % self.updates_per_rollout:
            raise ValueError(
                "save_every must be a multiple of updates_per_rollout: a rollout is not cut in two"
            )
