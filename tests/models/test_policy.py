"""A packed row equals full rows: log-probabilities and gradients, vision tower included, however packs are
cut."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seethink.formats import THINK_ANSWER
from seethink.models import policy
from seethink.models.observations import refuse_media
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from tests import tiny, vlms
from tests.models.test_families import _examples

LENGTHS = ((9, 5, 12, 7), (6, 11, 4), (3, 8))


def _groups(encoder) -> list[Group]:
    prompts = encoder.prompts([THINK_ANSWER.prompt(example) for example in _examples()])
    generator = torch.Generator().manual_seed(1)
    groups = []
    for prompt, lengths, example in zip(prompts, LENGTHS, _examples(), strict=True):
        branches = [
            Branch(
                torch.randint(300, 2000, (n,), generator=generator).tolist(), weight=0.1 * (k + 1) * (-1) ** k
            )
            for k, n in enumerate(lengths)
        ]
        groups.append(Group(prompt, branches, example.id))
    groups[0].branches[1] = replace(groups[0].branches[1], trained=[False, True, True, False, True])
    return groups


def _full_rows(model, groups: list[Group]) -> list[torch.Tensor]:
    """Log-probabilities of every branch as an ordinary row; the model computes mask and positions itself."""
    rows = []
    for group in groups:
        p = len(group.prompt.ids)
        for branch in group.branches:
            ids = torch.tensor([[*group.prompt.ids, *branch.ids]])
            picture = (ids == model.config.image_token_id).int()
            out = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=picture,
                use_cache=False,
                **group.prompt.media,
            )
            logps = out.logits[0, p - 1 : -1].log_softmax(-1).gather(-1, ids[0, p:, None])[:, 0]
            rows.append(logps[torch.tensor(branch.trained or [True] * len(branch.ids))])
    return rows


def _gradients(model) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _shared(
    model, groups: list[Group], budget: int
) -> tuple[dict[str, list[torch.Tensor]], dict[str, torch.Tensor]]:
    """Log-probabilities by group name and gradients, packs cut at `budget` tokens."""
    scorer, found = PolicyModel(model), {}
    model.zero_grad()
    for pack in pack_groups(groups, budget):
        logps = scorer(pack)
        (logps * pack.weights).sum().backward()
        pieces = iter(logps.detach().split([b.n_trained for b in pack.branches]))
        for group in pack.groups:
            found[group.name] = [next(pieces) for _ in group.branches]
    return found, _gradients(model)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("budget", [1, 250, 10_000], ids=["each alone", "some", "one pack"])
def test_shared_rows_equal_full_rows(family: str, budget: int) -> None:
    model = tiny.FAMILIES[family]()
    groups = _groups(tiny.encoder(model))
    full = _full_rows(model, groups)
    weights = [branch.weight for group in groups for branch in group.branches]
    sum(w * row.sum() for w, row in zip(weights, full, strict=True)).backward()
    wanted = _gradients(model)
    found, gradients = _shared(model, groups, budget)
    mine = [row for group in groups for row in found[group.name]]
    for a, b in zip(full, mine, strict=True):
        torch.testing.assert_close(b, a.detach(), atol=1e-5, rtol=0)
    assert gradients.keys() == wanted.keys()
    assert any("visual" in name for name in wanted), "the vision tower takes part"
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        off = (gradients[name] - gradient).abs().max() / (gradient.abs().max() + 1e-5 * largest)
        assert off < 1e-4, (name, float(off))


def test_a_branch_does_not_see_its_siblings() -> None:
    model = tiny.qwen2_vl()
    groups = _groups(tiny.encoder(model))[:1]
    before, _ = _shared(model, groups, 10_000)
    groups[0].branches[0] = replace(groups[0].branches[0], ids=[7] * 20)
    after, _ = _shared(model, groups, 10_000)
    name = groups[0].name
    for a, b in zip(before[name][1:], after[name][1:], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
    assert not torch.allclose(before[name][0].mean(), after[name][0].mean())


def test_temperature_divides_the_logits() -> None:
    model = tiny.qwen2_vl()
    groups = _groups(tiny.encoder(model))
    pack = pack_groups(groups, 10_000)[0]
    with torch.no_grad():
        model.lm_head.weight.div_(2.0)
        cool = PolicyModel(model)(pack)
        model.lm_head.weight.mul_(2.0)
        warm = PolicyModel(model)(pack, temperature=2.0)
    torch.testing.assert_close(cool, warm, atol=1e-5, rtol=0)


def test_logits_in_chunks_have_the_same_numbers_and_gradients(monkeypatch) -> None:
    model = tiny.qwen2_vl()
    groups = _groups(tiny.encoder(model))
    whole, wanted = _shared(model, groups, 10_000)
    monkeypatch.setattr(policy, "ROWS_PER_CHUNK", 7)
    found, gradients = _shared(model, groups, 10_000)
    for name, rows in whole.items():
        torch.testing.assert_close(torch.cat(found[name]), torch.cat(rows), atol=1e-6, rtol=0)
    for name, gradient in wanted.items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("attention", ["branching", "flex"])
def test_rows_are_padded_with_no_media_token_even_where_that_is_the_first_id(attention: str) -> None:
    """LLaVA's own test configuration calls its picture 0, which is also what tensors are filled with."""
    model, encoder = vlms.build("llava")
    picture, model.config.image_token_id = encoder.image_token_id, 0
    groups = _groups(encoder)[:2]
    for group in groups:
        ids = [0 if token == picture else token for token in group.prompt.ids]
        group.prompt = replace(group.prompt, ids=ids)
    with torch.no_grad():
        wanted = [row for group in groups for row in _full_rows(model, [group])]
        scorer = PolicyModel(model, attention)
        (pack,) = pack_groups(groups, 10_000)
        found = dict(zip([group.name for group in pack.groups], _by_group(pack, scorer(pack)), strict=True))
    mine = torch.cat([found[group.name] for group in groups])
    torch.testing.assert_close(mine, torch.cat(wanted), atol=1e-5, rtol=0)


def _by_group(pack, logps: torch.Tensor) -> list[torch.Tensor]:
    """(N,) values of a pack cut into those of each group."""
    return list(logps.split([sum(b.n_trained for b in group.branches) for group in pack.groups]))


def test_media_tokens_in_a_branch_are_refused() -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    group = _groups(encoder)[0]
    group.branches[0] = Branch([5, encoder.image_token_id])
    with pytest.raises(ValueError, match="media tokens"):
        refuse_media([group], encoder.media_token_ids)


def test_packs_keep_to_their_budget_and_lose_no_group() -> None:
    groups = _groups(tiny.encoder(tiny.qwen2_vl()))
    for budget in (1, 100, 200, 400):
        packs = pack_groups(groups, budget)
        assert sorted(g.name for p in packs for g in p.groups) == sorted(g.name for g in groups)
        assert all(p.ids.numel() <= budget or len(p.groups) == 1 for p in packs)
