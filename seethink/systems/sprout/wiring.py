"""Attention heads of a new `sprout` that look things up before they have learned anything.

The value beside a name, or the object beside a place, is looked up by two layers of attention ("induction
heads", Olsson et al. 2022, arXiv 2209.11895): a head of the first layer tells each token which one stands
before it, and a head of the next finds where the same token stood before. A new decoder that learned to
count objects told in words alone (150 updates of two rows of 1,024 tokens) had 54 % of 48 questions right
with these heads, and 2 % without them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SHARPNESS = 6.4
"""Of the constant keys and queries of the first layer, in each pair of dimensions."""
MATCH, COPY = 2.0, 3.0
"""How strongly the next layers tell tokens apart, and how strongly they say what they found."""
STEADY = 0.02
"""Radians a token. Pairs of dimensions that rotary positions turn faster cannot compare distant tokens."""


@torch.no_grad()
def wire(language_model: Any, seed: int) -> None:
    """Set heads of the first three layers of a Qwen2 decoder with new weights, two query heads for each
    key-value head.

    First layer: key-value head 0 and its first query head look at the token before, 1 at the one before that:
    keys are constant, and queries the same, turned by one or two positions. What they see is written into
    directions of its own. Second and third layer: the keys of head 0 are the token before, of 1 the token
    itself, of 2 the one two before; of their two queries, which find equal tokens, one is of the token before
    and one of the token itself. What is found is written as it is read.
    """
    config, layers = language_model.config, language_model.layers
    width, size = config.hidden_size, config.hidden_size // config.num_attention_heads
    generator = torch.Generator().manual_seed(seed)
    turns = config.rope_parameters["rope_theta"] ** (-torch.arange(size // 2) / (size // 2))
    steady = (turns < STEADY).repeat(2)
    directions, _ = torch.linalg.qr(torch.randn(width, 3 * size, generator=generator))
    *seen, looked_at = directions.split(size, dim=1)
    looked_at = looked_at.T * steady[:, None]  # (size, width): what of a token is compared
    length = config.initializer_range * width**0.5  # of an embedding
    written = length / steady.sum() ** 0.5

    first = layers[0]
    first.mlp.down_proj.weight.mul_(0.3)  # noise beside what is written here
    first.self_attn.o_proj.weight.mul_(0.1)
    for head, distance in enumerate((1, 2)):
        attention = _Heads(first.self_attn, size)
        attention.key.weight[head].mul_(0.1)
        attention.query.weight[2 * head].mul_(0.1)
        attention.key.bias[head] = torch.cat([torch.ones(size // 2), torch.zeros(size // 2)]) * SHARPNESS
        turned = torch.cat([torch.cos(turns * distance), -torch.sin(turns * distance)])
        attention.query.bias[2 * head] = turned * SHARPNESS
        attention.value.weight[head] = looked_at
        attention.output[:, 2 * head] = seen[head] * written

    # The normalised sum of an embedding and two such writings has a third of its square length from each.
    itself = looked_at * (MATCH * 3**0.5)
    before, two_before = (part.T * (MATCH * length * 3**0.5 / (written * width**0.5)) for part in seen)
    for layer in layers[1:3]:
        attention = _Heads(layer.self_attn, size)
        pairs = ((before, (itself, before)), (itself, (before, itself)), (two_before, (before, itself)))
        for head, (key, queries) in zip(range(config.num_key_value_heads), pairs, strict=False):
            attention.key.weight[head] = key
            read = torch.randn(size, width, generator=generator) / width**0.5
            attention.value.weight[head] = read
            for i, query in enumerate(queries):
                attention.query.weight[2 * head + i] = query
                attention.output[:, 2 * head + i] = read.T * (COPY * length / size**0.5)


class _Heads:
    """Views of an attention's weights, head by head. output: (width, heads, size)."""

    def __init__(self, attention: Any, size: int) -> None:
        self.query, self.key, self.value = (
            _Projection(part, size) for part in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        self.output: Tensor = attention.o_proj.weight.view(len(attention.o_proj.weight), -1, size)


class _Projection:
    """weight: (heads, size, width). bias: (heads, size)."""

    def __init__(self, linear: Any, size: int) -> None:
        self.weight: Tensor = linear.weight.view(-1, size, linear.weight.shape[1])
        self.bias: Tensor = linear.bias.view(-1, size)
