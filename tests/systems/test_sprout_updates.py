"""The optimizers of `sprout`'s training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seethink.systems.sprout.growth_config import GrowthConfig, RowShape
from seethink.systems.sprout.updates import Muon, Updates, orthogonalized


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 20, 6), (2, 6, 20)])
def test_orthogonalized_matrices_keep_their_singular_vectors(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    turned = left.mT @ orthogonalized(matrices) @ right.mT
    values = turned.diagonal(dim1=1, dim2=2)
    assert torch.allclose(turned, torch.diag_embed(values), atol=1e-4)
    assert values.min() > 0.6 and values.max() < 1.3


def test_muon_moves_weights_as_that_of_torch_does() -> None:
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in ((12, 8), (8, 8), (12, 8))]
    theirs = [torch.nn.Parameter(weight.detach().clone()) for weight in ours]
    settings = {"lr": 0.05, "weight_decay": 0.1}
    other = torch.optim.Muon(theirs, **settings, adjust_lr_fn="match_rms_adamw", nesterov=True)
    muon = Muon(ours, **settings, dtype=torch.bfloat16)
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        muon.step()
        other.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=0.02), (a - b).abs().max()


def test_each_kind_of_weight_has_its_own_learning_rate() -> None:
    config = GrowthConfig(10, RowShape(1), learning_rate=4e-3, adam_learning_rate=1e-3)
    parts = {
        "frozen": nn.Embedding(9, 4).requires_grad_(False),
        "head": nn.Linear(4, 3),
        "qkv": nn.Linear(4, 12),
    }
    parts["norm"] = nn.LayerNorm(4)
    module = nn.ModuleDict(parts)
    names = {id(weight): name for name, weight in module.named_parameters()}
    found = {
        names[id(weight)]: group["max_lr"]
        for optimizer in Updates(module, config, torch.float32).optimizers
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    vectors = dict.fromkeys(("head.weight", "head.bias", "qkv.bias", "norm.weight", "norm.bias"), 1e-3)
    assert found == vectors | {"qkv.weight": 4e-3}
