"""Vision features computed once per question where the vision tower is frozen: rollout, old, reference and
policy passes share them.

They are passed to the model as `mm_encoder_outputs` instead of pixels; the numbers are equal (tested).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from seethink.models.batching import FEATURES, ROPE
from seethink.models.encoder import Prompt
from seethink.models.families import Family
from seethink.models.parts import Parts

_PIXELS = {"image": "pixel_values", "video": "pixel_values_videos"}


def can_cache(model: Any, prompts: Sequence[Prompt]) -> bool:
    """Whether features of these prompts can be reused: vision tower and projector are frozen, and the model
    accepts features. Families that cannot share rows are given pixels."""
    if not prompts or not takes_features(model, prompts[0].family):
        return False
    parts = Parts(model)
    trained = {parts.of(name) for name, weight in model.named_parameters() if weight.requires_grad}
    return not {"vision", "projector", None} & trained


def takes_features(model: Any, family: Family) -> bool:
    """Whether the model accepts features of media instead of pixels."""
    return family.shared and "mm_encoder_outputs" in inspect.signature(model.model.forward).parameters


def with_features(model: Any, prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts with features instead of pixels, where they can be cached; otherwise unchanged."""
    return [encode(model, prompt) for prompt in prompts] if can_cache(model, prompts) else list(prompts)


@torch.no_grad()
def encode(model: Any, prompt: Prompt) -> Prompt:
    """The prompt with features instead of pixels: `image_features` or `video_features`, (media, tokens, H)
    where the model takes all media at one size, else (tokens of all media, H); and `..._deepstack` (tokens,
    layers, H) for families that add features to their first layers."""
    media = {name: value for name, value in prompt.media.items() if name in ROPE}
    for kind, pixels in _PIXELS.items():
        if pixels not in prompt.media:
            continue
        tower = getattr(model.model, f"get_{kind}_features")
        known = inspect.signature(tower).parameters
        given = {name: value.to(model.device) for name, value in prompt.media.items() if name in known}
        out = tower(**given, return_dict=True)
        media[f"{kind}_features"] = _rows(out.pooler_output)
        if (layers := out.get("deepstack_features")) is not None:
            media[f"{kind}_deepstack"] = torch.stack([_rows(layer) for layer in layers], 1)
    return replace(prompt, media=media)


def _rows(features: Tensor | Sequence[Tensor]) -> Tensor:
    return features if isinstance(features, Tensor) else torch.cat(list(features))


def inputs(media: dict[str, Tensor]) -> dict[str, Any]:
    """Media tensors as arguments of the model's forward."""
    outputs = {}
    for kind in _PIXELS:
        if (features := media.get(f"{kind}_features")) is not None:
            layers = media.get(f"{kind}_deepstack")
            outputs[kind] = SimpleNamespace(
                pooler_output=features if features.dim() == 3 else [features],
                deepstack_features=None if layers is None else [[layer] for layer in layers.unbind(1)],
            )
    plain = {name: value for name, value in media.items() if not name.endswith(FEATURES)}
    return plain | ({"mm_encoder_outputs": outputs} if outputs else {})
