"""Settings of each training method. Imports no torch, so that recipes and the command line load at once.

A config is composed of smaller ones, and no two settings of a method share a name: `learning_rate=5e-5` finds
its place in Python (`GRPOConfig.of(learning_rate=5e-5)`), on the command line and in YAML alike. Names are
those of TRL and transformers where the meaning is the same; `docs/names.md` lists the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from seethink.engines.base import MASK_TOKENS
from seethink.settings import Config
from seethink.train import other_names

SchedulerType = Literal["constant", "linear", "cosine"]
_NO_NUMBER = MappingProxyType({"identity": False})
"""Of a field that alters no number beyond rounding: with another value, a training continues."""


@dataclass(frozen=True)
class MonitoringConfig(Config):
    """What is looked at while a model trains. Nothing here alters a number that is learned.

    eval_steps: optimiser steps between answers to held-out questions, which are answered after the last step
    too; None asks none. report_to: trackers of transformers that get every row of metrics.jsonl, with commas
    between them ("tensorboard,wandb"). log_tokens: write tokens.jsonl, the entropy and the log-probability
    ratio of every token of a rollout (GRPO), which `seethink look` shades. stop_when: "no_signal" ends a
    training whose rewards taught nothing for some steps, "diverging" one whose loss rises (`signals.py`),
    "any" both; GRPO ends after the last update on a rollout batch."""

    eval_steps: int | None = field(default=None, metadata=_NO_NUMBER)
    report_to: str = field(default="none", metadata=_NO_NUMBER)
    log_tokens: bool = field(default=False, metadata=_NO_NUMBER)
    stop_when: Literal["never", "no_signal", "diverging", "any"] = "never"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(eval_steps="at least 1")

    @property
    def trackers(self) -> list[str]:
        """The names in `report_to`."""
        names = [name.strip() for name in self.report_to.split(",")]
        return [name for name in names if name not in ("", "none")]


@dataclass(frozen=True)
class AdapterConfig(Config):
    """Low-rank adapters on the language model's linear layers, trained instead of its weights (Hu et al.
    2021).

    lora_rank: above 0, adapters are trained; the other parts are then frozen unless they have a rate of their
    own. lora_alpha: scale of the adapters; None means 2 * `lora_rank`. load_in_4bit: the frozen weights
    beside adapters are held in 4 bits (QLoRA, Dettmers et al. 2023). keep_adapter: the checkpoint is the
    adapter alone, a folder of PEFT, instead of the whole model with the adapter merged."""

    lora_rank: int = 0
    lora_alpha: int | None = None
    load_in_4bit: bool = False
    keep_adapter: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(lora_rank="at least 0", lora_alpha="at least 1")
        if self.load_in_4bit and not self.lora_rank:
            raise ValueError(
                "4-bit weights cannot be trained: load_in_4bit needs adapters, such as lora_rank=16"
            )
        if self.keep_adapter and not self.lora_rank:
            raise ValueError("there is no adapter to keep: keep_adapter needs one, such as lora_rank=16")


@dataclass(frozen=True)
class TrainingConfig(Config):
    """Optimiser, trained parts, batching and checkpoints: shared by every method. Defaults suit a pretrained
    model of billions of parameters.

    learning_rate: of all trained weights. vision_learning_rate, projector_learning_rate,
    language_learning_rate: of one part; None means `learning_rate`, 0 freezes the part.
    lr_scheduler_type: "constant" warms up too, as transformers' "constant_with_warmup". warmup_ratio:
    share of the steps. max_prompt_length: tokens, media included. A longer prompt is an error that names
    its row, before the first step, or with filter_overlong_prompts its row is left out and counted. It is
    never truncated: half of a picture's tokens are another picture.
    max_tokens_per_batch: padded tokens of one forward pass; None: as many as an accelerator's free memory
    holds, elsewhere 16,384. A larger group still goes through, alone. How a step is cut into passes changes
    no number, so there is no per-device batch size. gradient_checkpointing: every layer is computed again in
    the backward pass; None: of each pack as many layers as memory asks for, on a CPU none
    (`memory_plan.py`). bf16: autocast (weights
    and optimiser states stay fp32); None means on an accelerator, not on a CPU. save_steps: optimiser steps
    between checkpoints from which a killed run continues."""

    learning_rate: float = 1e-6
    vision_learning_rate: float | None = None
    projector_learning_rate: float | None = None
    language_learning_rate: float | None = None
    adapter: AdapterConfig = AdapterConfig()
    lr_scheduler_type: SchedulerType = "cosine"
    warmup_ratio: float = 0.0
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    max_grad_norm: float = 1.0
    max_prompt_length: int | None = None
    filter_overlong_prompts: bool = False
    max_tokens_per_batch: int | None = field(default=None, metadata=_NO_NUMBER)
    gradient_checkpointing: bool | None = field(default=None, metadata=_NO_NUMBER)
    bf16: bool | None = None
    save_steps: int = field(default=50, metadata=_NO_NUMBER)
    seed: int = 0
    monitoring: MonitoringConfig = MonitoringConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            learning_rate="above 0",
            vision_learning_rate="at least 0",
            projector_learning_rate="at least 0",
            language_learning_rate="at least 0",
            warmup_ratio="at least 0 and below 1",
            max_tokens_per_batch="at least 1",
            max_prompt_length="at least 1",
            save_steps="at least 1",
            weight_decay="at least 0",
            adam_beta2="at least 0 and below 1",
            max_grad_norm="above 0",
        )
        if self.adapter.keep_adapter and any(self.rate(part) for part in ("vision", "projector")):
            raise ValueError(
                "an adapter does not hold the vision tower and projector that are trained beside it; leave "
                "their learning rates or keep_adapter out"
            )

    @property
    def tokens_per_batch(self) -> int:
        """`max_tokens_per_batch`, or what stands for it where no memory plan does."""
        return self.max_tokens_per_batch or 16_384

    @property
    def _part_rates(self) -> dict[str, float | None]:
        return {
            "vision": self.vision_learning_rate,
            "projector": self.projector_learning_rate,
            "language": self.language_learning_rate,
        }

    @property
    def names_a_part(self) -> bool:
        """Whether parts of the model are trained otherwise than `learning_rate` says."""
        return any(own is not None for own in self._part_rates.values())

    def rate(self, part: str | None) -> float:
        """Learning rate of a part's weights; adapters have that of the language model. 0: frozen."""
        own = self._part_rates.get(part or "")
        if own is not None:
            return own
        return 0.0 if self.adapter.lora_rank and part in ("vision", "projector") else self.learning_rate


