"""Losses against closed forms, and against the masked (B, C) tensors in which others write them."""

from __future__ import annotations

import math
import random
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seethink.train.objectives import (
    ADVANTAGE_EPS,
    advantages,
    clipped_policy_gradient,
    kl_divergence,
    nll,
    token_weights,
)

REWARDS = st.lists(st.floats(0, 1), min_size=2, max_size=12)
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=20)
LOGPS = st.lists(st.floats(-8, 0), min_size=1, max_size=8)
LOSS_TYPES = ("grpo", "dapo", "bnpo", "cispo")


# Advantages -------------------------------------------------------------------------------------------


def test_one_right_answer_of_four_has_the_advantage_of_the_paper() -> None:
    std = math.sqrt((0.75**2 + 3 * 0.25**2) / 3)
    wanted = [0.75 / (std + ADVANTAGE_EPS), *[-0.25 / (std + ADVANTAGE_EPS)] * 3]
    assert advantages([1, 0, 0, 0]).tolist() == pytest.approx(wanted, rel=1e-6)


@given(REWARDS)
def test_advantages_sum_to_zero_and_keep_the_order_of_rewards(rewards: list[float]) -> None:
    gains = advantages(rewards)
    assert float(gains.double().sum()) == pytest.approx(0, abs=1e-5)
    for reward, gain in zip(rewards, gains.tolist(), strict=True):
        for other, its in zip(rewards, gains.tolist(), strict=True):
            assert reward <= other or gain >= its


@given(REWARDS, st.randoms(use_true_random=False))
def test_the_order_of_a_group_does_not_change_its_advantages(
    rewards: list[float], rng: random.Random
) -> None:
    order = rng.sample(range(len(rewards)), len(rewards))
    shuffled = advantages([rewards[i] for i in order])
    torch.testing.assert_close(shuffled, advantages(rewards)[order], atol=1e-6, rtol=1e-6)


@given(REWARDS, REWARDS)
def test_scaling_by_the_batch_divides_by_the_deviation_of_all_rewards(
    rewards: list[float], others: list[float]
) -> None:
    batch = [*rewards, *others]
    centred = advantages(rewards, scale_rewards="none")
    scale = statistics.stdev(batch) + ADVANTAGE_EPS
    torch.testing.assert_close(
        advantages(rewards, "grpo", "batch", batch), centred / scale, atol=1e-5, rtol=1e-4
    )


def test_a_batch_of_this_group_alone_scales_as_the_group_does() -> None:
    rewards = [1.0, 0.0, 0.5, 0.25]
    torch.testing.assert_close(advantages(rewards, "grpo", "batch", rewards), advantages(rewards))


@pytest.mark.parametrize("wrong", [{"estimator": "gae"}, {"scale_rewards": "std"}])
def test_an_unknown_estimator_or_scale_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"not '{next(iter(wrong.values()))}'"):
        advantages([1.0, 0.0], **wrong)


def test_bnpo_normalises_each_process_by_its_own_tokens() -> None:
    """Two processes with 2 and 8 tokens: each has half of the weight."""
    assert token_weights([2], "bnpo", all_lengths=[2, 8], processes=2) == [1 / 4]
    assert token_weights([8], "bnpo", all_lengths=[2, 8], processes=2) == [1 / 16]
    assert token_weights([2], "dapo", all_lengths=[2, 8], processes=2) == [1 / 10]


@given(st.floats(0, 1), st.integers(2, 12))
def test_equal_rewards_have_no_advantage(reward: float, n: int) -> None:
    assert advantages([reward] * n).abs().max() < 1e-6


# Weights ----------------------------------------------------------------------------------------------


@given(LENGTHS, st.sampled_from(LOSS_TYPES))
def test_the_weights_of_all_tokens_sum_to_one(lengths: list[int], loss_type: str) -> None:
    weights = token_weights(lengths, loss_type)
    assert sum(n * w for n, w in zip(lengths, weights, strict=True)) == pytest.approx(1)


@given(LENGTHS)
def test_grpo_weights_make_a_mean_of_means_and_dapo_weights_a_mean_over_tokens(lengths: list[int]) -> None:
    values = [[float(i + j) for j in range(n)] for i, n in enumerate(lengths)]

    def mean(rows: list[list[float]], loss_type: str) -> float:
        return sum(w * sum(row) for w, row in zip(token_weights(lengths, loss_type), rows, strict=True))

    assert mean(values, "grpo") == pytest.approx(sum(sum(v) / len(v) for v in values) / len(values))
    assert mean(values, "dapo") == pytest.approx(sum(map(sum, values)) / sum(lengths))


def test_a_step_without_responses_has_no_weights() -> None:
    for loss_type in (*LOSS_TYPES, "dr_grpo"):
        assert token_weights([], loss_type, 20) == []


def test_an_unknown_loss_type_is_refused() -> None:
    with pytest.raises(ValueError, match="'dr_grpo' or 'cispo', not 'batch'"):
        token_weights([1], "batch")


# Policy gradient --------------------------------------------------------------------------------------


def _loss(ratio: float, advantage: float, low: float = 0.2, high: float = 0.2) -> tuple[float, bool, float]:
    """(loss, held by the clip, d loss / d logp) of one token whose probability changed by `ratio`."""
    logps = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    old, gain = torch.zeros(1, dtype=torch.float64), torch.tensor([advantage], dtype=torch.float64)
    loss, held = clipped_policy_gradient(logps, old, gain, low, high)
    loss.sum().backward()
    assert logps.grad is not None
    return loss.item(), bool(held), logps.grad.item()


