"""Matrix products give the attention of PyTorch's kernel, and only where rounded scores are asked for."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from seethink.models.attention import dense


@pytest.mark.parametrize("masked", [False, True])
def test_grouped_attention_with_rounded_scores_is_that_of_the_kernel(masked: bool) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 9, heads, 16, dtype=torch.bfloat16) for heads in (4, 2, 2))
    visible = torch.rand(2, 1, 9, 9) < 0.5
    visible |= torch.eye(9, dtype=torch.bool)
    mask = dense.additive(visible, 2, torch.bfloat16) if masked else None
    exact = dense.grouped(
        query.float(), key.float(), value.float(), None, None if mask is None else mask.float()
    )
    with dense.rounded_scores():
        rounded = dense.grouped(query, key, value, None, mask)
    torch.testing.assert_close(rounded.float(), exact, atol=0.03, rtol=0.03)


def test_outside_the_kernel_is_called() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 40, 32, dtype=torch.bfloat16) for _ in range(3))
    kernel = scaled_dot_product_attention(query, key, value)
    assert torch.equal(dense.attend(query, key, value), kernel)
    with dense.rounded_scores():
        assert not torch.equal(dense.attend(query, key, value), kernel)
    assert not dense.faster(query)
