"""The optimizers of `sprout`'s training, with their schedules."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from seethink.systems.sprout.growth_config import GrowthConfig

_OUTER = re.compile("embed_tokens|head")
"""In the names of embeddings and of output heads."""


class Updates:
    """Muon (torch.optim) for the matrices inside the network, and AdamW for embeddings, heads and vectors, as
    its authors advise (kellerjordan.github.io/posts/muon); each with warm-up and a cosine. with_muon: False
    for AdamW alone."""

    def __init__(self, module: nn.Module, config: GrowthConfig, with_muon: bool) -> None:
        by_muon: list[nn.Parameter] = []
        matrices: list[nn.Parameter] = []
        vectors: list[nn.Parameter] = []
        for name, weight in module.named_parameters():
            if weight.requires_grad:
                inner = weight.dim() == 2 and not _OUTER.search(name)
                group = by_muon if inner and with_muon else matrices if weight.dim() > 1 else vectors
                group.append(weight)
        decay, betas = config.weight_decay, (0.9, config.adam_beta2)
        groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
        rate, muon_rate = config.adam_learning_rate, config.learning_rate
        peaks: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.AdamW(groups, rate, betas=betas, fused=True), rate)
        ]
        if by_muon:
            muon = torch.optim.Muon(by_muon, muon_rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            peaks.append((muon, muon_rate))
        self.optimizers = [optimizer for optimizer, _ in peaks]
        self.schedules = [
            torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                peak,
                total_steps=config.max_steps + 1,
                pct_start=config.warmup_ratio,
                cycle_momentum=False,
                div_factor=25,
                final_div_factor=0.4,
            )
            for optimizer, peak in peaks
        ]

    def step(self) -> None:
        """Update the weights and forget their gradients."""
        for part in self.optimizers:
            part.step()
            part.zero_grad(set_to_none=True)
        for schedule in self.schedules:
            schedule.step()

    def state_dict(self) -> list[Any]:
        return [part.state_dict() for part in (*self.optimizers, *self.schedules)]

    def load_state_dict(self, states: list[Any]) -> None:
        for part, state in zip((*self.optimizers, *self.schedules), states, strict=True):
            part.load_state_dict(state)
