"""Families built tiny without a processor: from their default configurations, every known size made small.

`vlms.py` and `own_vlms.py` build some families with all that a user has. Here the rest of what
`AutoModelForImageTextToText` maps is built, so that each can at least be computed: sizes that fit together
for most, `CHANGES` for those that need others, `MEDIA` for those that take pictures in another layout."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers as hf
from torch import Tensor
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from seethink.models.encoder import Prompt
from seethink.models.families import Family, family_of

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
    "muse_glimmer": {"out_hidden_size": 256},
    "step3p7": {"text_config.sliding_window": 16},
    "vipllava": {"vision_feature_layers": [0, 1, -1], "vision_config.num_hidden_layers": 3},
}  # fmt: skip
"""{model type: {dotted name: value}}: where the default configuration or `SIZES` do not fit."""

UNBUILT: Mapping[str, str] = {
    **dict.fromkeys(("fast_vlm", "gemma3n", "perception_lm"), "its vision tower needs timm"),
    **dict.fromkeys(
        (
            *(
                "deepseek_vl_hybrid",
                "diffusion_gemma",
                "dots3_note",
                "fuyu",
                "gemma4_unified",
                "granite_docling",
            ),
            *("granite4_vision", "inkling2", "inkling_mm_model", "molmo2", "muse_spark", "unlimited_ocr"),
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
    return getattr(hf, MODELS[model_type])(config(model_type))


# Pictures --------------------------------------------------------------------------------------------------


def _noise(number: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))


def _vision(model: Any) -> Any:
    return getattr(model.config, "vision_config", model.config)


def _square(model: Any, number: int) -> dict[str, Tensor]:
    vision = _vision(model)
    size = getattr(vision, "sam_config", vision).image_size
    size = size if isinstance(size, int) else size[0]
    return {"pixel_values": _noise(number, 1, 3, size, size)}


def _patches(
    model: Any, number: int, square: bool = False, grid: str = "image_grid_thw"
) -> dict[str, Tensor]:
    """Rows of patches, and how many there are in height and width: more in the second picture."""
    vision, (height, width) = _vision(model), (4, 8 if number else 4)
    channels = getattr(vision, "in_channels", None) or getattr(vision, "num_channels", 3)
    side, times = vision.patch_size, getattr(vision, "temporal_patch_size", 1)
    shape = (channels, side, side) if square else (channels * times * side * side,)
    sizes = [[1, height, width]] if grid.endswith("thw") else [[height, width]]
    return {"pixel_values": _noise(number, height * width, *shape), grid: torch.tensor(sizes)}


def _sized(model: Any, number: int) -> dict[str, Tensor]:
    size = _vision(model).image_size
    return _square(model, number) | {"image_sizes": torch.tensor([[size, size]])}


def _nested(model: Any, number: int) -> dict[str, Tensor]:
    size = _vision(model).image_size
    seen = torch.ones(1, 1, size, size, dtype=torch.bool)
    return {"pixel_values": _noise(number, 1, 1, 3, size, size), "pixel_attention_mask": seen}


def _tiles(model: Any, number: int) -> dict[str, Tensor]:
    size = _vision(model).image_size
    return {"pixel_values": _noise(number, 1, 2, 3, size, size), "image_sizes": torch.tensor([[size, size]])}


def _strip(model: Any, number: int) -> dict[str, Tensor]:
    """Patches side by side."""
    side = _vision(model).patch_size
    size = {"target_sizes": torch.tensor([[8, 8]], dtype=torch.int32)}
    return {"pixel_values": _noise(number, 1, 3, side, 64 * side)} | size


def _flat(model: Any, number: int) -> dict[str, Tensor]:
    """Padded rows of patches with their shapes."""
    shape = {"spatial_shapes": torch.tensor([[4, 4]]), "pixel_attention_mask": torch.ones(1, 16, dtype=int)}
    return {"pixel_values": _noise(number, 1, 16, 3 * _vision(model).patch_size ** 2)} | shape


MEDIA: Mapping[str, Callable[[Any, int], dict[str, Tensor]]] = {
    "idefics2": _nested,
    "kimi_k25": lambda model, number: _patches(model, number, square=True),
    "lfm2_vl": _flat,
    "lighton_ocr": _sized,
    "llava_next_video": _tiles,
    **dict.fromkeys(("minicpm_ocr", "minicpmv4_6", "minicpmv4_7"), _strip),
    "mistral_large4": _sized,
    "nemotron_h_omni": lambda model, number: _patches(model, number, grid="image_grid_hw"),
    "paddleocr_vl": lambda model, number: _patches(model, number, square=True),
    "video_llama_3": lambda model, number: _patches(model, number) | {"image_merge_sizes": torch.tensor([2])},
}
"""{model type: (model, number of the picture) -> tensors}, where a picture is neither a square nor, for
models that take a grid, a row of patches."""


def _tower(model: Any) -> Any:
    return getattr(model, "get_image_features", None) or model.model.get_image_features


def _media(model: Any, number: int) -> dict[str, Tensor]:
    by_grid = "image_grid_thw" in inspect.signature(_tower(model)).parameters
    return MEDIA.get(model.config.model_type, _patches if by_grid else _square)(model, number)


@torch.no_grad()
def _n_features(model: Any, media: Mapping[str, Tensor]) -> int:
    """How many tokens the model makes of a picture."""
    out = _tower(model)(**media, return_dict=True)
    features = out.last_hidden_state if out.pooler_output is None else out.pooler_output
    rows = features if isinstance(features, list | tuple) else [features]
    return sum(row.numel() // row.shape[-1] for row in rows)


def prompt(model: Any, pictures: int, family: Family | None = None) -> Prompt:
    """A prompt of words and `pictures`, as a processor would encode it."""
    ids, kinds, shown = [1, *range(40, 50)], [0] * 11, []
    for number in range(pictures):
        shown.append(_media(model, number))
        tokens = _n_features(model, shown[-1])
        ids += [*[model.config.image_token_id] * tokens, 60 + number, 61]
        kinds += [*[1] * tokens, 0, 0]
    ids, kinds = [*ids, *range(70, 82)], [*kinds, *[0] * 12]
    names = dict.fromkeys(name for one in shown for name in one)
    strips = MEDIA.get(model.config.model_type) is _strip
    axes = {name: 3 if strips and name == "pixel_values" else 0 for name in names}
    media = {name: torch.cat([one[name] for one in shown], axes[name]) for name in names}
    family = family or family_of(model.config)
    return Prompt(ids, kinds, media, f"{pictures} pictures", family=family, loaded=(0,) * pictures)


# Clips -----------------------------------------------------------------------------------------------------


def takes_clips(model: Any) -> bool:
    """Whether the model places clips by their grids, as M-RoPE needs."""
    if "video_grid_thw" not in inspect.signature(model.forward).parameters:
        return False
    place = getattr(getattr(model, "model", None), "get_rope_index", None)
    return place is not None and "mm_token_type_ids" in inspect.signature(place).parameters


def clip_prompt(model: Any, frames: int, seconds: float) -> Prompt:
    """A prompt with a clip: its tokens in one run, or a run for each of its times where the model's own
    positions want a text, the time, between."""
    vision, family = _vision(model), family_of(model.config)
    merge, per_time = vision.spatial_merge_size, getattr(vision, "temporal_patch_size", 1)
    times, side = frames // per_time, 2 * merge
    channels = getattr(vision, "in_channels", None) or getattr(vision, "num_channels", 3)
    patches = _noise(0, times * side * side, channels * per_time * vision.patch_size**2)
    media = {"pixel_values_videos": patches, "video_grid_thw": torch.tensor([[times, side, side]])}
    if "video_second_per_grid" in inspect.signature(model.forward).parameters:
        media["video_second_per_grid"] = torch.tensor([seconds / times])
    if model.config.model_type == "video_llama_3":
        media["video_merge_sizes"] = torch.tensor([merge])
    pictures = model.config.model_type.startswith("glm")  # whose frames are pictures, told by their kind
    token = model.config.image_token_id if pictures else model.config.video_token_id
    for runs in (1, times):
        ids, kinds = [1, *range(40, 50)], [0] * 11
        for run in range(runs):
            tokens = times * 4 // runs // getattr(vision, "temporal_merge_size", 1)
            ids += [100 + run, *[token] * tokens]
            kinds += [0, *[2] * tokens]
        ids, kinds = [*ids, *range(70, 82)], [*kinds, *[0] * 12]
        if runs == times or _places(model, ids, kinds, media["video_grid_thw"]):
            break
    key = f"{frames} frames in {seconds} s"
    return Prompt(ids, kinds, media, key, family=family, loaded=(0,))


def _places(model: Any, ids: list[int], kinds: list[int], grid: Tensor) -> bool:
    """Whether the model's positions fit a clip in one run."""
    try:
        model.model.get_rope_index(
            torch.tensor([ids]), mm_token_type_ids=torch.tensor([kinds]), video_grid_thw=grid
        )
    except (RuntimeError, IndexError, StopIteration, ValueError) as error:
        return not str(error)
    return True
