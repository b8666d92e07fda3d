"""The library's step against `examples/grpo_from_scratch.py`: full rows, plain torch, the same gradients."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from examples import grpo_from_scratch as scratch
from seethink.models.policy import PolicyModel
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import GRPOMethod, form_groups
from seethink.train.trainer import GroupTrainer
from seethink.types import Response, Rollout, Score
from tests import tiny

TASK = replace(scratch.TASK, examples=scratch.TASK.examples[:3])
"""A trainer looks at all examples before its first step, and the example has a hundred thousand."""
LENGTHS = [[4, 9, 6], [7, 3, 5], [12, 2, 8]]
REWARDS = [[1.0, 0.0, 0.0], [0.5, 1.0, 0.25], [0.0, 1.0, 1.0]]
LEVEL = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 1.0, 1.0]]
"""The group in the middle has no spread: the library skips it, the example carries it along."""


def _answers() -> list[list[list[int]]]:
    generator = torch.Generator().manual_seed(0)
    return [[torch.randint(300, 2000, (n,), generator=generator).tolist() for n in row] for row in LENGTHS]


def _moved(model, amount: float, seed: int):
    """A model a little further on: what updates would have made of it."""
    moved, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(amount * parameter.std() * torch.randn(parameter.shape, generator=generator))
    return moved


def _settings(config: GRPOConfig) -> scratch.Settings:
    return scratch.Settings(
        temperature=config.rollout.temperature,
        epsilon=config.epsilon,
        beta=config.beta,
        loss_type=config.loss_type,
    )


def _theirs(model, older, start, rewards, config: GRPOConfig) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of the example; `older` wrote the answers, `start` is the reference."""
    settings = _settings(config)
    prompts = [scratch.prompt_of(tiny.processor(), example) for example in TASK.examples]
    rollouts = [scratch.Rollout(*facts) for facts in zip(prompts, _answers(), rewards, strict=True)]
    with torch.no_grad():
        old, reference = (scratch.token_logps(m, rollouts, settings.temperature)[0] for m in (older, start))
    model.zero_grad()
    loss = scratch.grpo_loss(
        model, rollouts, settings, old=None if older is model else old, reference=reference
    )
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


class _Given(GRPOMethod):
    """GRPO with completions that are given instead of sampled."""

    rewards: list[list[float]]

    def _roll_out(self, batch: int, step: int):
        examples = self.task.examples
        prompts = self.encoder.prompts([self.task.format.prompt(example) for example in examples])
        rollouts = [
            [
                Rollout(e, Response("", token_ids=tuple(ids)), Score(r))
                for ids, r in zip(answers, rewards, strict=True)
            ]
            for e, answers, rewards in zip(examples, _answers(), self.rewards, strict=True)
        ]
        return form_groups(tiny.sampled(prompts, rollouts), self.config, self.statistics)


def _ours(
    tmp_path: Path, model, older, start: str, rewards, config: GRPOConfig
) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of the trainer's step; of a rollout's second update if `older` is another model."""
    policy = PolicyModel(copy.deepcopy(older))
    method = _Given(start, policy, tiny.encoder(model), TASK, config)
    method.rewards = rewards
    trainer = GroupTrainer(policy, method, config.training, 2, tmp_path)
    loss = trainer.training_step(trainer.model, {"step": 0})
    if older is not model:
        policy.model.load_state_dict(model.state_dict())
        policy.zero_grad()
        loss = trainer.training_step(trainer.model, {"step": 1})
    return loss.item(), {name: p.grad for name, p in policy.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
@pytest.mark.parametrize(
    ("update", "beta", "rewards"),
    [(1, 0.0, REWARDS), (1, 0.0, LEVEL), (1, 0.1, REWARDS), (2, 0.0, REWARDS), (2, 0.1, REWARDS)],
    ids=["first", "first, one group level", "first with KL", "second", "second with KL"],
)
def test_a_step_has_the_loss_and_the_gradients_of_the_example(
    tmp_path, loss_type, update, beta, rewards
) -> None:
    start = tiny.qwen2_vl()
    model = _moved(start, 0.05, seed=1)
    older = model if update == 1 else _moved(model, 0.05, seed=2)
    config = GRPOConfig.of(
        temperature=0.7, beta=beta, loss_type=loss_type, num_iterations=2, max_tokens_per_batch=150,
        prompts_per_step=3, num_generations=3,
    )  # fmt: skip
    wanted_loss, wanted = _theirs(model, older, start, rewards, config)
    loss, gradients = _ours(tmp_path, model, older, tiny.saved(tmp_path / "start", start), rewards, config)
    assert loss == pytest.approx(wanted_loss, abs=1e-5)
    assert gradients.keys() == wanted.keys()
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        off = (gradients[name] - gradient).abs().max() / (gradient.abs().max() + 1e-5 * largest)
        assert off < 1e-4, (name, float(off))


def test_kl_and_older_log_probabilities_matter_to_the_comparison() -> None:
    start = tiny.qwen2_vl()
    model, config = _moved(start, 0.05, seed=1), GRPOConfig()
    losses = {
        _theirs(model, older, start, REWARDS, config.replace(beta=kl, loss_type=loss_type))[0]
        for older in (model, _moved(model, 0.05, seed=2))
        for kl in (0.0, 0.1)
        for loss_type in ("grpo", "dapo")
    }
    assert len({round(loss, 4) for loss in losses}) == 8


def test_the_example_runs(tmp_path, capsys) -> None:
    small = scratch.Settings(prompts_per_step=2, num_generations=3, max_completion_length=5, beta=0.1)
    scratch.train(tiny.saved(tmp_path / "model"), 2, small)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["step 1: reward 0.000", "step 2: reward 0.000"]


def test_the_example_samples_the_whole_distribution_and_ends_answers_where_they_end() -> None:
    eos, model = tiny.processor().tokenizer.eos_token_id, tiny.qwen2_vl()
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(2048).index_fill(0, torch.tensor([eos]), 5.0))
    torch.manual_seed(0)
    settings = scratch.Settings(num_generations=12, max_completion_length=6)
    rollout = scratch.roll_out(model, tiny.processor(), scratch.TASK.examples[0], settings)
    assert len(rollout.completions) == len(rollout.rewards) == 12
    assert all(answer.count(eos) == (answer[-1] == eos) for answer in rollout.completions)
    assert {len(answer) for answer in rollout.completions} >= {1, 6}
    assert len({tuple(answer) for answer in rollout.completions}) > 6


def test_the_example_is_short() -> None:
    assert len(Path(scratch.__file__).read_text(encoding="utf-8").splitlines()) <= 200
