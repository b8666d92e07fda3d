"""Activation checkpointing of a share of a model's layers: these keep their input alone, and are computed
again in the backward pass. No number changes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer


def stacks(model: nn.Module) -> Iterator[list[GradientCheckpointingLayer]]:
    """The layers that can be checkpointed, by the list that holds them: language model, tower."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            layers = [layer for layer in module if isinstance(layer, GradientCheckpointingLayer)]
            if layers:
                yield layers


def layers_of(share: float, many: int) -> int:
    """A share of `many` layers, rounded up."""
    return math.ceil(many * share - 1e-9)


def enable(model: Any) -> None:
    """Checkpoint every layer, until `checkpoint` says otherwise."""
    model.activation_checkpointing_enable({"use_reentrant": False})


def checkpoint(model: nn.Module, share: float) -> None:
    """Checkpoint a share of each stack's layers, rounded up and evenly spread: of 0.5 every second one. Call
    `enable` once before."""
    for layers in stacks(model):
        many = len(layers)
        few = layers_of(share, many)
        for i, layer in enumerate(layers):
            layer.gradient_checkpointing = (i + 1) * few // many > i * few // many
