"""Vision attention by segments gives the features and gradients of transformers' own loop over pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seethink.models.attention import segments
from seethink.models.loading import pretrained
from tests import tiny

GRIDS = [[1, 4, 6], [1, 8, 8], [1, 4, 6], [1, 2, 2], [1, 12, 6]]
"""Pictures of four sizes, in patches; two are alike."""


def _seen(model, implementation: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Features of all pictures (tokens, hidden), and the gradients of a weighted sum of them."""
    grid = torch.tensor(GRIDS)
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(int(grid.prod(1).sum()), 3 * 2 * 14 * 14, generator=generator)
    model.set_attn_implementation({"vision_config": implementation})
    model.zero_grad()
    features = torch.cat(model.model.get_image_features(patches, grid).pooler_output)
    (features * torch.randn(features.shape, generator=generator)).sum().backward()
    return features, {
        n: p.grad.clone() for n, p in model.model.visual.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_segments_equal_the_loop_over_pictures(family: str) -> None:
    model = tiny.FAMILIES[family]()
    (wanted, slopes), (features, mine) = (_seen(model, name) for name in ("sdpa", segments.NAME))
    torch.testing.assert_close(features, wanted, atol=1e-5, rtol=0)
    assert mine.keys() == slopes.keys()
    largest = max(float(slope.abs().max()) for slope in slopes.values())
    for name, slope in slopes.items():
        torch.testing.assert_close(mine[name], slope, atol=1e-5 * largest, rtol=1e-4)


def test_models_that_are_loaded_see_by_segments(tmp_path) -> None:
    model, _ = pretrained(tiny.saved(tmp_path))
    assert model.model.visual.config._attn_implementation == segments.NAME
    assert model.model.language_model.config._attn_implementation == "sdpa"
