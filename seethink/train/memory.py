"""How much memory a training or evaluation will take at its highest, from the settings and one question.

Counted, not measured: weights, gradients and optimiser states exactly; of a forward pass the tensors that a
pre-norm transformer keeps for its backward pass. Loads no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from seethink.engines.local import TOKENS_PER_BATCH
from seethink.families import Encoder, Prompt, resolve
from seethink.train.configs import DPO, GRPO, Optimiser
from seethink.train.model import prepare
from seethink.train.shared_prefix import ROWS_PER_CHUNK, Scorer
from seethink.types import Messages, Sampling

FP32 = 4
PER_WEIGHT_IN_FOUR_BITS = 0.52
"""Bytes: half a byte, and a constant (itself in 8 bits) for every 64 weights."""
SAMPLED_LOGIT = 28
"""Bytes at one time for each logit of a row that draws: fp32 thrice, and the distribution in fp64."""
KEPT_BY_MALLOC = 1.25
"""On a CPU, what the process grows by for each byte of a pack: freed pieces do not fit what comes next. With
gradient checkpointing glibc may keep twice that, unless MALLOC_MMAP_THRESHOLD_=1048576 is set."""
CHUNK_LOGIT = 16
"""Bytes at one time for each logit of a chunk: the logits, their exponentials, and their gradients."""


@dataclass(frozen=True)
class Question:
    """A question as the model takes it, and the tokens of each of its branches at most."""

    prompt: Prompt
    branches: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return len(self.prompt.ids) + sum(self.branches)


@dataclass(frozen=True)
class Memory:
    """Bytes. states: weights, optimiser, reference. update: what a pack adds at most, gradients among it.
    rollout: keys, values and logits of answers that are being written; only one of the two exists at a time.
    libraries: what this process holds with everything loaded, where training is on the CPU."""

    states: int
    update: int
    rollout: int
    libraries: int

    @property
    def peak(self) -> int:
        return self.libraries + self.states + max(self.update, self.rollout)

    @property
    def parts(self) -> dict[str, int]:
        weights = {"libraries": self.libraries, "weights and optimiser": self.states}
        return weights | {"update": self.update, "or rollout": self.rollout}


def question(name: str, asked: Messages, texts: Sequence[str], config: Any) -> Question:
    """`texts` are the responses of a lesson or pair; elsewhere responses have `max_tokens`."""
    path = resolve(name)
    encoder = Encoder(AutoProcessor.from_pretrained(path), AutoConfig.from_pretrained(path))
    (prompt,) = encoder.prompts([asked])
    if isinstance(config, GRPO):
        return Question(prompt, (config.max_tokens,) * config.responses_per_question)
    if isinstance(config, Sampling):
        return Question(prompt, (config.max_tokens,) * config.n)
    replies = (encoder.reply_ids(prompt, text) for text in texts)
    return Question(prompt, tuple(len(ids) for ids in replies))


def estimate(name: str, asked: Question, config: Any, questions: int) -> Memory:
    """Of a stage on `questions` questions like `asked`. A Sampling is an evaluation."""
    model_config = AutoConfig.from_pretrained(resolve(name))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(model_config, dtype=torch.float32)
        scorer = Scorer(model)
        n = sum(weight.numel() for weight in model.parameters())
        if isinstance(config, Optimiser):
            prepare(scorer, config)
    rows = len(asked.branches)
    on_cpu = not torch.cuda.is_available()
    libraries = psutil.Process().memory_info().rss if on_cpu else 0
    if isinstance(config, Sampling):
        return Memory(FP32 * n, 0, _rollout(model_config, asked, questions * rows), libraries)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    per_step = min(questions, _per_step(config))
    groups = max(1, min(per_step, config.tokens_per_pack // asked.tokens))
    update = groups * activations(scorer, asked, config)
    update += CHUNK_LOGIT * _vocabulary(model_config) * min(ROWS_PER_CHUNK, groups * sum(asked.branches))
    update = round(update * KEPT_BY_MALLOC) if on_cpu else update
    update += FP32 * trained if groups < per_step else 0
    rollout = _rollout(model_config, asked, per_step * rows) if isinstance(config, GRPO) else 0
    return Memory(_states(scorer, config, n, trained), max(update, FP32 * trained), rollout, libraries)


def _per_step(config: Any) -> int:
    names = ("questions_per_step", "pairs_per_step", "lessons_per_step")
    return next(getattr(config, name) for name in names if hasattr(config, name))


def _states(scorer: Scorer, config: Optimiser, n: int, trained: int) -> int:
    held = FP32 * sum(weight.numel() for weight in scorer.model.parameters())
    if config.four_bit:
        small = [
            module.weight.numel()
            for name, module in scorer.model.named_modules()
            if isinstance(module, torch.nn.Linear) and name.endswith(".base_layer")
        ]
        held -= round((FP32 - PER_WEIGHT_IN_FOUR_BITS) * sum(small))
    compared = isinstance(config, DPO) or getattr(config, "kl_weight", 0) > 0
    own = config.lora_rank and not (config.rate("vision") or config.rate("projector"))
    return held + 2 * FP32 * trained + (FP32 * n if compared and not own else 0)


def activations(scorer: Scorer, asked: Question, config: Optimiser) -> int:
    """Bytes kept for the backward pass of one question's row."""
    text, vision = _Text.of(scorer.model.config), _Tower.of(scorer.model.config)
    patches = _patches(asked.prompt, vision)
    looks = bool(config.rate("vision") or config.rate("projector"))
    if config.gradient_checkpointing:
        row = (text.layers * asked.tokens * text.hidden) + text.kept(asked)
        seen = (vision.layers * patches * vision.hidden) + vision.kept(patches) if looks else 0
    else:
        row, seen = text.layers * text.kept(asked), vision.layers * vision.kept(patches) if looks else 0
    return FP32 * (row + seen)


