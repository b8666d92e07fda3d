"""Families that roll out by their own `generate`, built as in `vlms.py`: tiny, with a processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import transformers as hf

from seethink.models.encoder import Encoder
from tests import tiny, vlms
from tests.vlms import ROPE, SIGLIP, SQUARE, TEXT


def qwen3_5() -> tuple[Any, Any]:
    vision = dict(
        depth=2, hidden_size=32, intermediate_size=64, num_heads=2, out_hidden_size=64, patch_size=16,
        spatial_merge_size=2, temporal_patch_size=2, num_position_embeddings=64,
    )  # fmt: skip
    text = TEXT | dict(
        num_hidden_layers=4, head_dim=32, layer_types=["linear_attention", "full_attention"] * 2,
        linear_num_value_heads=4, linear_num_key_heads=2, linear_key_head_dim=8, linear_value_head_dim=8,
        rope_parameters=ROPE | dict(partial_rotary_factor=0.5, mrope_interleaved=True),
    )  # fmt: skip
    config = hf.Qwen3_5Config(text_config=text, vision_config=vision, **tiny._ids())
    _, processor = vlms.qwen3_vl()
    return hf.Qwen3_5ForConditionalGeneration(config), processor


def gemma4() -> tuple[Any, Any]:
    names = {f"{name}_token": f"<|{name}|>" for name in ("image", "boi", "eoi", "audio", "boa", "eoa")}
    words = vlms.tokenizer(**names, video_token="<|video|>")
    ids = {name: words.convert_tokens_to_ids(token) for name, token in names.items()}
    kinds = ["sliding_attention", "full_attention"] * 2
    text = {k: v for k, v in TEXT.items() if k != "rope_parameters"} | dict(
        num_hidden_layers=4, head_dim=16, global_head_dim=32, sliding_window=16, layer_types=kinds,
        hidden_size_per_layer_input=8, vocab_size_per_layer_input=2112, num_kv_shared_layers=1,
        final_logit_softcapping=2.0, use_bidirectional_attention="vision",
    )  # fmt: skip
    vision = dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, head_dim=16,
        num_key_value_heads=2, patch_size=4, pooling_kernel_size=3, position_embedding_size=128,
    )  # fmt: skip
    config = hf.Gemma4Config(
        text_config=text, vision_config=vision, audio_config=None, image_token_id=ids["image_token"],
        boi_token_id=ids["boi_token"], eoi_token_id=ids["eoi_token"], audio_token_id=ids["audio_token"],
        boa_token_id=ids["boa_token"], eoa_token_index=ids["eoa_token"],
        video_token_id=words.convert_tokens_to_ids("<|video|>"),
    )  # fmt: skip
    sizes = dict(patch_size=4, pooling_kernel_size=3, max_soft_tokens=70)
    processor = hf.Gemma4Processor(
        hf.Gemma4AudioFeatureExtractor(), hf.Gemma4ImageProcessor(**sizes), words,
        hf.Gemma4VideoProcessor(**sizes), chat_template=vlms._template("<|image|>", "<|video|>"),
    )  # fmt: skip
    return hf.Gemma4ForConditionalGeneration(config), processor


def paligemma() -> tuple[Any, Any]:
    words = vlms.tokenizer(image_token="<image>", bos_token="<bos>")
    text = {k: v for k, v in TEXT.items() if k != "rope_parameters"}
    config = hf.PaliGemmaConfig(
        text_config=text
        | dict(model_type="gemma2", head_dim=16, final_logit_softcapping=2.0, sliding_window=512),
        vision_config=SIGLIP | dict(projection_dim=64), projection_dim=64, hidden_size=64,
        image_token_index=words.convert_tokens_to_ids("<image>"), vocab_size=2112,
    )  # fmt: skip
    images = hf.SiglipImageProcessor(size=SQUARE)
    images.image_seq_length = 16
    processor = hf.PaliGemmaProcessor(images, words, chat_template=vlms._template("<image>"))
    return hf.PaliGemmaForConditionalGeneration(config), processor


BUILDERS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    build.__name__: build for build in (qwen3_5, gemma4, paligemma)
}


CLIPS = ("qwen3_5", "gemma4")
"""Families with clips of their own."""


def build(name: str) -> tuple[Any, Encoder]:
    """As `vlms.build`."""
    return vlms.lively(*BUILDERS[name]())
