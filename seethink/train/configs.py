"""What a user may set for each training. No torch, so that recipes and the command line load at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Optimiser:
    """Shared by every training. Defaults suit a pretrained model of billions of parameters.

    vision_, projector_, language_learning_rate: of one part; None means learning_rate, 0 freezes it.
    lora_rank: above 0, low-rank adapters on the language model's layers are trained instead of its weights
    (Hu et al. 2021), and merged at the end; the other parts then stand still unless they have a rate of
    their own. lora_alpha: their scale, 2 * rank if not given. four_bit: what they stand beside is held in 4
    bits (QLoRA).
    max_prompt_tokens: a longer prompt (pictures counted) is an error that names its row, or with drop_long is
    left out and counted. It is never cut: a picture cut in two would be another picture.
    tokens_per_pack: padded tokens of one forward pass; a group larger than that still goes through, alone.
    save_every: optimiser steps between checkpoints from which a killed run continues.
    bf16: autocast (weights and optimiser states stay fp32); None means on an accelerator, not on a CPU.
    """

    learning_rate: float = 1e-6
    vision_learning_rate: float | None = None
    projector_learning_rate: float | None = None
    language_learning_rate: float | None = None
    lora_rank: int = 0
    lora_alpha: int | None = None
    four_bit: bool = False
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    max_grad_norm: float = 1.0
    max_prompt_tokens: int | None = None
    drop_long: bool = False
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
            or self.lora_rank < 0
            or any(rate is not None and rate < 0 for rate in self._own_rates.values())
        ):
            raise ValueError(f"impossible settings: {self}")
        if self.four_bit and not self.lora_rank:
            raise ValueError("weights in 4 bits stand still: four_bit needs adapters, such as lora_rank=16")

    @property
    def _own_rates(self) -> dict[str, float | None]:
        return {
            "vision": self.vision_learning_rate,
            "projector": self.projector_learning_rate,
            "language": self.language_learning_rate,
        }

    def rate(self, part: str | None) -> float:
        """The learning rate of a part's weights; adapters have that of the language model. 0: frozen."""
        own = self._own_rates.get(part or "")
        if own is not None:
            return own
        return 0.0 if self.lora_rank and part in ("vision", "projector") else self.learning_rate


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

    def steps_for(self, n_lessons: int) -> int:
        """Optimiser steps of the whole training."""
        return self.steps or math.ceil(n_lessons * self.epochs / self.lessons_per_step)


@dataclass(frozen=True)
class Practising(Optimiser):
    """How questions are asked in a training that learns from its own responses.

    steps: rollout batches. shuffle False asks the questions as they stand, a curriculum. pass_rates: a
    question that was answered right less or more often than this is passed over once (`questions.Walk`).
    refills: up to this many times per step, groups without spread are replaced by other questions (DAPO's
    dynamic sampling). rollout: who answers; "local" is the trained model itself, "vllm" a copy in this
    process that may take the share `rollout_memory` of the accelerator's memory, "http://host:port/v1" a vLLM
    server. importance_cap: where the copy's probabilities differ from the model's, up to which ratio the
    difference is made good; 0 leaves it.
    """

    questions_per_step: int = 16
    responses_per_question: int = 8
    steps: int = 100
    temperature: float = 1.0
    max_tokens: int = 256
    shuffle: bool = True
    pass_rates: tuple[float, float] = (0.0, 1.0)
    refills: int = 0
    rollout: str = "local"
    rollout_memory: float = 0.3
    importance_cap: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.responses_per_question < 2:
            raise ValueError("a group needs at least two responses, or no advantage can be formed")
        if not 0 <= self.pass_rates[0] < self.pass_rates[1] <= 1:
            raise ValueError(f"pass_rates is a range within 0 and 1, such as 0.1,0.9, not {self.pass_rates}")
        if self.rollout not in ("local", "vllm") and not self.rollout.startswith(("http://", "https://")):
            raise ValueError(f"rollout is 'local', 'vllm' or http://host:port/v1, not {self.rollout!r}")
        if self.rollout != "local" and self.temperature > 2:
            raise ValueError(f"vLLM samples at temperatures up to 2, not {self.temperature}")
        if not 0 < self.rollout_memory < 1 or self.importance_cap < 0:
            raise ValueError(f"impossible settings: {self}")
        if min(self.questions_per_step, self.steps, self.max_tokens) < 1 or self.refills < 0:
            raise ValueError(f"impossible settings: {self}")


@dataclass(frozen=True)
class GRPO(Practising):
    """Group relative policy optimisation (Shao et al. 2024, DeepSeekMath, eq. 3), with clip-higher (DAPO,
    eq. 10).

    Each rollout batch feeds `updates_per_rollout` (mu) optimiser steps. kl_weight (beta) 0 loads no reference
    model; kl: its estimator. ratio: of each "token" (GRPO), of the whole "sequence" (GSPO), or a "weight"
    that is clipped while every token keeps its gradient (CISPO). advantage: "group" (GRPO), "centred"
    (Dr. GRPO), "rloo". normalise: "sequence" is the mean over responses of the mean over tokens (GRPO),
    "token" the mean over all tokens of the step (DAPO), "fixed" the sum over max_tokens (Dr. GRPO).
    overlong_tokens: the last tokens before the limit cost reward (DAPO). nll_weight: of the traces of the
    same questions, learned beside the rewards. Formulas and sources: `objectives.py`.
    """

    schedule: Literal["constant", "linear", "cosine"] = "constant"
    kl_weight: float = 0.0
    kl: Literal["k1", "k2", "k3"] = "k3"
    clip_low: float = 0.2
    clip_high: float = 0.2
    ratio: Literal["token", "sequence", "weight"] = "token"
    advantage: Literal["group", "centred", "rloo"] = "group"
    normalise: Literal["sequence", "token", "fixed"] = "sequence"
    updates_per_rollout: int = 1
    overlong_tokens: int = 0
    nll_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.overlong_tokens < self.max_tokens or self.nll_weight < 0:
            raise ValueError(f"impossible settings: {self}")
        if self.updates_per_rollout < 1 or self.save_every % self.updates_per_rollout:
            raise ValueError(
                "save_every must be a multiple of updates_per_rollout: a rollout is not cut in two"
            )


@dataclass(frozen=True)
class DPO(Optimiser):
    """Direct preference optimisation (arXiv 2305.18290) with the usual additions.

    beta: how far the policy may leave the reference. label_smoothing: the share of labels taken for wrong.
    per_token: margins are means over a response's tokens, not sums, so that length does not win. nll_weight:
    of the better response's likelihood (mean over its tokens), which otherwise may fall. steps, if given,
    wins over epochs.
    """

    learning_rate: float = 5e-7
    warmup: float = 0.1
    pairs_per_step: int = 16
    epochs: float = 1.0
    steps: int | None = None
    beta: float = 0.1
    label_smoothing: float = 0.0
    per_token: bool = False
    nll_weight: float = 0.0

    def steps_for(self, n_pairs: int) -> int:
        """Optimiser steps of the whole training."""
        return self.steps or math.ceil(n_pairs * self.epochs / self.pairs_per_step)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta <= 0 or not 0 <= self.label_smoothing < 0.5 or self.nll_weight < 0:
            raise ValueError(f"impossible settings: {self}")