@dataclass(frozen=True)
class EpochConfig(Config):
    """Settings of a method that goes through given rows: SFT, DPO.

    train_batch_size: rows of one optimiser step, over all processes. num_train_epochs: how often every row is
    seen, exactly: epochs follow one another without a gap, and the last step takes what is left. A fraction
    of an epoch is that share of the rows, rounded up. max_steps, if given, wins over num_train_epochs; every
    step then takes a whole batch."""

    other_names = other_names.EPOCHS

    training: TrainingConfig = TrainingConfig()
    train_batch_size: int = 16
    num_train_epochs: float = 1.0
    max_steps: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(train_batch_size="at least 1", num_train_epochs="above 0", max_steps="at least 1")

    def rows_seen(self, n_rows: int) -> int:
        """Rows that the whole training sees, repeated ones included, of a data set of `n_rows`."""
        if self.max_steps:
            return self.max_steps * self.train_batch_size
        return math.ceil(n_rows * Fraction(str(self.num_train_epochs)))  # as a float, 100 * 0.07 is above 7

    def steps_for(self, n_rows: int) -> int:
        """Optimiser steps of the whole training."""
        return math.ceil(self.rows_seen(n_rows) / self.train_batch_size)

    def positions(self, step: int, n_rows: int) -> range:
        """Positions of the rows of optimiser step `step` (from 0) among those that training sees."""
        first = step * self.train_batch_size
        return range(first, min(first + self.train_batch_size, self.rows_seen(n_rows)))


@dataclass(frozen=True)
class SFTConfig(EpochConfig):
    """Supervised fine-tuning: negative log-likelihood of the reply alone, never of the prompt.

    Batches and epochs as in `EpochConfig`. shuffle: False keeps the order of the examples (a curriculum, or a
    stream that is random already)."""

    training: TrainingConfig = TrainingConfig(learning_rate=2e-5, warmup_ratio=0.1)
    shuffle: bool = True


