"""Shared by the benchmarks: shapes, a model, random data of a shape, options, and the JSON line."""

from __future__ import annotations

import argparse
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from seethink.models.attention import segments
from seethink.models.encoder import Prompt
from seethink.models.packing import Branch, Group

HIDDEN, LAYERS, VOCABULARY, IMAGE = 384, 6, 2048, 5
TEXT_TOKENS = 16
PATCH_VALUES = 3 * 2 * 14 * 14
"""Channels x frames of a patch x pixels of a patch."""


@dataclass(frozen=True)
class Shape:
    """prompt: P tokens, image included. response: C tokens of each answer. group: G answers per question.
    questions: B."""

    prompt: int
    response: int
    group: int
    questions: int

    @property
    def picture(self) -> tuple[int, int]:
        """(rows, columns) of image tokens, as square as possible with `TEXT_TOKENS` of text beside them."""
        room = self.prompt - TEXT_TOKENS
        rows = math.isqrt(room)
        return rows, room // rows

    @property
    def ideal(self) -> float:
        """Speed-up that counting tokens promises: G (P + C) / (P + G C)."""
        return self.group * (self.prompt + self.response) / (self.prompt + self.group * self.response)


def build(seed: int = 0) -> Qwen2VLForConditionalGeneration:
    """A Qwen2-VL of 24 million parameters in fp32, with the random weights of `seed`."""
    torch.manual_seed(seed)
    text: dict[str, Any] = dict(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=3 * HIDDEN,
        rope_parameters=dict(rope_type="default", mrope_section=[16, 16, 16], rope_theta=10_000.0),
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
    )
    vision = dict(depth=LAYERS, embed_dim=HIDDEN, hidden_size=HIDDEN, num_heads=4, mlp_ratio=3, patch_size=14)
    marks: dict[str, Any] = dict(
        image_token_id=IMAGE, video_token_id=6, vision_start_token_id=7, vision_end_token_id=8
    )
    config = Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **marks)
    model = Qwen2VLForConditionalGeneration(config).train()
    model.set_attn_implementation({"": "sdpa", "vision_config": segments.NAME})
    return model


def data(shape: Shape) -> list[Group]:
    """B questions with random images, and G random answers each, with advantages from -1 to 1."""
    rows, columns = shape.picture
    generator = torch.Generator().manual_seed(1)
    groups = []
    for b in range(shape.questions):
        ids = torch.randint(10, VOCABULARY, (shape.prompt,), generator=generator)
        ids[4 : 4 + rows * columns] = IMAGE
        pixels = torch.randn(4 * rows * columns, PATCH_VALUES, generator=generator)
        grid = torch.tensor([[1, 2 * rows, 2 * columns]])
        answers = torch.randint(10, VOCABULARY, (shape.group, shape.response), generator=generator)
        weight = 1 / (shape.questions * shape.group * shape.response)
        branches = [
            Branch(answer, weight=weight, advantage=advantage)
            for answer, advantage in zip(
                answers.tolist(), torch.linspace(-1, 1, shape.group).tolist(), strict=True
            )
        ]
        media = {"pixel_values": pixels, "image_grid_thw": grid}
        groups.append(
            Group(Prompt(ids.tolist(), (ids == IMAGE).int().tolist(), media), branches, f"question {b}")
        )
    return groups


def shape_parser(doc: str | None, rivals: Sequence[str]) -> argparse.ArgumentParser:
    """The options shared by the benchmarks of a shape; the first rival is the default."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=raw)
    parser.add_argument("--prompt", type=int, default=272, help="P: prompt tokens, image included")
    parser.add_argument("--response", type=int, default=64, help="C: tokens of each answer")
    parser.add_argument("--group", type=int, default=8, help="G: answers to each question")
    parser.add_argument("--questions", type=int, default=2, help="B: questions")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--rival", choices=rivals, default=rivals[0], help="implementation to compare with")
    return parser


def parse(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, Shape]:
    """The options and the shape that they describe; the number of torch's threads is set."""
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args, Shape(args.prompt, args.response, args.group, args.questions)


def last_line(name: str, shape: Shape, ours_s: float, rival: tuple[str, float], more: dict[str, Any]) -> str:
    """The JSON object on the last line of a benchmark; `more` adds fields. rival: (name, seconds)."""
    line = {
        "name": name,
        "shape": {**asdict(shape), "threads": torch.get_num_threads()},
        "ours_s": ours_s,
        "rival_s": rival[1],
        "rival": rival[0],
        "ratio": rival[1] / ours_s,
        "ideal": shape.ideal,
        "measured_over_ideal": rival[1] / ours_s / shape.ideal,
        "memory_ratio": None,
        "versions": versions(),
    }
    return json.dumps(line | more)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries measured."""
    known = {name: version(name) for name in ("seethink", "torch", "transformers", "trl")}
    return {"python": platform.python_version(), **known}
