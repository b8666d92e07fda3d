"""Rollouts with top_k and top_p: the trained model's log-probabilities are normalised over the tokens that
sampling kept, so that equal weights give equal probabilities."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from seethink.engines.local import LocalEngine
from seethink.engines.vllm import sampled_completion, sampling_params
from seethink.engines.vllm_masks import SamplingMasks
from seethink.environment import Episode
from seethink.formats import ANSWER_ONLY
from seethink.models import policy, unpacked_rows
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.models.verification import LogProbCheck, LogProbMismatch
from seethink.settings import override, parse
from seethink.train import rollouts
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import grpo
from seethink.train.importance import importance_ratios
from seethink.types import Completion, Example, InputError, Sampling
from tests import own_vlms, tiny
from tests.train.test_grpo import PAGES, SHORT, _gradient, _jsonl, _method, _task
from tests.train.test_rollouts import Beside

DRAWN = Sampling(n=6, temperature=0.9, top_p=0.8, top_k=40, max_tokens=8, seed=3)
RATIO = "sampling/importance_sampling_ratio/mean"
GAP = "sampling/sampling_logp_difference/mean"


def _sampled(model: Any, encoder: Any, sampling: Sampling, masked: bool = True) -> list[Group]:
    """Groups of completions by the local engine, of two pages; with their sampling masks if `masked`."""
    prompts = encoder.prompts([ANSWER_ONLY.prompt(page) for page in PAGES[:2]])
    groups = []
    for prompt, completions in zip(
        prompts, LocalEngine(model, encoder).complete(prompts, sampling), strict=True
    ):
        branches = [
            Branch(
                c.token_ids,
                weight=0.1,
                advantage=-0.4 * number + 1.0,
                sampled=c.logps,
                sampling_mask=c.sampling_mask if masked else (),
            )
            for number, c in enumerate(completions)
        ]
        groups.append(Group(prompt, branches))
    return groups


def _tiny(sampling: Sampling, masked: bool = True) -> list[Group]:
    model = tiny.qwen2_vl()
    return _sampled(model, tiny.encoder(model), sampling, masked)


@torch.no_grad()
def _ratios(model: Any, groups: list[Group], temperature: float) -> Tensor:
    (pack,) = pack_groups(groups, 10_000)
    sampled = torch.tensor([logp for branch in pack.branches for logp in branch.sampled])
    return importance_ratios(PolicyModel(model)(pack, temperature), sampled)


# One distribution -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top_p", [0.8, 1.0])
def test_equal_weights_give_every_token_the_ratio_1(top_p: float) -> None:
    sampling = replace(DRAWN, top_p=top_p)
    ratios = _ratios(tiny.qwen2_vl(), _tiny(sampling), sampling.temperature)
    torch.testing.assert_close(ratios, torch.ones_like(ratios), atol=1e-5, rtol=0)


def test_without_the_masks_the_ratio_is_the_mass_that_was_kept() -> None:
    model, masked, bare = tiny.qwen2_vl(), _tiny(DRAWN), _tiny(DRAWN, masked=False)
    (pack,) = pack_groups(bare, 10_000)
    with torch.no_grad():
        whole = (unpacked_rows.logits(model, pack) / DRAWN.temperature).softmax(-1)
    masks = [ids for group in masked for branch in group.branches for ids in branch.sampling_mask]
    mass = torch.stack([row[list(ids)].sum() for row, ids in zip(whole, masks, strict=True)])
    ratios = _ratios(model, bare, DRAWN.temperature)
    torch.testing.assert_close(ratios, mass, atol=1e-5, rtol=0)
    assert float(ratios.mean()) < 0.9


def test_a_family_with_rows_of_its_own_has_masks_too() -> None:
    model, encoder = own_vlms.build("paligemma")
    groups = _sampled(model, encoder, DRAWN)
    assert not encoder.family.shared
    ratios = _ratios(model, groups, DRAWN.temperature)
    torch.testing.assert_close(ratios, torch.ones_like(ratios), atol=1e-5, rtol=0)


def test_masks_hold_the_sampled_token_and_at_most_top_k_and_are_recorded_for_these_alone() -> None:
    for group in _tiny(DRAWN):
        for branch in group.branches:
            assert len(branch.sampling_mask) == len(branch.ids)
            for token, ids in zip(branch.ids, branch.sampling_mask, strict=True):
                assert token in ids
                assert len(ids) <= DRAWN.top_k
    for sampling in (
        replace(DRAWN, top_p=1.0, top_k=0),
        replace(DRAWN, top_k=0),  # nothing bounds how many are kept
        replace(DRAWN, top_k=513),
        replace(DRAWN, temperature=0.0, n=1),
    ):
        groups = _tiny(sampling)
        assert not any(branch.sampling_mask for group in groups for branch in group.branches)
        assert pack_groups(groups, 10_000)[0].sampling_mask is None


# Gradients --------------------------------------------------------------------------------------------------


def _everything(groups: list[Group], size: int) -> list[Group]:
    """The groups with masks that keep every token."""
    for group in groups:
        for branch in group.branches:
            branch.sampling_mask = [range(size)] * len(branch.ids)
    return groups


def _assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    largest = max(float(value.abs().max()) for value in wanted.values())
    assert largest > 0
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=1e-5 * largest, rtol=1e-4)


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_masks_that_keep_everything_change_no_gradient(beta: float, tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    whole = replace(DRAWN, top_p=1.0, top_k=0)
    plain = _gradient(_method(tiny.qwen2_vl(), base, beta=beta), _tiny(whole))
    size = tiny.qwen2_vl().config.get_text_config().vocab_size
    _assert_same(_gradient(_method(tiny.qwen2_vl(), base, beta=beta), _everything(_tiny(whole), size)), plain)


@pytest.mark.parametrize("rows_per_chunk", [7, 2048])
def test_the_gradient_is_that_of_the_masked_softmax(rows_per_chunk: int, monkeypatch) -> None:
    """Of full rows and a mask over all logits, where one branch in two is not truncated."""
    monkeypatch.setattr(policy, "ROWS_PER_CHUNK", rows_per_chunk)
    groups, model = _tiny(DRAWN), tiny.qwen2_vl()
    for group in groups:
        for branch in group.branches[::2]:
            branch.sampling_mask = ()
    (pack,) = pack_groups(groups, 10_000)
    logits = unpacked_rows.logits(model, pack) / 0.9
    masks = [ids for branch in pack.branches for ids in branch.sampling_mask or [()] * branch.n_trained]
    dropped = torch.zeros_like(logits, dtype=torch.bool)
    for row, ids in zip(dropped, masks, strict=True):
        row[:] = bool(ids)
        row[list(ids)] = False
    wanted = logits.masked_fill(dropped, -torch.inf).log_softmax(-1).gather(-1, pack.targets[:, None])[:, 0]
    values = torch.linspace(-1, 1, len(wanted))
    (wanted * values).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    found = PolicyModel(model)(pack, 0.9)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    (found * values).sum().backward()
    _assert_same({n: p.grad for n, p in model.named_parameters() if p.grad is not None}, gradients)


def test_the_entropy_is_that_of_the_whole_distribution() -> None:
    entropies = []
    for masked in (True, False):
        (pack,) = pack_groups(_tiny(DRAWN, masked), 10_000)
        with torch.no_grad():
            entropies.append(PolicyModel(tiny.qwen2_vl())(pack, with_entropy=True)[1])
    torch.testing.assert_close(*entropies)


# Trainings --------------------------------------------------------------------------------------------------


def _train(out, **settings: Any) -> list[dict]:
    base = tiny.saved(out.with_name(f"{out.name}-base"))
    grpo(base, _task(), SHORT.replace(top_p=0.8, top_k=40, **settings), out)
    return _jsonl(out / "metrics.jsonl")


def test_local_rollouts_that_are_truncated_agree_with_the_training(tmp_path) -> None:
    rows = _train(tmp_path / "out", max_steps=4, num_iterations=2, save_steps=2, beta=0.1)
    for row in rows:
        assert row[RATIO] == pytest.approx(1, abs=1e-5)
        assert row[GAP] < 1e-5
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-6), "the reference is normalised over the same tokens"
    assert rows[1]["kl"] > 1e-6


@pytest.mark.parametrize("mode", ["token_truncate", "sequence_mask"])
def test_so_do_those_of_an_engine_beside_the_trainer(mode: str, tmp_path, monkeypatch) -> None:
    """It draws from slightly flatter distributions, which are to be corrected, and no more than these."""
    monkeypatch.setattr(rollouts, "VllmEngine", Beside)
    monkeypatch.setattr(rollouts, "require_vllm", lambda: None)
    rows = _train(tmp_path / "out", rollout_backend="vllm", importance_sampling_mode=mode)
    for row in rows:
        assert row[RATIO] == pytest.approx(1, abs=0.02)
        assert 1e-4 < row[GAP] < 0.1
        assert row["incomplete_sampling_masks"] == 0


@pytest.mark.parametrize(("masked", "low", "high"), [(True, 1 - 1e-5, 1 + 1e-5), (False, 0.0, 0.9)])
def test_the_loss_weights_are_1_with_the_masks_and_too_small_without(
    masked: bool, low: float, high: float, monkeypatch
) -> None:
    monkeypatch.setattr(rollouts, "require_vllm", lambda: None)
    method = _method(tiny.qwen2_vl(), rollout_backend="vllm", temperature=DRAWN.temperature)
    (pack,) = pack_groups(_tiny(DRAWN, masked), 10_000)
    with torch.no_grad():
        old = method.policy(pack, DRAWN.temperature)
        weights = method._importance_weights(old, pack)
    assert low <= float(weights.mean()) <= high
    assert not masked or float((weights - 1).abs().max()) < 1e-5


def test_the_check_before_training_compares_what_was_truncated() -> None:
    model = tiny.qwen2_vl()
    (group, _) = _tiny(DRAWN)
    check = LogProbCheck(PolicyModel(model), tiny.encoder(model), DRAWN.temperature)
    check.check(group)
    bare = Group(group.prompt, [replace(branch, sampling_mask=()) for branch in group.branches])
    with pytest.raises(LogProbMismatch, match="samples from another distribution"):
        check.check(bare)


def test_an_episode_has_the_masks_of_all_its_turns() -> None:
    turns = [Completion("a", token_ids=(1,), sampling_mask=((1, 2),)), Completion("b", sampling_mask=((3,),))]
    assert Episode(Example("e", "?"), None, turns, 0).completion().sampling_mask == ((1, 2), (3,))


# vLLM -------------------------------------------------------------------------------------------------------


def _from_vllm(places: list[dict[int, float]], masks: SamplingMasks) -> Completion:
    encoder = tiny.encoder(tiny.qwen2_vl())
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    return sampled_completion(encoder, prompt, [next(iter(at)) for at in places], places, masks)


def test_vllm_is_asked_for_as_many_log_probabilities_as_top_k_keeps() -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    asked = [
        sampling_params(encoder, prompt, sampling)["logprobs"]
        for sampling in (DRAWN, replace(DRAWN, top_k=0), replace(DRAWN, temperature=0.0, n=1))
    ]
    assert asked == [40, 0, 0]


def test_vllms_masks_are_the_tokens_that_have_some_probability(caplog) -> None:
    masks = SamplingMasks()
    places = [{7: math.log(0.25), 9: math.log(0.75), 8: -math.inf}, {5: 0.0, 6: -9999.0}]
    completion = _from_vllm(places, masks)
    assert [list(ids) for ids in completion.sampling_mask] == [[7, 9], [5]]
    assert completion.logps == pytest.approx((math.log(0.25), 0.0))
    assert masks.incomplete == 0
    assert not caplog.records


def test_a_mask_that_lacks_tokens_is_counted_said_once_and_used_on_both_sides(caplog) -> None:
    """Ten tokens are equally likely, and vLLM names four of them."""
    masks = SamplingMasks()
    tie = dict.fromkeys((3, 4, 5, 6), math.log(0.1))
    for number in (2, 3):
        completion = _from_vllm([tie, {1: 0.0}], masks)
        assert completion.logps == pytest.approx((math.log(0.25), 0.0))
        assert masks.incomplete == number - 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "incomplete_sampling_masks" in caplog.text


# What a user may say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("top_p=0.9",), "top_k bounds how many"),
        (("top_p=1.1",), "at most 1"),
        (("top_k=513",), "at most 512"),
        (("top_k=-1",), "at least 0"),
        (("min_p=0.1",), "temperature, top_p and top_k alone"),
    ],
)
def test_what_cannot_be_recorded_is_refused(settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        override(GRPOConfig(), dict(map(parse, settings)), "grpo")
