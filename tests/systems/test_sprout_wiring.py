"""The heads that look things up in a new `sprout`."""

from __future__ import annotations

import pytest
import torch
from transformers import Qwen2VLTextConfig
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLTextModel

from seethink.systems.sprout.wiring import wire

SIZE, TOKENS = 256, 40


@pytest.fixture(scope="module", params=[True, False], ids=["wired", "random"])
def attention(request):
    """(whether it is wired, the tokens (2 * TOKENS,), every one of which comes twice; of each layer the
    attention (heads, to, from))."""
    torch.manual_seed(0)
    config = Qwen2VLTextConfig(
        vocab_size=500,
        hidden_size=SIZE,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=4,
        intermediate_size=512,
        rope_parameters={"rope_type": "default", "mrope_section": [1, 1, 14], "rope_theta": 10_000.0},
    )
    model = Qwen2VLTextModel._from_config(config, attn_implementation="eager").eval()
    if request.param:
        wire(model, seed=1)
    once = torch.randperm(500)[:TOKENS]
    tokens = torch.cat([once, once[torch.randperm(TOKENS)]])
    with torch.no_grad():
        layers = model(input_ids=tokens[None], output_attentions=True).attentions
    return request.param, tokens.tolist(), [layer[0] for layer in layers]


def test_two_heads_of_the_first_layer_see_the_tokens_before(attention) -> None:
    wired, tokens, (first, *_) = attention
    for head, before in ((0, 1), (2, 2)):
        looks = torch.stack([first[head, at, at - before] for at in range(before, len(tokens))]).mean()
        assert (looks > 0.9) == wired


def test_a_head_of_the_second_layer_finds_what_followed_the_same_token(attention) -> None:
    wired, tokens, (_, second, _) = attention
    looks = [
        second[0, at, tokens.index(tokens[at]) + 1]
        for at in range(TOKENS + 1, 2 * TOKENS)
        if tokens.index(tokens[at]) + 1 < TOKENS
    ]
    assert (torch.stack(looks).mean() > 0.5) == wired


def test_a_head_of_the_second_layer_finds_the_token_before_where_it_stood(attention) -> None:
    wired, tokens, (_, second, _) = attention
    looks = [
        second[2, at, tokens.index(tokens[at - 1])] + second[2, at, at - 1]
        for at in range(TOKENS + 1, 2 * TOKENS)
    ]
    assert (torch.stack(looks).mean() > 0.4) == wired
