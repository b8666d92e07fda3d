"""FlexAttention over packed rows: the numbers of branching attention, and tiles that leave out nothing that
is seen."""

from __future__ import annotations

import pytest
import torch

from seethink.models.attention import flex
from seethink.models.attention.branching import picture_blocks
from seethink.models.packing import pack_groups
from seethink.models.policy import PolicyModel
from tests import vlms
from tests.models.test_families import _groups


@pytest.mark.parametrize("name", ["qwen2_vl", "gemma3", "llava"])
def test_log_probabilities_equal_those_of_branching_attention(name: str) -> None:
    """On a CPU the kernel has no backward pass."""
    model, encoder = vlms.build(name)
    pack = pack_groups(_groups(encoder), 10_000)[0]
    with torch.no_grad():
        wanted, found = (PolicyModel(model, attention)(pack) for attention in ("branching", "flex"))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert model.config.text_config._attn_implementation == flex.NAME


def test_rotated_queries_in_fp32_go_with_values_in_bf16(monkeypatch) -> None:
    dtypes = []
    monkeypatch.setattr(flex, "flex_attention", lambda q, k, v, **_: dtypes.append({q.dtype, k.dtype}) or v)
    x, half = torch.randn(1, 2, 128, 16), torch.randn(1, 2, 128, 16, dtype=torch.bfloat16)
    layout = flex.layout(torch.full((1, 128), -1))
    flex.attend(None, x, x, half, None, packed=layout)
    assert dtypes == [{torch.bfloat16}]


def test_a_family_with_cross_attention_keeps_to_branching(caplog) -> None:
    model, encoder = vlms.build("mllama")
    pack = pack_groups(_groups(encoder)[:1], 10_000)[0]
    with torch.no_grad():
        wanted = PolicyModel(model)(pack)
        found = PolicyModel(model, "flex")(pack)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert "without FlexAttention" in caplog.text


ROWS = ((300, (40, 200, 7, 129)), (128, (128, 128)), (5, (1, 2, 600)), (517, ()))


def _branch() -> torch.Tensor:
    """(4, 768) branch numbers of rows that end and begin at all kinds of places inside tiles."""
    rows = torch.full((len(ROWS), 768), -2)
    for row, (prompt, lengths) in zip(rows, ROWS, strict=True):
        row[:prompt], at = -1, prompt
        for number, length in enumerate(lengths):
            row[at : at + length], at = number, at + length
    return rows


def _kinds() -> torch.Tensor:
    """Pictures of up to three tiles, some of them in one tile."""
    kinds = torch.zeros(len(ROWS), 768, dtype=torch.long)
    kinds[0, 10:100], kinds[0, 110:140], kinds[3, 100:400], kinds[3, 401:500] = 1, 1, 1, 1
    return kinds


def _dense(sees) -> torch.Tensor:
    """(4, 768, 768) what the mask says of every pair."""
    b, q, k = torch.meshgrid(torch.arange(4), torch.arange(768), torch.arange(768), indexing="ij")
    return sees(b, torch.zeros_like(b), q, k)


@pytest.mark.parametrize("window", [None, 50, 300])
@pytest.mark.parametrize("pictures", [False, True])
def test_tiles_hold_all_that_is_seen_and_full_tiles_nothing_else(window: int | None, pictures: bool) -> None:
    branch = _branch()
    layout = flex.layout(branch, picture_blocks(_kinds()) if pictures else None)
    seen = _dense(layout.sees(window)).unflatten(2, (-1, 128)).unflatten(1, (-1, 128))  # (4, N, 128, N, 128)
    some, full = layout.tiles(window)
    assert not (seen.any(4).any(2) & ~some).any(), "no tile with something to see is left out"
    real = (branch != -2).unflatten(1, (-1, 128))[:, :, :, None, None]
    assert (seen | ~real).all(4).all(2)[full].all(), "padding apart, all is seen in a full tile"
    assert full.any() or window == 50
    assert some.float().mean() < 0.6, "tiles are left out"
    assert (full & ~some).sum() == 0
    block = layout.mask(window)
    assert torch.equal(block.to_dense()[:, 0].bool(), some)


def test_a_token_of_a_branch_sees_what_it_would_see_in_its_ordinary_row() -> None:
    branch = _branch()
    seen = _dense(flex.layout(branch).sees(60))
    for row, (prompt, lengths) in enumerate(ROWS):
        at = prompt
        for length in lengths:
            mine = torch.cat([torch.arange(prompt), torch.arange(at, at + length)])
            step = torch.arange(prompt + length)
            apart = step[:, None] - step
            wanted = (apart >= 0) & (apart < 60)
            assert torch.equal(seen[row][mine[prompt:]][:, mine], wanted[prompt:])
            others = torch.ones(768, dtype=torch.bool)
            others[mine] = False
            assert not seen[row][at : at + length][:, others].any()
            at += length