@dataclass(frozen=True)
class RolloutConfig(Config):
    """How a training that learns from its own completions samples them.

    prompts_per_step: prompts of one rollout batch, over all processes; TRL's `generation_batch_size` counts
    completions. num_generations: completions of each prompt, a group. temperature: of sampling, and of the
    policy's log-probabilities. top_p, top_k: truncation of sampling; 1 and 0 are none. The ids that it kept
    are recorded with each token, and log-probabilities of the loss are normalised over them. top_k bounds how
    many they are, so top_p needs it. max_completion_length: tokens, of each turn where the task has an
    environment. shuffle: False takes the prompts in order, a curriculum. pass_rate_range: a prompt whose last
    completions were right less or more often than this is passed over once (`PromptSampler`).
    dynamic_sampling_retries: up to this many times a step, groups without spread are replaced by other
    prompts (dynamic sampling, DAPO). rollout_backend: "local" is the trained model itself, "vllm" a copy in
    this process that may take the share vllm_gpu_memory_utilization of the accelerator's memory,
    "http://host:port/v1" a vLLM server. importance_sampling_cap: upper bound of the ratio that corrects for
    vLLM's own probabilities; 0 turns the correction off. importance_sampling_mode: a ratio of each "token" or
    the product of a whole "sequence", above the cap set to it ("truncate") or rejected, to weight 0 ("mask").
    """

    prompts_per_step: int = 16
    num_generations: int = 8
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_completion_length: int = 256
    shuffle: bool = True
    pass_rate_range: tuple[float, float] = (0.0, 1.0)
    dynamic_sampling_retries: int = 0
    rollout_backend: str = "local"
    vllm_gpu_memory_utilization: float = field(default=0.3, metadata=_NO_NUMBER)
    importance_sampling_cap: float = 2.0
    importance_sampling_mode: Literal[
        "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"
    ] = "token_truncate"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            prompts_per_step="at least 1",
            max_completion_length="at least 1",
            temperature="above 0",
            top_p="above 0 and at most 1",
            top_k=f"at least 0 and at most {MASK_TOKENS}",
            dynamic_sampling_retries="at least 0",
            vllm_gpu_memory_utilization="above 0 and below 1",
            importance_sampling_cap="at least 0",
        )
        if not self.num_generations >= 2:  # NaN neither
            raise ValueError(
                f"num_generations={self.num_generations}: a group needs num_generations of at least 2, or no "
                "advantage can be formed"
            )
        if self.top_p < 1 and not self.top_k:
            raise ValueError(
                f"top_p={self.top_p}: the tokens that it keeps are recorded, and top_k bounds how many; add "
                f"one of at most {MASK_TOKENS}, such as top_k=100"
            )
        low, high = self.pass_rate_range
        if not 0 <= low < high <= 1:
            raise ValueError(f"pass_rate_range is a range within 0 and 1, such as 0.1,0.9, not {low},{high}")
        backend = self.rollout_backend
        if backend not in ("local", "vllm") and not backend.startswith(("http://", "https://")):
            raise ValueError(f"rollout_backend is 'local', 'vllm' or http://host:port/v1, not {backend!r}")
        if backend != "local" and self.temperature > 2:
            raise ValueError(f"vLLM samples at temperatures up to 2, not {self.temperature}")


