"""Families built tiny without a processor: from their default configurations, every known size made small.

`vlms.py` and `own_vlms.py` build some families with all that a user has. Here the rest of what
`AutoModelForImageTextToText` maps is built, so that each can at least be computed: sizes that fit together
for most, `CHANGES` for those that need others. `shrunk_prompts.py` has their pictures and clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import torch
import transformers as hf
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

MODELS: Mapping[str, str] = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
"""{model type: class}"""

WIDTH, INNER, HEADS, HEAD, WORDS = 64, 96, 4, 16, 2112
SIZES: Mapping[str, int] = {
    **dict.fromkeys(("hidden_size", "embed_dim", "d_model", "out_hidden_size", "projection_dim"), WIDTH),
    **dict.fromkeys(("text_hidden_size", "vision_hidden_size", "position_embedding_size"), WIDTH),
    **dict.fromkeys(("num_position_embeddings", "output_dim", "projection_hidden_size"), WIDTH),
    **dict.fromkeys(("intermediate_size", "mlp_dim", "projection_intermediate_size"), INNER),
    **dict.fromkeys(("num_hidden_layers", "depth", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "num_heads", "n_heads", "attention_heads"), HEADS),
    **dict.fromkeys(("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "share_expert_dim"), 48),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "num_key_value_heads", "linear_num_key_heads"), 2),
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), WORDS),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "hidden_size_per_layer_input"), 8),
    **dict.fromkeys(("head_dim", "v_head_dim", "qk_nope_head_dim", "index_head_dim"), HEAD),
    "linear_head_dim": HEAD,
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank"), 32),
    "linear_num_value_heads": 4, "linear_num_heads": 4, "max_position_embeddings": 2048, "image_size": 32,
    "patch_size": 8, "sliding_window": 24, "index_n_heads": 2, "index_topk": 8, "encoder_layers": 2,
    "encoder_attention_heads": 4, "encoder_ffn_dim": 96, "patch_temporal": 1, "moe_hidden_size": 64,
    "projector_hidden_size": INNER, "alignment_intermediate_size": 2 * INNER,
    "moe_shared_expert_intermediate_size": 48,
}  # fmt: skip
"""Sizes by their names, wherever in a configuration they occur."""

IMAGE, VIDEO, BEGIN, END = 2060, 2061, 2062, 2063
_MROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
_HALF = _MROPE | {"mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5}
_MARKED = {"image_token_id": IMAGE, "video_token_id": VIDEO}
_BOUNDED = {"vision_start_token_id": BEGIN, "vision_end_token_id": END}
_ROPE = "text_config.rope_parameters"

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "glm4v_moe": {_ROPE: _HALF},
    "glm_ocr": {_ROPE: _MROPE},
    "glmga": {_ROPE: _MROPE},
    "paddleocr_vl": {_ROPE: _MROPE},
    "cosmos3_edge": {_ROPE: _MROPE},
    "qwen2_5_omni_thinker": _BOUNDED | {_ROPE: _MROPE},
    "qwen3_omni_moe_thinker": _BOUNDED | {_ROPE: _MROPE | {"mrope_interleaved": True}},
    "minicpm_ocr": _MARKED,
    "minicpmv4_6": _MARKED,
    "minicpmv4_7": _MARKED | {_ROPE: _MROPE},
    "nemotron_h_omni": _MARKED,
    "shieldgemma2": {"mm_tokens_per_image": 4},
    "cohere_compass": {
        "text_config.layer_types": ["sliding_attention", "full_attention"],
        _ROPE: dict.fromkeys(("full_attention", "sliding_attention"), _MROPE),
        "text_config.logit_scale": 0.25,
        "vision_config.deepstack_visual_indexes": [0],
    },
    "deepseek_ocr2": {
        "vision_config.sam_config.downsample_channels": [32, 64],
        "vision_config.sam_config.global_attn_indexes": [1],
        "vision_config.sam_config.window_size": 2,
        "vision_config.sam_config.output_channels": 32,
        "text_config.num_experts_per_tok": 2,
        "text_config.mlp_layer_types": ["dense", "sparse"],
        "text_config.num_key_value_heads": 4,
    },
    "ernie4_5_vl_moe": {
        _ROPE: _MROPE | {"mrope_section": [3, 3, 2]},
        "text_config.moe_intermediate_size": [48, 48],
        "text_config.moe_k": 2,
        "text_config.mlp_layer_types": ["dense", "sparse"],
    },
    "glm5_next": {
        "text_config.num_key_value_heads": 4,
        "text_config.head_dim": 0,
        "text_config.mlp_layer_types": ["dense", "sparse"],
        "text_config.index_kpool": 2,
    },
    "hunyuan_vl": {
        "text_config.head_dim": HEAD,
        _ROPE: {
            "rope_type": "dynamic", "rope_theta": 1e4, "factor": 1.0, "alpha": 1000.0,
            "mrope_section": [2, 2, 2, 2], "xdrope_section": [2, 2, 2, 2],
        },
    },
    "idefics2": {
        "perceiver_config.resampler_n_latents": 4,
        "perceiver_config.resampler_depth": 1,
        "perceiver_config.resampler_n_heads": 2,
        "perceiver_config.resampler_head_dim": 16,
        "perceiver_config.num_key_value_heads": 1,
    },
    "kimi_k25": {
        "text_config.qk_rope_head_dim": 16,
        "text_config.num_key_value_heads": 4,
        "text_config.n_group": 1,
        "text_config.topk_group": 1,
        "vision_config.pos_emb_height": 8,
        "vision_config.pos_emb_width": 8,
    },
    "mistral_large4": {
        **dict.fromkeys(
            (f"text_config.{name}" for name in ("kv_source_layers", "no_rope_layers", "indexer_types")), None
        ),
        **dict.fromkeys(("text_config.mlp_layer_types", "text_config.layer_types"), None),
        "text_config.qk_rope_head_dim": 16,
        "text_config.num_key_value_heads": 4,
    },
    "qwen4_exp": {
        "text_config.indexer_n_heads": 2,
        "text_config.indexer_kv_heads": 1,
        "text_config.indexer_head_dim": 16,
        "text_config.indexer_budget": 64,
        "text_config.indexer_compress_ratio": 2,
        "text_config.ple_embed_dim": 8,
        "text_config.ngram_vocab_size_base": 64,
        "text_config.hc_lowrank": 8,
        "text_config.split_ngram_parts": 4,
    },
    "llama4": {
        "vision_config.intermediate_size": 256,
        "vision_config.vision_output_dim": 64,
        "vision_config.projector_input_dim": 64,
        "vision_config.projector_output_dim": 64,
    },
    "llava_next_video": {"image_grid_pinpoints": [[32, 32]]},
    "gemma3n": {
        "text_config.intermediate_size": [INNER] * 2,
        "text_config.activation_sparsity_pattern": [0.5, 0.0],
        "text_config.num_kv_shared_layers": 0,
        "text_config.laurel_rank": 8,
        "text_config.vocab_size_per_layer_input": 2000,
        "text_config.final_logit_softcapping": 2.0,
        "vision_config.vocab_offset": 2000,
        "vision_config.vocab_size": 128,
        "vision_soft_tokens_per_image": 16,
        "audio_config.vocab_offset": 2128,
        "audio_config.vocab_size": 128,
        "audio_config.conf_num_hidden_layers": 1,
        "audio_config.conf_num_attention_heads": 4,
        "audio_config.sscp_conv_channel_size": [8, 4],
    },
    "granite4_vision": {
        "text_config.num_hidden_layers": 4,
        "spatial_target_layers": [0, 1, 2, 3],
        "deepstack_layer_map": [[0, 1], [1, 2]],
        "downsample_rate": "1/2",
        "image_grid_pinpoints": [[32, 32]],
    },
    "muse_glimmer": {"out_hidden_size": 256},
    "step3p7": {"text_config.sliding_window": 16},
    "vipllava": {"vision_feature_layers": [0, 1, -1], "vision_config.num_hidden_layers": 3},
}  # fmt: skip
"""{model type: {dotted name: value}}: where the default configuration or `SIZES` do not fit."""

UNBUILT: Mapping[str, str] = {
    **dict.fromkeys(("fast_vlm", "perception_lm"), "its vision tower needs timm"),
    **dict.fromkeys(
        (
            *(
                "deepseek_vl_hybrid",
                "diffusion_gemma",
                "dots3_note",
                "gemma4_unified",
                "granite_docling",
            ),
            *("inkling2", "inkling_mm_model", "molmo2", "muse_spark", "unlimited_ocr"),
        ),
        "its default configuration cannot be made small by rules",
    ),
}
"""Families that are not built here, and why."""


def config(model_type: str) -> Any:
    """The small configuration of a family."""
    kind = hf.CONFIG_MAPPING[model_type]
    values = _shrink(kind().to_dict(), {})
    for name, value in CHANGES.get(model_type, {}).items():
        *sections, last = name.split(".")
        inside = values
        for section in sections:
            inside = inside.setdefault(section, {})
        inside[last] = value
    return kind.from_dict(values)


def _shrink(values: Mapping[str, Any], marks: dict[int, int]) -> dict[str, Any]:
    """marks: tokens by the number that they had; equal ones stay equal."""
    small: dict[str, Any] = {}
    dropped = ("transformers_version", "architectures", "dtype", "rope_parameters", "per_layer_config")
    for name, value in values.items():
        if name in (*dropped, "id2label", "label2id") or not isinstance(name, str):
            continue
        if isinstance(value, dict):
            small[name] = _shrink(value, marks)
        elif name in SIZES and isinstance(value, int):
            small[name] = SIZES[name]
        elif name in ("layer_types", "mlp_layer_types") and isinstance(value, list):
            small[name] = (list(dict.fromkeys(value)) * 2)[:2]
        elif name.endswith(("_token_id", "_token_index")) and isinstance(value, int):
            text = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
            small[name] = text[name] if name in text else marks.setdefault(value, 2064 + len(marks))
        else:
            small[name] = value
    return small


def build(model_type: str) -> Any:
    """A lively model of the family, the same every time."""
    torch.manual_seed(0)
    with patch.object(hf.AutoModel, "from_config", _from_config):
        return getattr(hf, MODELS[model_type])(config(model_type))


class _Tower(torch.nn.Module):
    """In place of a tower that needs timm: one layer of patches."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, config.hidden_size, 8, 8)

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        return BaseModelOutputWithPooling(last_hidden_state=self.patches(pixel_values))


_plain_from_config = hf.AutoModel.from_config


def _from_config(config: Any, **options: Any) -> Any:
    if config.model_type == "gemma3n_vision":
        return _Tower(config)
    return _plain_from_config(config, **options)