def test_inside_the_bounds_the_loss_is_minus_ratio_times_advantage() -> None:
    for ratio in (0.81, 0.9, 1.0, 1.1, 1.19):
        for advantage in (-2.0, 0.0, 1.5):
            assert _loss(ratio, advantage) == pytest.approx((-ratio * advantage, False, -ratio * advantage))


def test_a_good_token_earns_nothing_above_the_upper_bound_and_everything_below_the_lower() -> None:
    assert _loss(1.5, 2.0) == pytest.approx((-1.2 * 2.0, True, 0.0))
    assert _loss(0.5, 2.0) == pytest.approx((-0.5 * 2.0, False, -0.5 * 2.0))


def test_a_bad_token_is_pushed_no_further_below_the_lower_bound_but_always_above_the_upper() -> None:
    assert _loss(0.5, -2.0) == pytest.approx((0.8 * 2.0, True, 0.0))
    assert _loss(1.5, -2.0) == pytest.approx((1.5 * 2.0, False, 1.5 * 2.0))


def test_each_side_has_its_own_bound() -> None:
    assert _loss(1.25, 1.0, high=0.28) == pytest.approx((-1.25, False, -1.25))
    assert _loss(1.5, 1.0, high=0.28)[0] == pytest.approx(-1.28)
    assert _loss(0.75, -1.0, low=0.3) == pytest.approx((0.75, False, 0.75))
    assert _loss(0.5, -1.0, low=0.3)[0] == pytest.approx(0.7)


@given(LOGPS, st.floats(-3, 3), st.floats(0, 0.9), st.floats(0, 2))
def test_on_policy_the_gradient_is_minus_advantage_whatever_the_bounds(
    values: list[float], advantage: float, low: float, high: float
) -> None:
    logps = torch.tensor(values, requires_grad=True)
    gain = torch.full_like(logps, advantage)
    loss, held = clipped_policy_gradient(logps, logps.detach(), gain, low + 1e-3, high + 1e-3)
    loss.sum().backward()
    torch.testing.assert_close(logps.grad, -gain)
    assert not held.any()


def test_nll_is_minus_the_log_probability() -> None:
    logps = torch.tensor([-0.5, -3.0])
    assert nll(logps).tolist() == [0.5, 3.0]


# KL ---------------------------------------------------------------------------------------------------


@given(LOGPS, LOGPS)
def test_k3_is_never_negative_and_zero_only_at_equality(policy: list[float], reference: list[float]) -> None:
    n = min(len(policy), len(reference))
    p, r = (torch.tensor(values[:n], dtype=torch.float64) for values in (policy, reference))
    estimates = kl_divergence(p, r)
    assert (estimates >= 0).all()
    assert (estimates[(p - r).abs() > 1e-6] > 0).all()
    assert (kl_divergence(p, p) == 0).all()


def test_k3_is_an_unbiased_estimate_of_the_divergence() -> None:
    policy, reference = (
        torch.tensor(values, dtype=torch.float64).log_softmax(-1) for values in ([0.1, 2, 1], [1.0, 0, 1])
    )
    estimate = (policy.exp() * kl_divergence(policy, reference)).sum()
    torch.testing.assert_close(estimate, (policy.exp() * (policy - reference)).sum())


def test_k3_pulls_back_towards_the_reference() -> None:
    logps = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    kl_divergence(logps, torch.tensor([-2.0, -2.0, -2.0])).sum().backward()
    assert logps.grad is not None
    assert logps.grad.sign().tolist() == [1, 0, -1], (
        "descent lowers what is too likely and raises what is too rare"
    )


# As others write it -----------------------------------------------------------------------------------


def _padded(
    logps: Tensor, old: Tensor, reference: Tensor, gains: Tensor, mask: Tensor, loss_type: str
) -> Tensor:
    """The GRPO loss as trainers write it that pad responses to (B, C): masked sums over whole rows."""
    ratio = torch.exp(logps - old)
    one = ratio * gains[:, None]
    two = torch.clamp(ratio, 1 - 0.2, 1 + 0.28) * gains[:, None]
    kl = torch.exp(reference - logps) - (reference - logps) - 1
    loss = -torch.min(one, two) + 0.04 * kl
    if loss_type == "grpo":
        return ((loss * mask).sum(-1) / mask.sum(-1).clamp(min=1.0)).mean()
    return (loss * mask).sum() / mask.sum().clamp(min=1.0)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@given(lengths=LENGTHS, seed=st.integers(0, 2**32))
def test_the_weighted_sum_over_tokens_equals_the_padded_masked_loss(
    loss_type: str, lengths: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    old, change, reference = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    logps = (old + 0.3 * change).requires_grad_()
    gains = torch.randn(len(lengths), generator=generator, dtype=torch.float64)
    mask = torch.arange(shape[1])[None] < torch.tensor(lengths)[:, None]
    wanted = _padded(logps, old, reference, gains, mask.double(), loss_type)
    (wanted_gradient,) = torch.autograd.grad(wanted, logps)

    flat = logps[mask]
    owner = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    losses, _ = clipped_policy_gradient(flat, old[mask], gains[owner], 0.2, 0.28)
    losses = losses + 0.04 * kl_divergence(flat, reference[mask])
    mine = (losses * torch.tensor(token_weights(lengths, loss_type), dtype=torch.float64)[owner]).sum()
    (gradient,) = torch.autograd.grad(mine, logps)
    torch.testing.assert_close(mine, wanted)
    torch.testing.assert_close(gradient, wanted_gradient)
