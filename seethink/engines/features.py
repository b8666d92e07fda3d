"""Vision features computed once, where the tower stands still: rollout, old, reference and policy share them.

They go into the model as `mm_encoder_outputs`, instead of pixels; same numbers (tested).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from seethink.engines.batch import FEATURES, ROPE
from seethink.families import Prompt

_PIXELS = {"image": "pixel_values", "video": "pixel_values_videos"}


def stand_still(model: Any, prompts: Sequence[Prompt]) -> bool:
    """Whether features of these prompts can be kept: vision and projector are frozen, and the model takes
    features."""
    if not prompts or "mm_encoder_outputs" not in inspect.signature(model.model.forward).parameters:
        return False
    family = prompts[0].family
    parts = (family.part_of(name) for name, weight in model.named_parameters() if weight.requires_grad)
    return not {"vision", "projector", None} & set(parts)


def once(model: Any, prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts with features in the place of pixels, where the tower stands still; else as they are."""
    return [look(model, prompt) for prompt in prompts] if stand_still(model, prompts) else list(prompts)


@torch.no_grad()
def look(model: Any, prompt: Prompt) -> Prompt:
    """The prompt with features in the place of pixels: `image_features` or `video_features`, (media, tokens,
    H) where all media are equally large for the model, else (tokens of all media, H); `..._deepstack`
    (tokens, layers, H), for the families whose first layers are given more."""
    media = {name: value for name, value in prompt.media.items() if name in ROPE}
    for kind, pixels in _PIXELS.items():
        if pixels not in prompt.media:
            continue
        encode = getattr(model.model, f"get_{kind}_features")
        known = inspect.signature(encode).parameters
        given = {name: value.to(model.device) for name, value in prompt.media.items() if name in known}
        out = encode(**given, return_dict=True)
        media[f"{kind}_features"] = _rows(out.pooler_output)
        if (layers := out.get("deepstack_features")) is not None:
            media[f"{kind}_deepstack"] = torch.stack([_rows(layer) for layer in layers], 1)
    return replace(prompt, media=media)


def _rows(features: Tensor | Sequence[Tensor]) -> Tensor:
    return features if isinstance(features, Tensor) else torch.cat(list(features))


def inputs(media: dict[str, Tensor]) -> dict[str, Any]:
    """Media as the model's forward takes them."""
    seen = {}
    for kind in _PIXELS:
        if (features := media.get(f"{kind}_features")) is not None:
            layers = media.get(f"{kind}_deepstack")
            seen[kind] = SimpleNamespace(
                pooler_output=features if features.dim() == 3 else [features],
                deepstack_features=None if layers is None else [[layer] for layer in layers.unbind(1)],
            )
    plain = {name: value for name, value in media.items() if not name.endswith(FEATURES)}
    return plain | ({"mm_encoder_outputs": seen} if seen else {})
