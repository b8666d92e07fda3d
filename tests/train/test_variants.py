"""Every objective that TRL has gives the loss that TRL 1.16 computes from the same numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from seethink.models.packing import Branch
from seethink.models.policy import PolicyModel
from seethink.train import objectives
from seethink.train.configs import DPOConfig, GRPOConfig
from seethink.train.dpo import DPOMethod
from seethink.train.grpo import GRPOMethod
from seethink.train.grpo_metrics import UpdateStatistics
from seethink.train.reference import ReferenceCache
from tests import tiny

LENGTHS = (9, 5, 12, 7, 3, 1)
LIMIT = 12


def _numbers(seed: int = 0) -> dict[str, Tensor]:
    """(R, C) log-probabilities as trainers that pad hold them, and (R,) advantages."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(LENGTHS), LIMIT)
    old, change, drift = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    return {
        "logps": (old - 2 + 0.3 * change),
        "old": old - 2,
        "reference": old - 2 + 0.2 * drift,
        "sampled": old - 2 + drift.roll(1),
        "gains": torch.randn(len(LENGTHS), generator=generator, dtype=torch.float64),
        "mask": (torch.arange(LIMIT)[None] < torch.tensor(LENGTHS)[:, None]).double(),
    }


def _theirs(
    logps: Tensor, n: dict[str, Tensor], kind: str, level: str, beta: float, high: float, cap: float = 0.0
) -> Tensor:
    from trl.trainer.grpo_trainer import GRPOTrainer

    args = SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1)
    alone = SimpleNamespace(
        num_processes=1, gather=lambda x: x, gather_for_metrics=lambda x: x, sync_gradients=True,
        reduce=lambda x, reduction: x,
    )  # fmt: skip
    trainer = SimpleNamespace(
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None,
        importance_sampling_level=level, beta=beta, loss_type=kind, epsilon_low=0.2, epsilon_high=high,
        use_vllm=cap > 0, vllm_importance_sampling_correction=cap > 0, max_completion_length=LIMIT,
        current_gradient_accumulation_steps=1, accelerator=alone, args=args, model=torch.nn.Linear(1, 1),
        _entropy_bonus_enabled=False, _metrics={"train": _Lists(), "eval": _Lists()},
        _get_per_token_logps_and_entropies=lambda *a, **k: (logps, torch.zeros_like(logps), None),
    )  # fmt: skip
    empty = torch.zeros(len(LENGTHS), 0, dtype=torch.long)
    inputs = {
        "prompt_ids": empty, "prompt_mask": empty, "completion_ids": torch.zeros(logps.shape).long(),
        "completion_mask": n["mask"], "advantages": n["gains"], "old_per_token_logps": n["old"],
        "ref_per_token_logps": n["reference"], "num_items_in_batch": n["mask"].sum(),
        "importance_sampling_ratio": (n["old"] - n["sampled"]).exp().clamp(max=cap or None, min=0.0),
    }  # fmt: skip
    return GRPOTrainer._compute_loss(trainer, None, inputs)


class _Lists(dict):
    def __missing__(self, key: str) -> list:
        self[key] = []
        return self[key]


def _ours(logps: Tensor, n: dict[str, Tensor], config: GRPOConfig, correct: bool = False) -> Tensor:
    held = n["mask"].bool()
    owner = torch.arange(len(LENGTHS)).repeat_interleave(torch.tensor(LENGTHS))
    drawn = [row[:length].tolist() for row, length in zip(n["sampled"], LENGTHS, strict=True)]
    branches = [Branch(range(len(row)), sampled=row if correct else ()) for row in drawn]
    pack = SimpleNamespace(owner=owner, advantages=n["gains"][owner], branches=branches)
    method = SimpleNamespace(config=config, update=UpdateStatistics())
    losses, _ = GRPOMethod._policy_gradient(method, logps[held], n["old"][held], pack)
    losses = losses * GRPOMethod._importance_weights(method, n["old"][held], pack)
    if config.beta:
        losses = losses + config.beta * objectives.kl_divergence(
            logps[held], n["reference"][held], config.kl_estimator
        )
    weights = objectives.token_weights(LENGTHS, config.loss_type, LIMIT)
    return (losses * torch.tensor(weights, dtype=torch.float64)[owner]).sum()


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize(
    ("kind", "level", "high", "settings"),
    [
        ("grpo", "token", 0.2, {}),
        ("dapo", "token", 0.28, {"loss_type": "dapo", "epsilon_high": 0.28}),
        ("dr_grpo", "token", 0.2, {"loss_type": "dr_grpo", "scale_rewards": "none"}),
        ("bnpo", "token", 0.2, {"loss_type": "bnpo"}),
        ("grpo", "sequence", 0.2, {"importance_sampling_level": "sequence"}),
        ("cispo", "token", 1.5, {"loss_type": "cispo", "epsilon_high": 1.5}),
    ],
    ids=["GRPO", "DAPO", "Dr. GRPO", "BNPO", "GSPO", "CISPO"],
)
def test_policy_gradients_are_those_of_trl(kind, level, high, settings, beta) -> None:
    n = _numbers()
    logps = n["logps"].requires_grad_()
    theirs = _theirs(logps, n, kind, level, beta, high)
    ours = _ours(logps, n, GRPOConfig.of(max_completion_length=LIMIT, beta=beta, **settings))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    (wanted,), (found,) = (torch.autograd.grad(loss, logps) for loss in (theirs, ours))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert wanted.abs().max() > 0


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_what_separates_sampler_and_model_is_made_good_as_in_trl(level: str, beta: float) -> None:
    n = _numbers()
    logps = n["logps"].requires_grad_()
    theirs = _theirs(logps, n, "grpo", level, beta, 0.2, cap=1.5)
    config = GRPOConfig.of(
        max_completion_length=LIMIT,
        beta=beta,
        importance_sampling_level=level,
        importance_sampling_cap=1.5,
        rollout_backend="vllm",
    )
    ours = _ours(logps, n, config, correct=True)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    (wanted,), (found,) = (torch.autograd.grad(loss, logps) for loss in (theirs, ours))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert not torch.isclose(ours, _ours(logps, n, config), rtol=1e-2), "the ratios matter"
    ratios = (n["old"] - n["sampled"]).exp()[n["mask"].bool()]
    assert 0.1 < float((ratios > 1.5).double().mean()) < 0.9, "so does the cap"


