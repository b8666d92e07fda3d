"""Losses as pure functions of tensors. N trained tokens; every function gives (N,) losses per token.

How they are averaged is not decided here: each token brings a weight, the weights of an optimiser step sum
to one, and the loss is the weighted sum (`groups.Branch.weight`). So packs and ranks may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ADVANTAGE_EPS = 1e-4


def nll(logps: Tensor) -> Tensor:
    """Negative log-likelihood: -log p(token). Supervised fine-tuning."""
    return -logps


def advantages(rewards_r: Sequence[float]) -> Tensor:
    """Group-relative advantages (r - mean) / (std + 1e-4) of one group's (R,) rewards, std with R - 1.

    DeepSeekMath (arXiv 2402.03300, section 4.1.2); the epsilon and the unbiased std are those of R1-V and
    TRL.
    """
    rewards = torch.tensor(rewards_r, dtype=torch.float64)
    return ((rewards - rewards.mean()) / (rewards.std() + ADVANTAGE_EPS)).float()


def clipped_policy_gradient(
    logps: Tensor, old: Tensor, advantage: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """-min(ratio A, clip(ratio, 1 - low, 1 + high) A), and which tokens the clip held, both (N,).

    PPO (arXiv 1707.06347, eq. 7) with one bound for each side (DAPO, arXiv 2503.14476, eq. 10).
    """
    ratio = (logps - old).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    plain, held = ratio * advantage, clipped * advantage
    return -torch.minimum(plain, held), held < plain


def kl_k3(logps: Tensor, reference: Tensor) -> Tensor:
    """exp(d) - d - 1 with d = reference - logps: unbiased, never negative (Schulman 2020, the k3
    estimator)."""
    difference = reference - logps
    return difference.exp() - difference - 1


def token_weights(lengths_r: Sequence[int], normalise: str) -> list[float]:
    """The weight of each token of every response of an optimiser step, given their trained lengths (R,).

    "sequence": 1 / (R * own length), GRPO's mean of means; "token": 1 / all tokens, as in DAPO.
    """
    if normalise == "token":
        return [1 / max(1, sum(lengths_r))] * len(lengths_r)
    if normalise == "sequence":
        return [1 / (len(lengths_r) * max(1, length)) for length in lengths_r]
    raise ValueError(f"normalise is 'sequence' or 'token', not {normalise!r}")