@dataclass(frozen=True)
class _Text:
    hidden: int
    inner: int
    heads: int
    kept_heads: int
    layers: int

    @classmethod
    def of(cls, config: Any) -> _Text:
        text = config.get_text_config()
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        inner = text.intermediate_size
        if experts := getattr(text, "num_experts_per_tok", 0) or getattr(text, "moe_topk", 0):
            inner = getattr(text, "moe_intermediate_size", inner) * experts
        kept_heads = text.num_key_value_heads * size
        return cls(
            text.hidden_size, inner, text.num_attention_heads * size, kept_heads, text.num_hidden_layers
        )

    def kept(self, asked: Question) -> int:
        """Numbers of one layer: norms (their input, what they normalised, their output), the gated MLP, and
        the queries, keys, values and outputs of attention, the prompt's for each branch anew."""
        p, c, k = len(asked.prompt.ids), sum(asked.branches), len(asked.branches)
        keys = 2 * (p + c + p * k) * self.kept_heads
        return (p + c) * (6 * self.hidden + 4 * self.inner + 4 * self.heads) + keys


@dataclass(frozen=True)
class _Tower:
    hidden: int
    inner: int
    layers: int
    patch: int

    @classmethod
    def of(cls, config: Any) -> _Tower:
        vision = config.vision_config
        hidden = getattr(vision, "embed_dim", None) or vision.hidden_size
        inner = getattr(vision, "intermediate_size", None) or round(hidden * vision.mlp_ratio)
        patch = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
        layers = vision.num_hidden_layers + getattr(vision, "num_global_layers", 0)
        return cls(hidden, inner, layers, patch)

    def kept(self, patches: int) -> int:
        """Numbers of one layer: norms, queries, keys and values together and apart, outputs, the MLP."""
        return patches * (12 * self.hidden + 2 * self.inner)


def _patches(prompt: Prompt, tower: _Tower) -> int:
    """Patches that the tower sees of the prompt's media."""
    pixels = [value for name, value in prompt.media.items() if name.startswith("pixel_values")]
    return sum(
        value.shape[0] if value.dim() == 2 else value.numel() // (3 * tower.patch**2) for value in pixels
    )


def _vocabulary(config: Any) -> int:
    return config.get_text_config().vocab_size


def _rollout(config: Any, asked: Question, rows: int) -> int:
    """Bytes of a batch of answers that are being written: keys and values, and the logits of a token."""
    text = _Text.of(config)
    longest = len(asked.prompt.ids) + max(asked.branches)
    together = max(len(asked.branches), min(rows, TOKENS_PER_BATCH // longest))
    cache = 2 * FP32 * text.layers * text.kept_heads * longest
    return together * (cache + SAMPLED_LOGIT * _vocabulary(config))
