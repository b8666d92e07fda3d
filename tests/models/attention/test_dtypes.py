"""Mixed precision: under bf16 autocast, rotary embeddings leave queries and keys in fp32, values in bf16."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from seethink.models.attention import branching, flex
from seethink.models.policy import PolicyModel
from tests import vlms

RESULTS = Path(__file__).parents[3] / "bench" / "RESULTS.md"


def _packed() -> torch.Tensor:
    """(2, 128) branch numbers: prompts of 40 and 20 tokens, branches of different lengths, padding."""
    branch = torch.full((2, 128), -2)
    for row, (prompt, *lengths) in enumerate(((40, 30, 9), (20, 50, 12, 7))):
        branch[row, :prompt], at = -1, prompt
        for number, length in enumerate(lengths):
            branch[row, at : at + length], at = number, at + length
    return branch


@pytest.mark.parametrize("kernel", [branching, flex], ids=["branching", "flex"])
@pytest.mark.parametrize("window", [None, 16])
def test_fp32_queries_and_keys_beside_bf16_values_attend_as_in_bf16(kernel, window: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, heads, 128, 16, generator=generator) for heads in (4, 2, 2))
    half = value.bfloat16()
    branch = _packed()
    real = branch != -2
    found, _ = kernel.attend(
        None, query, key, half, None, sliding_window=window, packed=kernel.layout(branch)
    )
    wanted, _ = kernel.attend(
        None,
        query.bfloat16(),
        key.bfloat16(),
        half,
        None,
        sliding_window=window,
        packed=kernel.layout(branch),
    )
    assert found.dtype == wanted.dtype == torch.bfloat16
    assert torch.equal(found[real], wanted[real])
    full, _ = kernel.attend(
        None, query, key, half.float(), None, sliding_window=window, packed=kernel.layout(branch)
    )
    torch.testing.assert_close(found[real].float(), full[real], atol=0.05, rtol=0.05)


def test_a_policy_under_bf16_autocast_gives_finite_log_probabilities_and_gradients() -> None:
    """The whole path that a training on an accelerator takes, on the CPU."""
    from seethink.models.packing import pack_groups
    from tests.models.test_families import _groups

    model, encoder = vlms.build("qwen2_vl")
    pack = pack_groups(_groups(encoder), 10_000)[0]
    policy = PolicyModel(model)
    plain = policy(pack).detach()
    with torch.autocast("cpu", torch.bfloat16):
        logps = policy(pack)
    logps.sum().backward()
    torch.testing.assert_close(logps.detach(), plain, atol=0.1, rtol=0)
    assert all(p.grad is None or p.grad.isfinite().all() for p in policy.parameters())


def test_branching_is_the_default_because_flex_was_not_faster_on_an_accelerator() -> None:
    """Seconds are read from bench/RESULTS.md; where flex becomes faster there, the default must follow."""
    rows = re.findall(
        r"^\| *([\d,]+) *\| *(\d\.\d+) *\| *(\d\.\d+) *\|", RESULTS.read_text(encoding="utf-8"), re.MULTILINE
    )
    seconds = {int(prompt.replace(",", "")): (float(f), float(b)) for prompt, f, b in rows}
    assert {350, 1300, 4096} <= seconds.keys()
    assert all(flex_s > 0.98 * branching_s for flex_s, branching_s in seconds.values())
    assert PolicyModel(vlms.build("qwen2_vl")[0]).attention is branching
