"""Every family, built tiny from its config, with a processor of its own kind over sprout's tokenizer.

What the configs need is told by the families' own code; sizes are as small as they go. Weights are redrawn
with unit gain and what begins at zero is filled, so that a wrong mask or position changes the numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
import transformers as hf

from seethink.models.encoder import Encoder
from seethink.systems.open_r1_multimodal.tiny_aria import tiny_aria
from tests import tiny

TEXT: dict[str, Any] = {**tiny.TEXT, "vocab_size": 2112, "rope_parameters": None, "pad_token_id": 0}
ROPE = dict(rope_type="default", rope_theta=1e4, mrope_section=[2, 3, 3])
SIGLIP = dict(
    model_type="siglip_vision_model", hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, image_size=16, patch_size=4, vision_use_head=False,
)  # fmt: skip
CLIP = dict(
    model_type="clip_vision_model", hidden_size=32, intermediate_size=64, num_hidden_layers=3,
    num_attention_heads=2, image_size=16, patch_size=4, projection_dim=32,
)  # fmt: skip
TILES = [[16, 16], [16, 32], [32, 16]]
SQUARE = {"height": 16, "width": 16}


@cache
def tokenizer(**special: str) -> Any:
    """Sprout's tokenizer with more special tokens, each known by a name."""
    base = tiny.processor().tokenizer
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=copy.deepcopy(base.backend_tokenizer),
        eos_token=base.eos_token,
        pad_token=base.pad_token,
        bos_token=special.pop("bos_token", None),
        extra_special_tokens=[*base.extra_special_tokens, *special.values()],
        model_specific_special_tokens=special,
    )


def _template(picture: str, clip: str = "") -> str:
    marks = "<|vision_start|><|{}_pad|><|vision_end|>"
    text = tiny.processor().chat_template
    return text.replace(marks.format("image"), picture).replace(marks.format("video"), clip)


def _text(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (TEXT | changes).items() if value is not None}


def _marks() -> dict[str, int]:
    return tiny._ids()


def qwen2_5_processor() -> Any:
    like = tiny.processor()
    return hf.Qwen2_5_VLProcessor(
        like.image_processor, like.tokenizer, like.video_processor, chat_template=like.chat_template
    )


def qwen3_vl(kind: str = "Qwen3VL", **text: Any) -> tuple[Any, Any]:
    vision = dict(
        depth=3, hidden_size=32, intermediate_size=64, num_heads=2, out_hidden_size=64, patch_size=16,
        spatial_merge_size=2, temporal_patch_size=2, num_position_embeddings=64,
        deepstack_visual_indexes=[0, 1],
    )  # fmt: skip
    text = _text(
        num_hidden_layers=3, head_dim=16, rope_parameters=ROPE | dict(mrope_interleaved=True), **text
    )
    config = getattr(hf, f"{kind}Config")(text_config=text, vision_config=vision, **_marks())
    processor = hf.Qwen3VLProcessor(
        image_processor=hf.Qwen2VLImageProcessor(
            patch_size=16, size={"shortest_edge": 1024, "longest_edge": 100_000}
        ),
        tokenizer=tokenizer(),
        video_processor=hf.Qwen3VLVideoProcessor(patch_size=16),
        chat_template=tiny.processor().chat_template.replace(
            "<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>"
        ),
    )
    return getattr(hf, f"{kind}ForConditionalGeneration")(config), processor


def qwen3_vl_moe() -> tuple[Any, Any]:
    experts = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48, decoder_sparse_step=1)
    return qwen3_vl("Qwen3VLMoe", **experts)


def glm4v() -> tuple[Any, Any]:
    names = ("image", "video", "begin_of_image", "end_of_image", "begin_of_video", "end_of_video")
    words = tokenizer(**{f"{name}_token": f"<|{name}|>" for name in names})
    ids = {name: words.convert_tokens_to_ids(f"<|{name}|>") for name in names}
    vision = dict(
        depth=2, hidden_size=32, intermediate_size=64, num_heads=2, out_hidden_size=64, image_size=84,
        patch_size=14, spatial_merge_size=2, temporal_patch_size=2,
    )  # fmt: skip
    rope = dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5, mrope_section=[2, 1, 1])
    config = hf.Glm4vConfig(
        text_config=_text(rope_parameters=rope),
        vision_config=vision,
        image_token_id=ids["image"],
        video_token_id=ids["video"],
        image_start_token_id=ids["begin_of_image"],
        image_end_token_id=ids["end_of_image"],
        video_start_token_id=ids["begin_of_video"],
        video_end_token_id=ids["end_of_video"],
    )
    size = {"shortest_edge": 1568, "longest_edge": 100_000}
    processor = hf.Glm4vProcessor(
        image_processor=hf.Glm4vImageProcessor(size=size),
        tokenizer=words,
        video_processor=hf.Glm4vVideoProcessor(size=size),
        chat_template=_template(
            "<|begin_of_image|><|image|><|end_of_image|>", "<|begin_of_video|><|video|><|end_of_video|>"
        ),
    )
    return hf.Glm4vForConditionalGeneration(config), processor


