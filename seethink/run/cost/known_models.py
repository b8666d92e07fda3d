"""Sizes of models that recipes name, for machines that do not have their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from seethink.train.dimensions import TextDimensions, TowerDimensions


@dataclass(frozen=True)
class ModelCost:
    """Sizes of a model. tied: whether the output layer is the table of embeddings."""

    text: TextDimensions
    tower: TowerDimensions
    tied: bool

    @property
    def head(self) -> int:
        return self.text.hidden * self.text.vocabulary

    @property
    def tower_weights(self) -> int:
        """Of the tower and the projector."""
        return self.tower.weights + self.tower.projector(self.text.hidden)

    @property
    def parameters(self) -> int:
        """Norms and biases left out."""
        return self.text.weights + self.tower_weights + self.head * (1 if self.tied else 2)


_QWEN2_TOWER = TowerDimensions(1280, 5120, 32, 14, merged=4, full=32)
_QWEN2_5_TOWER = TowerDimensions(1280, 3420, 32, 14, merged=4, gated=True, window=64, full=4)
_QWEN2_7B = TextDimensions(3584, 18_944, 3584, 512, 28, 152_064)
CALIBRATION_MODEL = ModelCost(TextDimensions(2048, 11_008, 2048, 256, 36, 151_936), _QWEN2_5_TOWER, tied=True)
"""The model of 3B whose updates and rollouts were measured (`bench/gpu.py`)."""
_QWEN2_2B = ModelCost(TextDimensions(1536, 8960, 1536, 256, 28, 151_936), _QWEN2_TOWER, tied=True)
KNOWN_MODELS: Mapping[str, ModelCost] = {
    "Qwen/Qwen2-VL-2B": _QWEN2_2B,
    "Qwen/Qwen2-VL-2B-Instruct": _QWEN2_2B,
    "Qwen/Qwen2-VL-7B-Instruct": ModelCost(_QWEN2_7B, _QWEN2_TOWER, tied=False),
    "Qwen/Qwen2.5-VL-3B-Instruct": CALIBRATION_MODEL,
    "Qwen/Qwen2.5-VL-7B-Instruct": ModelCost(_QWEN2_7B, _QWEN2_5_TOWER, tied=False),
}
"""Sizes from the models' own config.json, for machines that do not have it."""


@cache
def model_cost(name: str) -> ModelCost | None:
    """Of a model by alias, folder or hub id; None where its configuration is neither on this machine nor
    among `KNOWN_MODELS`."""
    from transformers import AutoConfig

    from seethink.models.names import whole

    try:
        config: Any = AutoConfig.from_pretrained(whole(name), local_files_only=True)
    except OSError:
        return KNOWN_MODELS.get(name)
    tied = bool(getattr(config, "tie_word_embeddings", False))
    return ModelCost(TextDimensions.of(config), TowerDimensions.of(config), tied)
