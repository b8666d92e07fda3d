"""The initial sprout: tokenizer, processor and random weights with wired heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.formats import FORMATS
from seethink.sources.handwritten import CELL_PX
from seethink.systems.sprout.curriculum import CurriculumExamples
from seethink.systems.sprout.styles import ANSWERING, REASONING

CONTROL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
PIECES = tuple(
    dict.fromkeys(
        [
            *(tag for form in FORMATS.values() for tag in getattr(form, "tags", ())),
            *('[{"bbox_2d": [', '{"bbox_2d": [', '"}, {"bbox_2d": [', '], "label": "', '"}]', "]}]"),
            *('[{"title": "', '{"title": "', '", "content": "', '", "next_action": "', '"}, {"title": "'),
            *("FINAL ANSWER", "final_answer", "Final Answer:", "\\boxed{"),
        ]
    )
)
"""Tags and pieces of JSON that are one token each."""
TITLES = (
    "Understand the question. Inspect the picture. Identify the objects. Read the values. Compare them. "
    "Calculate the result. Check the result. Problem understanding. Visual inspection. Calculation. "
    "Verification. Analysis. Summary. Conclusion. Reasoning. Observation. Final check."
)
"""Words of step titles, as teachers write them."""
TEMPLATE = (
    "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif part['type'] == 'video' -%}{{ '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{%- else -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<|im_end|>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
VOCABULARY = 2048
IMAGE_TOKENS = (4, 400)
"""Fewest and most tokens of a picture (28 x 28 pixels each) after the processor's resizing."""
HEAD = 4.0
"""Times the embeddings: the head at first. A state that is the embedding of a word writes that word."""


@dataclass(frozen=True)
class ModelSize:
    """Widths and depths. Heads have 32 dimensions."""

    hidden_size: int = 256
    num_hidden_layers: int = 6
    intermediate_size: int = 512
    tower_dim: int = 192
    tower_depth: int = 4


def write_initial_model(out: Path, seed: int, size: ModelSize, texts: int = 16_000) -> None:
    """Write a model folder with a new tokenizer, processor and random weights to `out`. texts: examples that
    the tokenizer is trained on."""
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    from seethink.systems.sprout.wiring import wire

    tokenizer = _tokenizer(texts)
    ids = {
        name: tokenizer.convert_tokens_to_ids(f"<|{name}|>")
        for name in ("image_pad", "video_pad", "vision_start", "vision_end", "im_end", "endoftext")
    }
    torch.manual_seed(seed)
    text = dict(
        vocab_size=VOCABULARY,
        hidden_size=size.hidden_size,
        num_hidden_layers=size.num_hidden_layers,
        num_attention_heads=size.hidden_size // 32,
        num_key_value_heads=size.hidden_size // 64,
        intermediate_size=size.intermediate_size,
        max_position_embeddings=4096,
        # High frequencies for time and rows, a range of them for columns, and the rest so low that a square
        # is found by what it holds, wherever it lies.
        rope_parameters=dict(rope_type="default", mrope_section=[1, 1, 14], rope_theta=10_000.0),
        bos_token_id=None,
        eos_token_id=ids["im_end"],
        pad_token_id=ids["endoftext"],
        tie_word_embeddings=False,
    )
    vision = dict(
        depth=size.tower_depth,
        embed_dim=size.tower_dim,
        hidden_size=size.hidden_size,
        num_heads=size.tower_dim // 32,
        mlp_ratio=2,
        patch_size=14,
        spatial_merge_size=2,
        temporal_patch_size=2,
    )
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            text_config=text,
            vision_config=vision,
            tie_word_embeddings=False,
            image_token_id=ids["image_pad"],
            video_token_id=ids["video_pad"],
            vision_start_token_id=ids["vision_start"],
            vision_end_token_id=ids["vision_end"],
        )
    )
    with torch.no_grad():  # at first to copy a word is one operation for all of them
        model.lm_head.weight.copy_(HEAD * model.model.language_model.embed_tokens.weight)
    wire(model.model.language_model, seed)
    model.save_pretrained(out)
    _processor(tokenizer).save_pretrained(out)


def _tokenizer(texts: int) -> Any:
    """Byte-level BPE trained on the curriculum's texts; every digit is a token of its own."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    words = Regex(r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(PIECES),
        special_tokens=list(CONTROL),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=1,
    )
    bpe.train_from_iterator(_texts(texts), trainer)
    bpe.add_tokens([AddedToken(piece, normalized=False) for piece in PIECES])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(CONTROL[1:]),
        chat_template=TEMPLATE,
    )


def _texts(n: int) -> Sequence[str]:
    """Training text of the tokenizer: prompts and replies of `n` examples, and titles of steps."""
    rows = [
        row for manners in (REASONING, ANSWERING) for row in CurriculumExamples(n // 2, "words", 0, manners)
    ]
    prompts = [
        part["text"]
        for row in rows
        for part in row.format.prompt(row.example)[0]["content"]
        if part["type"] == "text"
    ]
    return prompts + [row.text for row in rows] + [TITLES] * 50


def _processor(tokenizer: Any) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    low, high = (n * CELL_PX**2 for n in IMAGE_TOKENS)
    size = {"shortest_edge": low, "longest_edge": high}
    settings: dict[str, Any] = dict(patch_size=14, merge_size=2, temporal_patch_size=2, size=size)
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**settings),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**settings),
        chat_template=TEMPLATE,
    )