def glm46v() -> tuple[Any, Any]:
    like, processor = glm4v()
    config = like.config.to_dict() | {"model_type": "glm46v"}
    size = {"shortest_edge": 1568, "longest_edge": 100_000}
    return hf.Glm46VForConditionalGeneration(hf.Glm46VConfig.from_dict(config)), hf.Glm46VProcessor(
        image_processor=hf.Glm46VImageProcessor(size=size),
        tokenizer=processor.tokenizer,
        video_processor=hf.Glm46VVideoProcessor(size=size),
        chat_template=processor.chat_template,
    )


def _words_with_image(*more: str) -> tuple[Any, int]:
    words = tokenizer(image_token="<image>", **{f"{name}_token": f"<{name}>" for name in more})
    return words, words.convert_tokens_to_ids("<image>")


def llava() -> tuple[Any, Any]:
    words, image = _words_with_image()
    config = hf.LlavaConfig(
        text_config=_text(model_type="llama"), vision_config=CLIP, image_token_index=image,
        vision_feature_layer=-2, vision_feature_select_strategy="default",
    )  # fmt: skip
    processor = hf.LlavaProcessor(
        image_processor=hf.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=SQUARE),
        tokenizer=words, patch_size=4, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=_template("<image>"),
    )  # fmt: skip
    return hf.LlavaForConditionalGeneration(config), processor


def llava_next() -> tuple[Any, Any]:
    words, image = _words_with_image()
    config = hf.LlavaNextConfig(
        text_config=_text(model_type="llama"), vision_config=CLIP, image_token_index=image,
        image_grid_pinpoints=TILES, vision_feature_layer=-2, vision_feature_select_strategy="default",
    )  # fmt: skip
    processor = hf.LlavaNextProcessor(
        image_processor=hf.LlavaNextImageProcessor(
            size={"shortest_edge": 16}, crop_size=SQUARE, image_grid_pinpoints=TILES
        ),
        tokenizer=words, patch_size=4, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=_template("<image>"),
    )  # fmt: skip
    return hf.LlavaNextForConditionalGeneration(config), processor


def llava_onevision() -> tuple[Any, Any]:
    words, image = _words_with_image("video")
    config = hf.LlavaOnevisionConfig(
        text_config=_text(model_type="qwen2"), vision_config=SIGLIP, image_token_index=image,
        video_token_index=words.convert_tokens_to_ids("<video>"), image_grid_pinpoints=TILES,
        vision_feature_layer=-1, vision_feature_select_strategy="full",
    )  # fmt: skip
    processor = hf.LlavaOnevisionProcessor(
        image_processor=hf.LlavaOnevisionImageProcessor(size=SQUARE, image_grid_pinpoints=TILES),
        tokenizer=words, video_processor=hf.LlavaOnevisionVideoProcessor(size=SQUARE), num_image_tokens=16,
        vision_feature_select_strategy="full", chat_template=_template("<image>", "<video>"),
    )  # fmt: skip
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


def internvl() -> tuple[Any, Any]:
    named = dict(start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>")
    words = tokenizer(video_token="<video>", **named)
    vision = dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=[16, 16], patch_size=[4, 4], use_qk_norm=True, norm_type="rms_norm",
    )  # fmt: skip
    config = hf.InternVLConfig(
        text_config=_text(model_type="qwen2"), vision_config=vision, image_seq_length=4, downsample_ratio=0.5,
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"), vision_feature_layer=-1,
        tie_word_embeddings=False,
    )  # fmt: skip
    processor = hf.InternVLProcessor(
        image_processor=hf.GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=True, max_patches=2),
        tokenizer=words, video_processor=hf.InternVLVideoProcessor(size=SQUARE), image_seq_length=4,
        chat_template=_template("<IMG_CONTEXT>", "<video>"),
    )  # fmt: skip
    return hf.InternVLForConditionalGeneration(config), processor


def _idefics_vision() -> dict[str, Any]:
    return dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=16,
        patch_size=4,
    )  # fmt: skip


def _idefics_words() -> tuple[Any, int]:
    marks = ["fake_token_around_image", "global-img", "end_of_utterance"]
    return _words_with_image(*marks, *(f"row_{i}_col_{j}" for i in (1, 2) for j in (1, 2)))


