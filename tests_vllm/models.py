"""Tiny models with head sizes that vLLM's CPU kernels support, and questions of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
import transformers as hf

from seethink.media import Image, Video
from seethink.types import Messages
from tests import tiny, vlms

TEXT: dict[str, Any] = tiny.TEXT | dict(
    hidden_size=128,
    intermediate_size=256,
    max_position_embeddings=1024,
    rope_parameters=dict(rope_type="default", rope_theta=1e4, mrope_section=[4, 6, 6]),
)
VISION: dict[str, Any] = dict(
    depth=2, num_heads=2, patch_size=14, spatial_merge_size=2, temporal_patch_size=2
)


def qwen2_vl(seed: int = 0, tied: bool = False) -> Any:
    text = TEXT | dict(tie_word_embeddings=tied)
    vision = VISION | dict(embed_dim=64, hidden_size=128, mlp_ratio=2)
    config = hf.Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied, **tiny._ids())
    torch.manual_seed(seed)
    return _lively(hf.Qwen2VLForConditionalGeneration(config))


def qwen2_5_vl(seed: int = 0) -> Any:
    vision = VISION | dict(
        hidden_size=64, intermediate_size=128, out_hidden_size=128, fullatt_block_indexes=[1], window_size=56
    )
    config = hf.Qwen2_5_VLConfig(text_config=TEXT, vision_config=vision, **tiny._ids())
    torch.manual_seed(seed)
    return _lively(hf.Qwen2_5_VLForConditionalGeneration(config))


def _lively(model: Any) -> Any:
    """Norms and biases are random too, so that a missing update is noticed."""
    for parameter in tiny._lively(model).parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, mean=float(parameter.mean()), std=0.2)
    return model


def saved(folder: Path, model: Any) -> str:
    """A checkpoint folder for both the trainer and vLLM."""
    model.save_pretrained(folder)
    newer = model.config.model_type == "qwen2_5_vl"
    (vlms.qwen2_5_processor() if newer else tiny.processor()).save_pretrained(folder)
    return str(folder)


def picture(seed: int, width: int = 56, height: int = 56) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.drawn(f"{seed}/{width}/{height}", lambda: PIL.Image.fromarray(pixels))


def clip(path: Path) -> Video:
    """Four frames of a second that grows brighter."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=4)
        stream.width = stream.height = 56
        for i in range(16):
            grey = np.full((56, 56, 3), i * 15, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        file.mux(stream.encode())
    return Video(path, num_frames=4)


def question(*parts: Any, begun: str = "") -> Messages:
    content = [
        {"type": "text", "text": p} if isinstance(p, str) else {"type": p.kind, p.kind: p} for p in parts
    ]
    answer = {"role": "assistant", "content": [{"type": "text", "text": begun}]}
    return [{"role": "user", "content": content}, *([answer] if begun else [])]


QUESTIONS = {
    "one picture": question(picture(0), "What is it?"),
    "several pictures": question(picture(1), "and", picture(2, 84, 56), picture(1), "are what?"),
    "text alone": question("How are you?"),
    "a begun answer": question(picture(3), "What is it?", begun="<think> I see"),
    "a picture to shrink": question(picture(4, 333, 217), "What is it?"),
    "a picture to enlarge": question(picture(5, 20, 30), "What is it?"),
}
