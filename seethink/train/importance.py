"""What an engine samples with other probabilities than the trained model's, corrected in the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from seethink.train.configs import RolloutConfig


def correction(old: Tensor, sampled: Tensor, owner: Tensor, config: RolloutConfig) -> tuple[Tensor, Tensor]:
    """(N,) loss weights of tokens with log-probabilities `old` under the trained model and `sampled` under
    the engine, as `importance_sampling_mode` says, and (N,) which of them the cap held. Without a cap, and in
    local rollouts, where both differ by rounding, nothing is corrected. owner (N,) numbers completions."""
    level, _, kind = config.importance_sampling_mode.partition("_")
    cap = config.importance_sampling_cap if config.rollout_backend != "local" else 0.0
    if not cap:
        return torch.ones_like(old), torch.zeros_like(old, dtype=torch.bool)
    ratios = importance_ratios(old, sampled, owner if level == "sequence" else None)
    return importance_weights(ratios, cap, kind == "mask"), ratios > cap


def importance_ratios(old: Tensor, sampled: Tensor, owner: Tensor | None = None) -> Tensor:
    """(N,) p / q of tokens sampled with probability q to which the trained model gives p; with `owner` (N,),
    which numbers completions, of the whole completion each belongs to: the product over its tokens."""
    gaps = old - sampled
    return (gaps if owner is None else torch.zeros_like(gaps).index_add(0, owner, gaps)[owner]).exp()


def importance_weights(ratios: Tensor, cap: float, reject: bool = False) -> Tensor:
    """(N,) min(ratio, cap), or with `reject` 0 where the ratio is above the cap: loss weight of a token that
    an engine sampled. No gradient flows through it.

    Truncated importance sampling (Yao et al. 2025, "Your Efficient RL Framework Secretly Brings You
    Off-Policy RL Training"): an engine with its own kernels samples from a slightly different policy. The
    ratio corrects the expectation, the cap bounds the variance. Rejection is masked importance sampling (Liu
    et al. 2025, "When Speed Kills Stability")."""
    return torch.where(ratios > cap, 0.0, ratios) if reject else ratios.clamp(max=cap)
