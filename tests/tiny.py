"""Tiny models built in code, with sprout's processor. Random weights, a few layers: wrong numbers show at
once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

from seethink.models.encoder import Encoder, Prompt
from seethink.models.names import SPROUT
from seethink.models.packing import Branch
from seethink.train.sampling import SampledGroup
from seethink.types import Rollout

TEXT: dict[str, Any] = dict(
    vocab_size=2048,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    rope_parameters=dict(rope_type="default", rope_theta=1e4, mrope_section=[2, 3, 3]),
)


@cache
def processor() -> Any:
    return AutoProcessor.from_pretrained(str(SPROUT))


def _ids() -> dict[str, int]:
    names = {
        "image_token_id": "image_pad",
        "video_token_id": "video_pad",
        "vision_start_token_id": "vision_start",
        "vision_end_token_id": "vision_end",
    }
    return {key: processor().tokenizer.convert_tokens_to_ids(f"<|{name}|>") for key, name in names.items()}


def qwen2_vl(seed: int = 0, **changes: Any) -> Qwen2VLForConditionalGeneration:
    """`changes` to the language model's configuration."""
    torch.manual_seed(seed)
    text = TEXT | changes
    vision = dict(
        depth=2,
        embed_dim=32,
        hidden_size=text["hidden_size"],
        num_heads=2,
        mlp_ratio=2,
        patch_size=14,
        spatial_merge_size=2,
        temporal_patch_size=2,
    )
    return _lively(
        Qwen2VLForConditionalGeneration(Qwen2VLConfig(text_config=text, vision_config=vision, **_ids()))
    )


def qwen2_5_vl(seed: int = 0) -> Qwen2_5_VLForConditionalGeneration:
    torch.manual_seed(seed)
    vision = dict(
        depth=2,
        hidden_size=32,
        intermediate_size=64,
        num_heads=2,
        out_hidden_size=64,
        patch_size=14,
        spatial_merge_size=2,
        temporal_patch_size=2,
        fullatt_block_indexes=[1],
        window_size=56,
    )
    config = Qwen2_5_VLConfig(text_config=TEXT, vision_config=vision, **_ids())
    return _lively(Qwen2_5_VLForConditionalGeneration(config))


FAMILIES = {"qwen2_vl": qwen2_vl, "qwen2_5_vl": qwen2_5_vl}


def _lively(model: Any) -> Any:
    """Weights redrawn with unit gain, so that a wrong mask or position changes the numbers visibly."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return model


def encoder(model: Any) -> Encoder:
    return Encoder(processor(), model.config)


def sampled(prompts: Sequence[Prompt], rollouts: Sequence[Sequence[Rollout]]) -> list[SampledGroup]:
    """Rollouts that were made up, as if they had been sampled for these prompts."""
    branches = [[Branch(one.response.token_ids) for one in group] for group in rollouts]
    return [
        SampledGroup(prompt, [*group], own)
        for prompt, group, own in zip(prompts, rollouts, branches, strict=True)
    ]


def saved(folder: Path, model: Any = None) -> str:
    """A folder for `from_pretrained`, the model's processor beside it; named as trainings take it."""
    (model or qwen2_vl()).save_pretrained(folder)
    processor().save_pretrained(folder)
    return str(folder)
