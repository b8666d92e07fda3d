"""A tiny random model of Aria's shape: a mixture of experts, and a projector that queries the tower."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from seethink.models.names import SPROUT


def tiny_aria() -> tuple[Any, Any]:
    """(model, processor): random weights, sprout's words with `<image>` as one more token.

    Pictures have 980 pixels a side, the larger of the two sides that its processor has, and are
    8 tokens.
    """
    import transformers as hf

    like = hf.AutoProcessor.from_pretrained(str(SPROUT))
    words: Any = hf.PreTrainedTokenizerFast(
        tokenizer_object=copy.deepcopy(like.tokenizer.backend_tokenizer),
        eos_token=like.tokenizer.eos_token,
        pad_token=like.tokenizer.pad_token,
        extra_special_tokens=[*like.tokenizer.extra_special_tokens, "<image>"],
        model_specific_special_tokens={"image_token": "<image>"},
    )
    text = dict(
        model_type="aria_text", vocab_size=2112, hidden_size=64, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, pad_token_id=0,
        moe_num_experts=4, moe_topk=2, moe_num_shared_experts=1,
    )  # fmt: skip
    vision = dict(
        model_type="idefics3_vision", hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, image_size=980, patch_size=70,
    )  # fmt: skip
    config = hf.AriaConfig(
        text_config=text,
        vision_config=vision,
        projector_patch_to_query_dict={(980 // 70) ** 2: 8},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    processor = hf.AriaProcessor(
        hf.AriaImageProcessor(max_image_size=980, min_image_size=336),
        words,
        size_conversion={980: 8},
        chat_template=like.chat_template.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>"),
    )
    return hf.AriaForConditionalGeneration(config), processor


def write_tiny_aria(folder: Path, seed: int = 0) -> None:
    """Write a folder for `from_pretrained`."""
    import torch

    torch.manual_seed(seed)
    model, processor = tiny_aria()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
