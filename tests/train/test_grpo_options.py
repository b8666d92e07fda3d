"""What may be added to GRPO: dynamic sampling, soft limits of length, traces beside rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from seethink.attempt import sft_example
from seethink.formats import ANSWER_ONLY
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train import objectives
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import GRPOMethod, form_groups
from seethink.train.grpo_metrics import RolloutStatistics, UpdateStatistics, step_metrics
from seethink.train.sampling import with_traces
from seethink.types import Example, Response, Rollout, Score, Task
from tests import tiny
from tests.train.test_grpo import _gradient

PAGES = Pages(6, "train", seed=9)
CONFIG = GRPOConfig.of(prompts_per_step=2, num_generations=2, max_completion_length=20)


def paid(example: Example, response: Response) -> Score:
    return Score(1.0)


TASK = Task("pages", PAGES, ANSWER_ONLY, paid)


def _response(n_tokens: int) -> Response:
    generator = torch.Generator().manual_seed(n_tokens)
    return Response("", token_ids=tuple(torch.randint(300, 2000, (n_tokens,), generator=generator).tolist()))


class Given(GRPOMethod):
    """GRPO with given completions: `rewards` by the question's place, two answers of 3 and 4 tokens."""

    rewards: dict[int, tuple[float, float]]

    def __init__(self, config: GRPOConfig, rewards: dict[int, tuple[float, float]]) -> None:
        model = tiny.qwen2_vl()
        super().__init__("", PolicyModel(model), tiny.encoder(model), TASK, config)
        self.rewards, self.sampled = rewards, []

    def _sample(self, places: Sequence[int], batch: int, step: int):
        self.sampled.append(list(places))
        prompts = self.encoder.prompts([ANSWER_ONLY.prompt(PAGES[place]) for place in places])
        given = [self.rewards.get(place, (0.0, 0.0)) for place in places]
        rollouts = [
            [Rollout(PAGES[place], _response(3 + i), Score(reward)) for i, reward in enumerate(rewards)]
            for place, rewards in zip(places, given, strict=True)
        ]
        return tiny.sampled(prompts, rollouts)


# Refills ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("useful", [(0, 1, 2, 3, 4, 5), (2, 5), (3,), ()])
def test_groups_without_spread_are_replaced_until_there_are_enough_or_no_refills_left(useful) -> None:
    method = Given(CONFIG.replace(dynamic_sampling_retries=3), dict.fromkeys(useful, (1.0, 0.0)))
    groups = method.groups(0)
    indices = [place for places in method.sampled for place in places]
    assert len(indices) == len(set(indices)), "no question is asked twice in a step"
    assert {group.name for group in groups} == {PAGES[i].id for i in indices if i in useful}
    assert len(groups) == 2 or len(method.sampled) == 4 or len(indices) == len(PAGES)
    assert len(groups) <= 2
    assert method.statistics.resampled == len(indices) - 2
    if groups:
        total = sum(branch.weight * branch.n_trained for group in groups for branch in group.branches)
        assert total == pytest.approx(1), "normalised over what was kept"


def test_without_refills_nothing_more_is_asked_and_skipped_tokens_stay_in_the_normaliser() -> None:
    method = Given(CONFIG, {0: (1.0, 0.0)})
    for step in range(3):
        groups = method.groups(step)
        assert len(method.sampled[-1]) == 2 and method.statistics.resampled == 0
        for group in groups:
            assert sum(b.weight * b.n_trained for b in group.branches) == pytest.approx(0.5)
    assert len(method.sampled) == 3


# The soft limit of length -----------------------------------------------------------------------------


def test_the_last_tokens_before_the_limit_cost_more_and_more() -> None:
    lost = [objectives.overlong_penalty(length, 100, 20) for length in (10, 80, 90, 100)]
    assert lost == [0, 0, -0.5, -1]
    assert objectives.overlong_penalty(100, 100, 0) == 0


def test_a_long_answer_earns_less_than_a_short_one_with_the_same_score() -> None:
    model = tiny.qwen2_vl()
    prompts = tiny.encoder(model).prompts([ANSWER_ONLY.prompt(PAGES[0])])
    rollouts = [[Rollout(PAGES[0], _response(n), Score(1.0)) for n in (5, 20, 15)]]
    sampled = tiny.sampled(prompts, rollouts)
    assert form_groups(sampled, CONFIG, RolloutStatistics(TASK)) == [], "equal scores teach nothing"
    statistics = RolloutStatistics(TASK)
    (group,) = form_groups(sampled, CONFIG.replace(overlong_buffer_len=10), statistics)
    gains = [branch.advantage for branch in group.branches]
    assert gains == pytest.approx(objectives.advantages([1.0, 0.0, 0.5]).tolist())
    row = step_metrics(statistics, UpdateStatistics())
    assert (row["reward"], row["rewards/overlong_penalty/mean"]) == (1.0, -0.5)
    assert "rewards/overlong_penalty/mean" not in step_metrics(RolloutStatistics(TASK), UpdateStatistics())


# Traces beside rewards --------------------------------------------------------------------------------


def test_a_question_that_is_asked_twice_keeps_both_groups_beside_its_traces() -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    prompts = encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])] * 2)
    rollouts = [[Rollout(PAGES[0], _response(3 + i), Score(float(i))) for i in range(2)]] * 2
    sampled = tiny.sampled(prompts, rollouts)
    groups = with_traces(form_groups(sampled, CONFIG, RolloutStatistics(TASK)), sampled, TASK, encoder, 0.5)
    assert [[branch.copied for branch in group.branches] for group in groups] == [[False, False, True]] * 2


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_the_step_is_that_of_the_rewards_plus_that_of_the_traces(tmp_path, beta: float) -> None:
    config = CONFIG.replace(sft_loss_coef=0.5, beta=beta)
    method = Given(config, dict.fromkeys(range(3), (1.0, 0.0)))
    method.reference.name = tiny.saved(tmp_path / "base", tiny.qwen2_vl(seed=1))
    groups = method.groups(0)
    indices = method.sampled[0]
    assert sorted(group.name for group in groups) == sorted(PAGES[i].id for i in indices), "level groups too"
    copies = [branch for group in groups for branch in group.branches if branch.copied]
    assert len(copies) == 2
    texts = {method.encoder.decode(branch.ids[:-1]) for branch in copies}
    assert texts == {sft_example(TASK, PAGES[i]).text for i in indices}
    assert sum(branch.weight * branch.n_trained for branch in copies) == pytest.approx(0.5)
    together = _gradient(method, groups)
    rewarded = [replace(g, branches=[b for b in g.branches if not b.copied]) for g in groups]
    copied = [replace(g, branches=[b for b in g.branches if b.copied]) for g in groups]
    apart = [_gradient(method, [g for g in some if g.branches]) for some in (rewarded, copied)]
    largest = max(float(value.abs().max()) for value in together.values())
    for name, value in together.items():
        torch.testing.assert_close(apart[0][name] + apart[1][name], value, atol=1e-5 * largest, rtol=1e-3)
    plain = [Group(g.prompt, [Branch(b.ids, weight=b.weight) for b in g.branches], g.name) for g in copied]
    scorer = method.policy
    scorer.zero_grad()
    for pack in pack_groups(plain, 250):
        (objectives.nll(scorer(pack)) * pack.weights).sum().backward()
    for name, parameter in scorer.model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(apart[1][name], parameter.grad, atol=1e-5 * largest, rtol=1e-3)
