"""The initial sprout: tokenizer, processor, random weights, and a vision tower pretrained to name cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seethink.sources.handwritten import CELL_PX
from seethink.systems.sprout.curriculum import (
    ANSWERING,
    CELL_NAMES,
    GRIDS,
    REASONING,
    CurriculumExamples,
    cells,
    picture,
)

CONTROL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
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


def write_initial_model(out: Path, seed: int) -> None:
    """Write a model folder with a new tokenizer, processor and random weights to `out`."""
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tokenizer = _tokenizer()
    ids = {
        name: tokenizer.convert_tokens_to_ids(f"<|{name}|>")
        for name in ("image_pad", "video_pad", "vision_start", "vision_end", "im_end", "endoftext")
    }
    torch.manual_seed(seed)
    text = dict(
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=640,
        max_position_embeddings=4096,
        rope_parameters=dict(rope_type="default", mrope_section=[8, 12, 12], rope_theta=10_000.0),
        bos_token_id=None,
        eos_token_id=ids["im_end"],
        pad_token_id=ids["endoftext"],
        tie_word_embeddings=False,
    )
    vision = dict(
        depth=4,
        embed_dim=128,
        hidden_size=256,
        num_heads=4,
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
    model.save_pretrained(out)
    _processor(tokenizer).save_pretrained(out)


def _tokenizer() -> Any:
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
        vocab_size=VOCABULARY - len(TAGS),
        special_tokens=list(CONTROL),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=1,
    )
    bpe.train_from_iterator(_texts(), trainer)
    bpe.add_tokens([AddedToken(tag, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(CONTROL[1:]),
        chat_template=TEMPLATE,
    )


def _texts() -> Sequence[str]:
    """Training text of the tokenizer: prompts and replies of some thousand examples."""
    rows = [
        row
        for styles in (REASONING, ANSWERING)
        for row in CurriculumExamples(3000, "words", 0, styles, GRIDS, 6)
    ]
    prompts = [
        part["text"]
        for row in rows
        for part in row.format.prompt(row.example)[0]["content"]
        if part["type"] == "text"
    ]
    return prompts + [row.text for row in rows]


def pretrain_vision_tower(out: Path, model: Any, seed: int, steps: int) -> None:
    """Write `model` to `out` with its vision tower trained to classify cells, through a linear head that is
    dropped.

    Other models begin with towers trained on millions of captions. Trained through the language model alone,
    this one still confused all digits after 300 steps; the head gets there in 200.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from seethink.models.loading import load_policy

    policy, encoder = load_policy(str(model.path))
    torch.manual_seed(seed)
    tower, names = policy.model.model.visual, {name: i for i, name in enumerate(CELL_NAMES)}
    head = torch.nn.Linear(policy.model.config.text_config.hidden_size, len(names))
    weights = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps, pct_start=0.05)
    for step in range(steps):
        pictures = [picture(f"eyes/{seed}/{step}/{i}", GRIDS, shapes=0.2) for i in range(48)]
        inputs = encoder.processor.image_processor(
            images=[p.media[0].load() for p in pictures], return_tensors="pt"
        )
        labels = torch.tensor([names[name] for page in pictures for name in cells(page)])
        with torch.autocast("cpu", torch.bfloat16):
            features = tower(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]).pooler_output
        loss = cross_entropy(head(features.float()), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    policy.model.save_pretrained(out)
    encoder.processor.save_pretrained(out)


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