def test_leave_one_out_advantages_are_those_of_trl() -> None:
    rewards = [1.0, 0.0, 0.5, 0.25]
    others = [(sum(rewards) - r) / (len(rewards) - 1) for r in rewards]
    wanted = [r - other for r, other in zip(rewards, others, strict=True)]
    assert objectives.advantages(rewards, "rloo", "none").tolist() == pytest.approx(wanted)


def _pairs_of_trl(logps: Tensor, reference: Tensor, mask: Tensor, kind: str) -> Tensor:
    """TRL stacks all better responses before all worse ones."""
    from trl.trainer.dpo_trainer import DPOTrainer

    order = [0, 2, 4, 1, 3, 5]
    said = {"policy": logps[order] * mask[order], "reference": reference[order] * mask[order]}
    alone = SimpleNamespace(gather_for_metrics=lambda x: x, device="cpu", gather=lambda x: x)
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=False, is_gradient_checkpointing=False), accelerator=alone,
        aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=False, beta=0.3,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        ref_model=lambda **k: SimpleNamespace(log_probs=said["reference"]),
        f_divergence_type="reverse_kl",
        loss_types=[kind], loss_weights=[1.0], label_smoothing=0.1, use_weighting=False,
        _total_train_tokens=0,
        _metrics={"train": _Lists(), "eval": _Lists()},
    )  # fmt: skip
    bos = torch.zeros(len(order), 1)
    shifted = torch.cat([bos, mask[order]], 1)
    inputs = {"completion_mask": shifted, "input_ids": torch.zeros(shifted.shape).long()}

    def policy(**inputs_of):
        nothing = torch.zeros_like(said["policy"])
        return SimpleNamespace(
            log_probs=said["policy"], entropy=nothing, mean_logits=nothing, is_top1=nothing.bool()
        )

    return DPOTrainer._compute_loss(trainer, policy, inputs, return_outputs=False)


@pytest.mark.parametrize("kind", ["sigmoid", "sigmoid_norm"])
def test_preferences_are_those_of_trl(kind: str, tmp_path, monkeypatch) -> None:
    n = _numbers(1)
    logps = n["logps"].requires_grad_()
    monkeypatch.setattr("trl.trainer.dpo_trainer.is_peft_model", lambda model: False)
    theirs = _pairs_of_trl(logps, n["reference"], n["mask"], kind)
    held = n["mask"].bool()
    owner = torch.arange(len(LENGTHS)).repeat_interleave(torch.tensor(LENGTHS))
    model = tiny.qwen2_vl()
    reference = ReferenceCache("", PolicyModel(model), tmp_path)
    method = DPOMethod(reference, tiny.encoder(model), [], DPOConfig.of(beta=0.3, loss_type=kind))
    kept = n["reference"][held].split(LENGTHS)
    branches = [SimpleNamespace(reference=logps) for logps in kept]
    pack = SimpleNamespace(owner=owner, branches=branches, ids=owner)
    losses = method.loss(lambda pack: logps[held], pack)
    ours = losses.sum() / (len(LENGTHS) / 2)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    (wanted,), (found,) = (torch.autograd.grad(loss, logps) for loss in (theirs, ours))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
