"""Losses as pure functions of tensors. N trained tokens; every policy loss has shape (N,), one value per
token.

How losses are averaged is not decided here: each token brings a weight that was set for the whole optimiser
step (`token_weights`, `packing.Branch.weight`), and the loss is the weighted sum. So packs and ranks may be
cut anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

ADVANTAGE_EPS = 1e-4


def nll(logps: Tensor) -> Tensor:
    """Negative log-likelihood of each token, -log p. Supervised fine-tuning, and the SFT loss beside GRPO."""
    return -logps


def advantages(
    rewards_r: Sequence[float],
    estimator: str = "grpo",
    scale_rewards: str = "group",
    batch: Sequence[float] = (),
) -> Tensor:
    """(R,) advantages of one group's R rewards: reward minus baseline, divided by a standard deviation.

    estimator: the baseline. "grpo": the group's mean. "rloo": the mean of the other completions (arXiv
    2402.14740, eq. 8). scale_rewards: "group": standard deviation of the group, with R - 1, plus 1e-4
    (DeepSeekMath, arXiv 2402.03300, section 4.1.2; epsilon and R - 1 as in R1-V and TRL). "batch": of all
    rewards of the step, `batch` (arXiv 2508.08221, section 4). "none": 1, so that hard and easy prompts weigh
    the same (Dr. GRPO, arXiv 2503.20783, section 3.2)."""
    rewards = torch.tensor(rewards_r, dtype=torch.float64)
    centred = rewards - rewards.mean()
    if estimator == "rloo":
        centred = centred * len(rewards) / (len(rewards) - 1)
    elif estimator != "grpo":
        raise ValueError(f"advantage_estimator is 'grpo' or 'rloo', not {estimator!r}")
    if scale_rewards == "none":
        return centred.float()
    if scale_rewards == "group":
        return (centred / (rewards.std() + ADVANTAGE_EPS)).float()
    if scale_rewards == "batch":
        return (centred / ((stdev(batch) if len(batch) > 1 else 0.0) + ADVANTAGE_EPS)).float()
    raise ValueError(f"scale_rewards is 'group', 'batch' or 'none', not {scale_rewards!r}")


def overlong_penalty(length: int, max_completion_length: int, buffer_len: int) -> float:
    """Reward that a completion of `length` tokens loses, in [-1, 0]: nothing up to `buffer_len` tokens before
    the limit, then linearly down to -1 at the limit. Soft overlong punishment, DAPO (arXiv 2503.14476, eq.
    13)."""
    if not buffer_len:
        return 0.0
    return -min(1.0, max(0, length - (max_completion_length - buffer_len)) / buffer_len)


def clipped_policy_gradient(
    logps: Tensor, old: Tensor, advantage: Tensor, epsilon: float, epsilon_high: float
) -> tuple[Tensor, Tensor]:
    """-min(ratio A, clip(ratio, 1 - epsilon, 1 + epsilon_high) A), and which tokens the clip held; (N,) both.

    PPO (arXiv 1707.06347, eq. 7) with one bound for each side (DAPO, arXiv 2503.14476, eq. 10).
    """
    ratio = (logps - old).exp()
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon_high)
    plain, held = ratio * advantage, clipped * advantage
    return -torch.minimum(plain, held), held < plain


def sequence_mean(values: Tensor, owner: Tensor) -> Tensor:
    """(N,) for each token the mean of `values` over its completion; `owner` (N,) numbers completions."""
    zeros = torch.zeros_like(values)  # a place for each token: the number of completions is not asked for
    sums, counts = (zeros.index_add(0, owner, x) for x in (values, torch.ones_like(values)))
    return (sums / counts.clamp(min=1))[owner]


def sequence_policy_gradient(
    logps: Tensor, old: Tensor, advantage: Tensor, owner: Tensor, clip_range: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """The clipped policy gradient with one ratio for the whole completion, exp(mean of log ratios).

    GSPO (arXiv 2507.18071, eq. 5 to 7). Every token of a completion has the same loss.
    """
    ratio = sequence_mean(logps - old, owner)
    return clipped_policy_gradient(ratio, torch.zeros_like(ratio), advantage, *clip_range)


def cispo_policy_gradient(
    logps: Tensor, old: Tensor, advantage: Tensor, epsilon_high: float
) -> tuple[Tensor, Tensor]:
    """-min(ratio, epsilon_high) A log p with the weight detached, so that no token loses its gradient.

    CISPO (MiniMax-M1, arXiv 2506.13585, eq. 4 and 5, whose bound is 1 + epsilon; as in TRL epsilon_high is
    the bound itself; without a lower bound, as its authors train)."""
    ratio = (logps.detach() - old).exp()
    return -ratio.clamp(max=epsilon_high) * advantage * logps, ratio > epsilon_high


def kl_divergence(logps: Tensor, reference: Tensor, estimator: str = "k3") -> Tensor:
    """(N,) estimates of KL(policy, reference) from samples of the policy (Schulman 2020).

    With d = reference - logps: "k1" is -d, unbiased, may be negative, and its gradient is zero in
    expectation; "k2" is d^2 / 2, biased, with the right gradient; "k3" is exp(d) - d - 1, unbiased and never
    negative (GRPO)."""
    d = reference - logps
    if estimator == "k1":
        return -d
    if estimator == "k2":
        return d.square() / 2
    if estimator == "k3":
        return d.exp() - d - 1
    raise ValueError(f"kl_estimator is 'k1', 'k2' or 'k3', not {estimator!r}")


def preference(margin: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """(P,) losses -(1 - e) log sigmoid(beta m) - e log sigmoid(-beta m) of P pairs with the given margins.

    margin (P,): (log p - log p_ref) of the better response minus that of the worse. DPO (arXiv 2305.18290,
    eq. 7); e > 0 takes that share of labels for wrong (conservative DPO, Mitchell 2023)."""
    agree, differ = logsigmoid(beta * margin), logsigmoid(-beta * margin)
    return -(1 - label_smoothing) * agree - label_smoothing * differ


def token_weights(
    lengths_r: Sequence[int],
    loss_type: str,
    max_completion_length: int = 1,
    all_lengths: Sequence[int] | None = None,
    processes: int = 1,
) -> list[float]:
    """The weight of each token of R completions in the loss of an optimiser step, one number per completion.

    lengths_r: trained tokens of this process's completions. all_lengths: of all completions of the step, over
    `processes` processes; None means that `lengths_r` are all.

    "grpo": 1 / (R * own length), the mean of means. "dapo", "cispo": 1 / all tokens. "bnpo": 1 / (processes *
    this process's tokens). "dr_grpo": 1 / (R * max_completion_length), so that no length matters."""
    every = lengths_r if all_lengths is None else all_lengths
    if loss_type in ("dapo", "cispo"):
        return [1 / max(1, sum(every))] * len(lengths_r)
    if loss_type == "bnpo":
        return [1 / (processes * max(1, sum(lengths_r)))] * len(lengths_r)
    if loss_type == "grpo":
        return [1 / (len(every) * max(1, length)) for length in lengths_r]
    if loss_type == "dr_grpo":
        return [1 / max(1, len(every) * max_completion_length)] * len(lengths_r)
    raise ValueError(f"loss_type is 'grpo', 'bnpo', 'dapo', 'dr_grpo' or 'cispo', not {loss_type!r}")
