"""The optimizers of `sprout`'s training, with their schedules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from seethink.systems.sprout.growth_config import GrowthConfig

_HEADS = re.compile("head")
"""In the names of the heads that write tokens or name squares."""


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal (kellerjordan.github.io/posts/muon), scaled as
    `torch.optim.Muon` does with `match_rms_adamw`, whose rates are AdamW's.

    That one multiplies in bfloat16 alone, which processors without its instructions do a hundred times
    slower than in fp32, and one matrix after another; here those of one shape are multiplied together, in
    `dtype`.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float,
        dtype: torch.dtype,
        momentum: float = 0.95,
    ) -> None:
        shapes = {shape: [*group] for shape, group in groupby(sorted(params, key=_shape), _shape)}
        groups = [{"params": group} for group in shapes.values()]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update the weights that have gradients."""
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            looked_ahead: list[Tensor] = []
            for weight in weights:
                mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 1 - momentum)
                looked_ahead.append(weight.grad.lerp(mean, momentum))
            changes = orthogonalized(torch.stack(looked_ahead).to(self.dtype))
            scale = 0.2 * max(weights[0].shape) ** 0.5
            for weight, change in zip(weights, changes, strict=True):
                weight.mul_(1 - lr * group["weight_decay"]).add_(change, alpha=-lr * scale)


def _shape(weight: Tensor) -> tuple[int, ...]:
    return tuple(weight.shape)


def orthogonalized(matrices: Tensor) -> Tensor:
    """(N, A, B) matrices with the same singular vectors, and singular values near 1: five steps of the
    quintic Newton-Schulz iteration with Muon's coefficients, which leave them between 0.6 and 1.3."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if tall else x


class Updates:
    """Muon for the matrices inside the network, and AdamW for heads and vectors, as Muon's author advises;
    each with warm-up and a cosine. dtype: in which Muon multiplies."""

    def __init__(self, module: nn.Module, config: GrowthConfig, dtype: torch.dtype) -> None:
        by_muon: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        vectors: list[nn.Parameter] = []
        for name, weight in module.named_parameters():
            if not weight.requires_grad:
                continue
            if weight.dim() < 2:
                vectors.append(weight)
            else:
                inner = weight.dim() == 2 and not _HEADS.search(name)
                (by_muon if inner else others).append(weight)
        decay, rate = config.weight_decay, config.adam_learning_rate
        groups = [
            {"params": others, "weight_decay": decay, "lr": rate},
            {"params": vectors, "weight_decay": 0.0, "lr": rate},
        ]
        groups = [group for group in groups if group["params"]]
        adam = torch.optim.AdamW(groups, betas=(0.9, config.adam_beta2), fused=True)
        peaks: list[tuple[torch.optim.Optimizer, list[float]]] = [(adam, [group["lr"] for group in groups])]
        if by_muon:
            muon = Muon(by_muon, config.learning_rate, decay, dtype)
            peaks.append((muon, [config.learning_rate] * len(muon.param_groups)))
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