def idefics3() -> tuple[Any, Any]:
    words, image = _idefics_words()
    config = hf.Idefics3Config(
        text_config=_text(model_type="llama"), vision_config=_idefics_vision(), image_token_id=image,
        scale_factor=2, pad_token_id=0,
    )  # fmt: skip
    edges = dict(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    processor = hf.Idefics3Processor(
        hf.Idefics3ImageProcessor(**edges), words, image_seq_len=4, chat_template=_template("<image>")
    )
    return hf.Idefics3ForConditionalGeneration(config), processor


def smolvlm() -> tuple[Any, Any]:
    words, image = _idefics_words()
    config = hf.SmolVLMConfig(
        text_config=_text(model_type="llama"), vision_config=_idefics_vision(), image_token_id=image,
        scale_factor=2, pad_token_id=0,
    )  # fmt: skip
    edges = dict(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    processor = hf.SmolVLMProcessor(
        hf.SmolVLMImageProcessor(**edges), words, hf.SmolVLMVideoProcessor(**edges),  image_seq_len=4,
        chat_template=_template("<image>"),
    )  # fmt: skip
    return hf.SmolVLMForConditionalGeneration(config), processor


def mistral3() -> tuple[Any, Any]:
    words = tokenizer(image_token="[IMG]", image_break_token="[IMG_BREAK]", image_end_token="[IMG_END]")
    vision = dict(
        model_type="pixtral", hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, image_size=32, patch_size=4, head_dim=16,
    )  # fmt: skip
    config = hf.Mistral3Config(
        text_config=_text(model_type="mistral", sliding_window=None, head_dim=16), vision_config=vision,
        image_token_index=words.convert_tokens_to_ids("[IMG]"), spatial_merge_size=2, vision_feature_layer=-1,
        tie_word_embeddings=False,
    )  # fmt: skip
    processor = hf.PixtralProcessor(
        hf.PixtralImageProcessor(size={"longest_edge": 32}, patch_size={"height": 4, "width": 4}), words,
        patch_size=4, spatial_merge_size=2, chat_template=_template("[IMG]"),
    )  # fmt: skip
    return hf.Mistral3ForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    words = tokenizer(
        boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
    )
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = hf.Gemma3Config(
        text_config=_text(
            head_dim=16, num_hidden_layers=3, query_pre_attn_scalar=16, sliding_window=16, layer_types=kinds
        ),
        vision_config=SIGLIP, mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
    )  # fmt: skip
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessor(size=SQUARE), words, image_seq_length=4,
        chat_template=_template("<start_of_image>"),
    )  # fmt: skip
    return hf.Gemma3ForConditionalGeneration(config), processor


def mllama() -> tuple[Any, Any]:
    words = tokenizer(bos_token="<|begin_of_text|>", image_token="<|image|>")
    vision = dict(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_global_layers=1, attention_heads=2,
        image_size=16, patch_size=4, max_num_tiles=4, intermediate_layers_indices=[0, 1],
        vision_output_dim=48,
    )  # fmt: skip
    rope = dict(rope_type="default", rope_theta=1e4)
    config = hf.MllamaConfig(
        text_config=_text(num_hidden_layers=4, cross_attention_layers=[1, 3], rope_parameters=rope),
        vision_config=vision, image_token_index=words.convert_tokens_to_ids("<|image|>"),
    )  # fmt: skip
    processor = hf.MllamaProcessor(
        hf.MllamaImageProcessor(size=SQUARE, max_image_tiles=4), words,
        chat_template="{{ bos_token }}" + _template("<|image|>"),
    )  # fmt: skip
    return hf.MllamaForConditionalGeneration(config), processor


BUILDERS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "qwen2_vl": lambda: (tiny.qwen2_vl(), tiny.processor()),
    "qwen2_5_vl": lambda: (tiny.qwen2_5_vl(), qwen2_5_processor()),
    "aria": tiny_aria,
    **{
        build.__name__: build
        for build in (
            qwen3_vl,
            qwen3_vl_moe,
            glm4v,
            glm46v,
            llava,
            llava_next,
            llava_onevision,
            internvl,
            idefics3,
            smolvlm,
            mistral3,
            gemma3,
            mllama,
        )
    },
}


CLIPS = (
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "qwen3_vl_moe",
    "glm4v",
    "glm46v",
    "llava_onevision",
    "internvl",
    "smolvlm",
)
"""Families with clips of their own."""


def build(name: str) -> tuple[Any, Encoder]:
    """A lively model of the family, the same every time, and its encoder."""
    torch.manual_seed(0)
    return lively(*BUILDERS[name]())


def lively(model: Any, processor: Any) -> tuple[Any, Encoder]:
    """The model with weights redrawn, and its encoder."""
    return redrawn(model).eval(), Encoder(processor, model.config)


def redrawn(model: Any) -> Any:
    """The model with weights of unit gain, the same every time."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=generator)
        elif not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    return model
