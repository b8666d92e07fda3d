"""Memory estimates: the peak of a training or evaluation, from its config and one prompt, without loading
weights.

Counted, not measured: weights, gradients and optimiser states exactly; of a forward pass the tensors that a
pre-norm transformer saves for its backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from seethink.engines.base import BATCH_TOKENS
from seethink.models.checkpointing import layers_of
from seethink.models.encoder import Prompt
from seethink.models.loading import load_encoder
from seethink.models.names import whole
from seethink.models.policy import ROWS_PER_CHUNK, PolicyModel
from seethink.train.adapters import prepare
from seethink.train.configs import TrainingConfig
from seethink.train.dimensions import TextDimensions, TowerDimensions
from seethink.train.methods import method_of
from seethink.types import Messages, Sampling

FP32 = 4
BYTES_PER_4BIT_WEIGHT = 0.52
"""Half a byte, and an 8-bit constant for every 64 weights."""
SAMPLED_LOGIT = 28
"""Peak bytes per logit of a row that samples: three fp32 copies, and the distribution in fp64."""
KEPT_BY_MALLOC = 1.25
"""Growth of a CPU process per byte of a pack, since freed pieces do not fit what comes next. With gradient
checkpointing glibc may keep twice that, unless MALLOC_MMAP_THRESHOLD_=1048576 is set."""
CHUNK_LOGIT = 16
"""Peak bytes per logit of a chunk: logits, their exponentials, and gradients."""


@dataclass(frozen=True)
class PromptShape:
    """A prompt, and the greatest number of tokens of each of its branches."""

    prompt: Prompt
    branches: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Number of tokens of the row: the prompt and all branches."""
        return len(self.prompt.ids) + sum(self.branches)


@dataclass(frozen=True)
class MemoryEstimate:
    """In bytes. states: weights, optimiser, reference. update: the most that a pack adds, gradients included.
    rollout: keys, values and logits while sampling; update and rollout do not exist at one time. libraries:
    this process with everything imported, if training is on the CPU."""

    states: int
    update: int
    rollout: int
    libraries: int

    @property
    def peak(self) -> int:
        """Greatest number of bytes held at one time."""
        return self.libraries + self.states + max(self.update, self.rollout)

    @property
    def parts(self) -> dict[str, int]:
        """{name: bytes}, for display; of update and rollout only the larger one counts in the peak."""
        weights = {"libraries": self.libraries, "weights and optimiser": self.states}
        return weights | {"update": self.update, "or rollout": self.rollout}


def prompt_shape(name: str, messages: Messages, replies: Sequence[str], config: Any) -> PromptShape:
    """The shape of one prompt of a stage. replies: those that the stage learns of this prompt; where it
    samples, completions have the greatest length that `config` allows."""
    encoder, _ = load_encoder(name)
    (prompt,) = encoder.prompts([messages])
    sampled = (
        (config.n, config.max_tokens) if isinstance(config, Sampling) else method_of(config).sampled(config)
    )
    if sampled:
        n, length = sampled
        return PromptShape(prompt, (length,) * n)
    return PromptShape(prompt, tuple(len(encoder.reply_ids(prompt, text)) for text in replies))


def estimate(name: str, shape: PromptShape, config: Any, n_examples: int) -> MemoryEstimate:
    """Of a stage on `n_examples` examples like `shape`. config: of a training method, or a Sampling, which is
    an evaluation."""
    model_config = AutoConfig.from_pretrained(whole(name))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(model_config, dtype=torch.float32)
        policy = PolicyModel(model)
        n = sum(weight.numel() for weight in model.parameters())
        if not isinstance(config, Sampling):
            prepare(policy, config.training)
    rows = len(shape.branches)
    on_cpu = not torch.cuda.is_available()
    libraries = psutil.Process().memory_info().rss if on_cpu else 0
    if isinstance(config, Sampling):
        return MemoryEstimate(FP32 * n, 0, _rollout(model_config, shape, n_examples * rows), libraries)
    method, training = method_of(config), config.training
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    per_step = min(n_examples, method.groups_per_step(config))
    groups = max(1, min(per_step, training.tokens_per_batch // shape.tokens))
    update = groups * activations(policy, shape, training)
    update += (
        CHUNK_LOGIT
        * TextDimensions.of(model_config).vocabulary
        * min(ROWS_PER_CHUNK, groups * sum(shape.branches))
    )
    update = round(update * KEPT_BY_MALLOC) if on_cpu else update
    update += FP32 * trained if groups < per_step else 0
    rollout = _rollout(model_config, shape, per_step * rows) if method.sampled(config) else 0
    states = _states(policy, training, n, trained, method.reference(config))
    return MemoryEstimate(states, max(update, FP32 * trained), rollout, libraries)


def _states(policy: PolicyModel, config: TrainingConfig, n: int, trained: int, reference: bool) -> int:
    """Weights, optimiser states, and a reference model where it is not the trained one with its adapters
    off."""
    held = FP32 * sum(weight.numel() for weight in policy.model.parameters())
    if config.adapter.load_in_4bit:
        small = [
            module.weight.numel()
            for name, module in policy.model.named_modules()
            if isinstance(module, torch.nn.Linear) and name.endswith(".base_layer")
        ]
        held -= round((FP32 - BYTES_PER_4BIT_WEIGHT) * sum(small))
    own = config.adapter.lora_rank and not (config.rate("vision") or config.rate("projector"))
    return held + 2 * FP32 * trained + (FP32 * n if reference and not own else 0)


def activations(policy: PolicyModel, shape: PromptShape, config: TrainingConfig) -> int:
    """Bytes saved for the backward pass of one group's row, all layers checkpointed or none."""
    return sum(kept_parts(policy, shape, config, float(bool(config.gradient_checkpointing))))


def kept_parts(
    policy: PolicyModel, shape: PromptShape, config: TrainingConfig, checkpointed: float
) -> tuple[int, int]:
    """The same in two parts, if a share of the layers of each stack, rounded up, is checkpointed: bytes of
    whole layers, one that is open while it is computed again among them, and of inputs of the others."""
    text, vision = TextDimensions.of(policy.model.config), TowerDimensions.of(policy.model.config)
    row = text.saved(len(shape.prompt.ids), sum(shape.branches), len(shape.branches))
    stacks = [(text.layers, row, shape.tokens * text.hidden)]
    if config.rate("vision") or config.rate("projector"):
        patches = _patches(shape.prompt, vision)
        stacks.append((vision.layers, vision.saved(patches), patches * vision.hidden))
    whole = inputs = 0
    for layers, saved, taken in stacks:
        few = layers_of(checkpointed, layers)
        whole += (layers - few + bool(few)) * saved
        inputs += few * taken
    return FP32 * whole, FP32 * inputs


def _patches(prompt: Prompt, tower: TowerDimensions) -> int:
    """Patches of the prompt's media."""
    pixels = [value for name, value in prompt.media.items() if name.startswith("pixel_values")]
    return sum(
        value.shape[0] if value.dim() == 2 else value.numel() // (3 * tower.patch**2) for value in pixels
    )


def _rollout(config: Any, shape: PromptShape, rows: int) -> int:
    """Bytes of a batch while sampling: keys and values, and the logits of one token."""
    text = TextDimensions.of(config)
    longest = len(shape.prompt.ids) + max(shape.branches)
    together = max(len(shape.branches), min(rows, BATCH_TOKENS // longest))
    cache = 2 * FP32 * text.layers * text.kv_size * longest
    return together * (cache + SAMPLED_LOGIT * text.vocabulary)
