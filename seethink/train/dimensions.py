"""Sizes of a vision-language model that decide what it costs: weights of a token's path, elements kept for a
backward pass, bytes of a cached token. From a configuration alone, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TextDimensions:
    """A pre-norm decoder with a gated MLP. inner: of the MLP, of all experts that a token visits. heads:
    width of all query heads together, kv_size of all key heads."""

    hidden: int
    inner: int
    heads: int
    kv_size: int
    layers: int
    vocabulary: int

    @classmethod
    def of(cls, config: Any) -> TextDimensions:
        """Of a transformers configuration."""
        text = config.get_text_config()
        if layers := getattr(text, "per_layer_config", None):  # layers differ: the first stands for all
            text = layers[0]
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        inner = text.intermediate_size
        if experts := getattr(text, "num_experts_per_tok", 0) or getattr(text, "moe_topk", 0):
            inner = getattr(text, "moe_intermediate_size", inner) * experts
        width, kv_size = text.num_attention_heads * size, text.num_key_value_heads * size
        return cls(text.hidden_size, inner, width, kv_size, text.num_hidden_layers, text.vocab_size)

    @property
    def weights(self) -> int:
        """Of all layers, norms and biases left out."""
        attention = 2 * self.hidden * (self.heads + self.kv_size)
        return self.layers * (attention + 3 * self.hidden * self.inner)

    def saved(self, prompt: int, answers: int, branches: int) -> int:
        """Elements saved by one layer for a shared row of `prompt` tokens and `answers` tokens in `branches`:
        norms (input, normalised, output), the gated MLP, and queries, keys, values and outputs of attention,
        the prompt's keys and values once more for each branch."""
        tokens = prompt + answers
        keys = 2 * (tokens + prompt * branches) * self.kv_size
        return tokens * (6 * self.hidden + 4 * self.inner + 4 * self.heads) + keys


@dataclass(frozen=True)
class TowerDimensions:
    """A vision tower. patch: side in pixels. merged: patches of one token of the language model. gated:
    whether its MLP has a gate. window: patches that see each other in the layers that are not `full`."""

    hidden: int
    inner: int
    layers: int
    patch: int
    merged: int = 1
    gated: bool = False
    window: int | None = None
    full: int = 0

    @classmethod
    def of(cls, config: Any) -> TowerDimensions:
        """Of a transformers configuration."""
        vision = config.vision_config
        hidden = getattr(vision, "embed_dim", None) or vision.hidden_size
        inner = getattr(vision, "intermediate_size", None) or round(hidden * vision.mlp_ratio)
        patch = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
        layers = vision.num_hidden_layers + getattr(vision, "num_global_layers", 0)
        full = getattr(vision, "fullatt_block_indexes", None)
        windowed = (vision.window_size // patch) ** 2 if full is not None else None
        merged = getattr(vision, "spatial_merge_size", 1) ** 2
        gated, n_full = full is not None, layers if full is None else len(full)
        return cls(hidden, inner, layers, patch, merged, gated, windowed, n_full)

    @property
    def weights(self) -> int:
        """Of all layers, norms and biases left out."""
        return self.layers * self.hidden * (4 * self.hidden + (3 if self.gated else 2) * self.inner)

    def projector(self, hidden: int) -> int:
        """Weights between the tower and a language model of width `hidden`: a layer of the width of all
        merged patches, then one to `hidden`."""
        wide = self.merged * self.hidden
        return wide * (wide + hidden)

    def saved(self, patches: int) -> int:
        """Elements saved by one layer: norms, queries, keys and values fused and split, outputs, the MLP."""
        return patches * (12 * self.hidden + 2 * self.inner)

    def seen_pairs(self, patches: int) -> int:
        """Pairs of patches of one picture that see each other, over all layers."""
        near = patches * min(patches, self.window or patches)
        return self.full * patches * patches + (self.layers - self.full) * near
