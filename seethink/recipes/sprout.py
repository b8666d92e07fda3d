"""sprout: the tiny bundled model, grown from nothing on pages of digits and drawn shapes.

source   ours; the shape is Qwen2-VL's (arXiv 2409.12191), with about five million parameters
claim    none: it exists so that everything here runs at once, offline, on two CPU cores
needs    tiny: two CPU cores, an hour and a quarter
differs  Perception comes first, cell by cell. Then steps are learned alone. Only then come the many ways
         of answering that pretrained models have read: at once or by steps, in tags, boxes or prose, obeying
         what was asked only sometimes. So it mostly answers at once even where its steps would be right, and
         reinforcement has something to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.run import Run
from seethink.sources.handwritten import CELL_PX
from seethink.sources.schoolbook import BOX, BRIEF, CELL_NAMES, PLAIN, Habit, Schoolbook, cells, picture
from seethink.train.configs import SFT


def recipe(run: Run) -> None:
    seed = run.make("seed", seedling, seed=run.seed)
    model = run.make("eyes", open_eyes, model=seed, seed=run.seed, steps=run.scale(smoke=2, tiny=800))
    for name, full in COURSES.items():
        course = run.scale(smoke=replace(full, pictures=4, steps=2), tiny=full)
        model = run.sft(name, model, *course.lessons(name, run.seed))
    run.export("sprout", model)


SCHOOL = SFT(
    bf16=True,
    warmup=0.05,
    weight_decay=0.01,
    adam_beta2=0.98,
    shuffle=False,
    tokens_per_pack=2_000,
    save_every=100,
)

READING: Habit = {}
REASONING: Habit = {
    THINK_ANSWER: {"tagged steps": 1.0},
    BOX: {"boxed steps": 1.0},
    PLAIN: {"prose steps": 1.0},
}
ANSWERING: Habit = {
    THINK_ANSWER: {
        "tagged at once": 0.34,
        "prose at once": 0.18,
        "tagged steps": 0.16,
        "prose steps": 0.10,
        "boxed at once": 0.08,
        "bare": 0.08,
        "empty thought": 0.06,
    },
    ANSWER_ONLY: {"tagged at once": 0.7, "bare": 0.2, "prose at once": 0.1},
    BOX: {"boxed steps": 0.4, "boxed at once": 0.4, "prose steps": 0.2},
    BRIEF: {"bare": 0.6, "prose at once": 0.4},
    PLAIN: {"prose at once": 0.4, "prose steps": 0.3, "bare": 0.3},
}


@dataclass(frozen=True)
class Course:
    """steps of `pictures` each, `per_picture` lessons about each (which share it in training)."""

    habit: Habit
    pictures: int
    per_picture: int
    steps: int
    grids: Sequence[tuple[int, int]]
    learning_rate: float = 1e-3

    def lessons(self, name: str, seed: int) -> tuple[Schoolbook, SFT]:
        each = self.pictures * self.per_picture
        book = Schoolbook(each * self.steps, name, seed, self.habit, self.grids, self.per_picture)
        config = replace(SCHOOL, steps=self.steps, lessons_per_step=each, learning_rate=self.learning_rate)
        return book, config


SMALL = ((2, 2), (2, 3), (3, 3))
GRIDS = (*SMALL, (3, 4), (4, 4), (4, 4), (4, 4), (4, 4), (4, 5), (5, 4), (5, 5))
COURSES = {
    "look": Course(READING, pictures=96, per_picture=1, steps=150, grids=SMALL),
    "reason": Course(REASONING, pictures=32, per_picture=4, steps=1500, grids=GRIDS),
    "practise": Course(REASONING, pictures=32, per_picture=4, steps=600, grids=GRIDS, learning_rate=6e-4),
    "mixed": Course(ANSWERING, pictures=32, per_picture=6, steps=300, grids=GRIDS, learning_rate=5e-4),
}

# The seed: tokenizer, processor, random weights -------------------------------------------------------------

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
SIDE_TOKENS = (4, 400)
"""Fewest and most picture tokens (28 x 28 pixels each) that the processor lets through."""


def seedling(out: Path, seed: int) -> None:
    """Write a model folder with a fresh tokenizer, processor and random weights."""
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
    """Byte-level BPE over our own texts; every digit is one token, so numbers are spelt alike everywhere."""
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
    """What the tokenizer is made from: every wording of some thousand lessons."""
    books = [Schoolbook(3000, "words", 0, habit, GRIDS, 6) for habit in (REASONING, ANSWERING)]
    lessons = [lesson for book in books for lesson in book]
    asked = [
        part["text"]
        for le in lessons
        for part in le.format.prompt(le.example)[0]["content"]
        if part["type"] == "text"
    ]
    return asked + [lesson.text for lesson in lessons]


def open_eyes(out: Path, model: Any, seed: int, steps: int) -> None:
    """Write `model` with a vision tower that has learned to name cells, by a linear head that is dropped.

    Other models begin with towers trained on millions of captions. Trained through the language model alone,
    this one still confused all digits after 300 steps; the head gets there in 200.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from seethink.train.model import load

    scorer, encoder = load(str(model.path))
    torch.manual_seed(seed)
    tower, names = scorer.model.model.visual, {name: i for i, name in enumerate(CELL_NAMES)}
    head = torch.nn.Linear(scorer.model.config.text_config.hidden_size, len(names))
    weights = [*tower.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps, pct_start=0.05)
    for step in range(steps):
        pictures = [picture(f"eyes/{seed}/{step}/{i}", GRIDS, shapes=0.2) for i in range(48)]
        seen = encoder.processor.image_processor(
            images=[p.media[0].load() for p in pictures], return_tensors="pt"
        )
        held = torch.tensor([names[name] for page in pictures for name in cells(page)])
        with torch.autocast("cpu", torch.bfloat16):
            features = tower(seen["pixel_values"], grid_thw=seen["image_grid_thw"]).pooler_output
        loss = cross_entropy(head(features.float()), held)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    scorer.model.save_pretrained(out)
    encoder.processor.save_pretrained(out)


def _processor(tokenizer: Any) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    low, high = (n * CELL_PX**2 for n in SIDE_TOKENS)
    size = {"shortest_edge": low, "longest_edge": high}
    kinds: dict[str, Any] = dict(patch_size=14, merge_size=2, temporal_patch_size=2, size=size)
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**kinds),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**kinds),
        chat_template=TEMPLATE,
    )