@dataclass(frozen=True)
class GRPOConfig(Config):
    """Group relative policy optimisation (Shao et al. 2024, DeepSeekMath, eq. 3) and its relatives.

    max_steps: optimiser steps. num_iterations (mu): optimiser steps that learn from one rollout batch. beta:
    weight of the KL divergence from the reference model; 0 loads none. kl_estimator: "k1", "k2" or "k3"
    (Schulman 2020). epsilon, epsilon_high: bounds of the ratio's clip below and above 1 (DAPO, eq. 10); None
    above means the same as below. importance_sampling_level: a ratio for each "token" (GRPO) or for the whole
    "sequence" (GSPO). loss_type: how token losses become one number. "grpo" is the mean over completions of
    the mean over tokens; "dapo" the mean over all tokens of the step; "bnpo" the same within each process,
    then over processes; "dr_grpo" the sum over max_completion_length; "cispo" clips the ratio at epsilon_high
    and uses it as a detached weight of log p; averaged as "dapo". scale_rewards: advantages are divided by
    the standard deviation of the "group", of the "batch", or not ("none", Dr. GRPO). advantage_estimator: the
    baseline is the group's mean ("grpo") or the mean of the others ("rloo", which needs scale_rewards=none).
    overlong_buffer_len: the last tokens before max_completion_length cost reward (soft overlong punishment,
    DAPO). sft_loss_coef: weight of the likelihood of the prompts' own reference traces, learned beside the
    rewards. Formulas and sources: `objectives.py`."""

    other_names = other_names.ROLLOUTS

    training: TrainingConfig = TrainingConfig(lr_scheduler_type="constant")
    rollout: RolloutConfig = RolloutConfig()
    max_steps: int = 100
    num_iterations: int = 1
    beta: float = 0.0
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    epsilon: float = 0.2
    epsilon_high: float | None = None
    importance_sampling_level: Literal["token", "sequence"] = "token"
    loss_type: Literal["grpo", "bnpo", "dapo", "dr_grpo", "cispo"] = "grpo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    advantage_estimator: Literal["grpo", "rloo"] = "grpo"
    overlong_buffer_len: int = 0
    sft_loss_coef: float = 0.0

    @property
    def clip_range(self) -> tuple[float, float]:
        """(epsilon below, epsilon above)"""
        return self.epsilon, self.epsilon if self.epsilon_high is None else self.epsilon_high

    @property
    def rollout_batches(self) -> int:
        """How many times completions are sampled in the whole training."""
        return math.ceil(self.max_steps / self.num_iterations)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            max_steps="at least 1",
            num_iterations="at least 1",
            beta="at least 0",
            epsilon="at least 0",
            epsilon_high="at least 0",
            overlong_buffer_len="at least 0",
            sft_loss_coef="at least 0",
        )
        if self.overlong_buffer_len >= self.rollout.max_completion_length:
            raise ValueError(
                f"overlong_buffer_len={self.overlong_buffer_len} leaves nothing of max_completion_length="
                f"{self.rollout.max_completion_length}; make one of them smaller or larger"
            )
        if self.training.save_steps % self.num_iterations:
            raise ValueError(
                f"save_steps={self.training.save_steps} must be a multiple of num_iterations="
                f"{self.num_iterations}: a killed run continues at the start of a rollout batch"
            )
        if self.advantage_estimator == "rloo" and self.scale_rewards != "none":
            raise ValueError("advantage_estimator=rloo does not scale its advantages; add scale_rewards=none")
        if self.loss_type == "cispo" and self.importance_sampling_level == "sequence":
            raise ValueError("loss_type=cispo weighs each token; leave importance_sampling_level at token")
        if self.loss_type == "cispo" and (self.epsilon_high or 0.0) < 1:
            raise ValueError(
                "loss_type=cispo clips the ratio at epsilon_high itself; give it, such as epsilon_high=5"
            )


@dataclass(frozen=True)
class DPOConfig(EpochConfig):
    """Direct preference optimisation (arXiv 2305.18290) with the usual additions.

    Batches and epochs as in `EpochConfig`, in pairs. beta: how far the policy may leave the reference.
    label_smoothing: the share of labels taken for wrong. loss_type: "sigmoid" compares sums of
    log-probabilities; "sigmoid_norm" means over tokens (as in TRL; Tulu 3, arXiv 2411.15124), so that length
    does not win. rpo_alpha: weight of the mean negative log-likelihood of the better response (arXiv
    2404.19733), which otherwise may fall."""

    training: TrainingConfig = TrainingConfig(learning_rate=5e-7, warmup_ratio=0.1)
    beta: float = 0.1
    label_smoothing: float = 0.0
    loss_type: Literal["sigmoid", "sigmoid_norm"] = "sigmoid"
    rpo_alpha: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(beta="above 0", label_smoothing="at least 0 and below 0.5", rpo_alpha="at least 0")
