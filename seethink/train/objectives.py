"""Losses as pure functions of tensors. N trained tokens; every function gives (N,) losses per token.

How they are averaged is not decided here: each token brings a weight that was set for the whole optimiser
step, and the loss is the weighted sum (`groups.Branch.weight`). So packs and ranks may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

ADVANTAGE_EPS = 1e-4


def nll(logps: Tensor) -> Tensor:
    """Negative log-likelihood: -log p(token). Supervised fine-tuning, and the traces beside GRPO."""
    return -logps


def advantages(rewards_r: Sequence[float], kind: str = "group") -> Tensor:
    """Group-relative advantages of one group's (R,) rewards.

    "group": (r - mean) / (std + 1e-4), std with R - 1: DeepSeekMath (arXiv 2402.03300, section 4.1.2),
    epsilon and std as in R1-V and TRL. "centred": r - mean, so that hard and easy questions are not blown
    up: Dr. GRPO (arXiv 2503.20783, section 3.2). "rloo": r minus the mean of the others (arXiv 2402.14740,
    eq. 8).
    """
    rewards = torch.tensor(rewards_r, dtype=torch.float64)
    centred = rewards - rewards.mean()
    if kind == "group":
        return (centred / (rewards.std() + ADVANTAGE_EPS)).float()
    if kind == "rloo":
        return (centred * len(rewards) / (len(rewards) - 1)).float()
    if kind == "centred":
        return centred.float()
    raise ValueError(f"advantage is 'group', 'centred' or 'rloo', not {kind!r}")


def overlong(length: int, max_tokens: int, buffer: int) -> float:
    """What a response of `length` tokens loses: nothing up to `buffer` tokens before the limit, then linearly
    down to -1 at the limit. Soft overlong punishment, DAPO (arXiv 2503.14476, eq. 13)."""
    return -min(1.0, max(0, length - (max_tokens - buffer)) / buffer) if buffer else 0.0


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


def sequence_mean(values: Tensor, owner: Tensor) -> Tensor:
    """(N,) per token the mean of `values` over all tokens of its response; `owner` (N,) numbers responses."""
    counts = torch.bincount(owner).clamp(min=1)
    return (values.new_zeros(len(counts)).index_add(0, owner, values) / counts)[owner]


def sequence_policy_gradient(
    logps: Tensor, old: Tensor, advantage: Tensor, owner: Tensor, clip: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """The clipped policy gradient with one ratio for the whole response, exp(mean of log ratios).

    GSPO (arXiv 2507.18071, eq. 5 to 7). Every token of a response has the same loss.
    """
    ratio = sequence_mean(logps - old, owner)
    return clipped_policy_gradient(ratio, torch.zeros_like(ratio), advantage, *clip)


def clipped_weight_policy_gradient(
    logps: Tensor, old: Tensor, advantage: Tensor, clip_high: float
) -> tuple[Tensor, Tensor]:
    """-min(ratio, 1 + high) A log p with the weight held fixed, so that no token loses its gradient.

    CISPO (MiniMax-M1, arXiv 2506.13585, eq. 4 and 5, without a lower bound, as its authors train).
    """
    ratio = (logps.detach() - old).exp()
    return -ratio.clamp(max=1 + clip_high) * advantage * logps, ratio > 1 + clip_high


def importance(old: Tensor, sampled: Tensor, cap: float) -> Tensor:
    """(N,) min(p / q, cap), the factor of the loss of a token that was drawn with probability q where the
    trained model gives it p.

    Truncated importance sampling (Yao et al. 2025, "Your Efficient RL Framework Secretly Brings You
    Off-Policy RL Training"): an engine that computes in its own way samples from a slightly other policy. The
    ratio makes the expectation right again, the cap keeps single tokens from ruling the gradient. No gradient
    flows through it.
    """
    return (old - sampled).exp().clamp(max=cap)


def kl(logps: Tensor, reference: Tensor, kind: str = "k3") -> Tensor:
    """(N,) estimates of KL(policy, reference) from samples of the policy (Schulman 2020).

    With d = reference - logps: "k1" -d, unbiased, may be negative, and its gradient does not pull back in
    the mean; "k2" d^2 / 2, biased, its gradient is right; "k3" exp(d) - d - 1, unbiased and never negative
    (GRPO).
    """
    d = reference - logps
    if kind == "k1":
        return -d
    if kind == "k2":
        return d.square() / 2
    if kind == "k3":
        return d.exp() - d - 1
    raise ValueError(f"kl is 'k1', 'k2' or 'k3', not {kind!r}")


def preference(margin: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """(P,) -(1 - e) log sigmoid(beta m) - e log sigmoid(-beta m) of pairs with the given margins.

    margin: (log p - log p_ref) of the better response minus that of the worse. DPO (arXiv 2305.18290, eq. 7);
    e > 0 takes that share of labels for wrong (conservative DPO, Mitchell 2023).
    """
    agree, differ = logsigmoid(beta * margin), logsigmoid(-beta * margin)
    return -(1 - label_smoothing) * agree - label_smoothing * differ


def token_weights(
    lengths_r: Sequence[int], normalise: str, max_tokens: int = 1, of: Sequence[int] | None = None
) -> list[float]:
    """The weight of each token of every response of an optimiser step, given their trained lengths (R,).

    of: the lengths of all responses of the step, where `lengths_r` are those of one process alone.

    "sequence": 1 / (R * own length), GRPO's mean of means; "token": 1 / all tokens, as in DAPO; "fixed":
    1 / (R * max_tokens), so that no response's length matters, as in Dr. GRPO.
    """
    every = lengths_r if of is None else of
    if normalise == "token":
        return [1 / max(1, sum(every))] * len(lengths_r)
    if normalise == "sequence":
        return [1 / (len(every) * max(1, length)) for length in lengths_r]
    if normalise == "fixed":
        return [1 / (len(every) * max_tokens)] * len(lengths_r)
    raise ValueError(f"normalise is 'sequence', 'token' or 'fixed', not {normalise!r}")
