"""Every family shares its prompts without changing a number, and trains what is its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import PIL.Image
import pytest
import torch
from transformers.utils import logging as hf_logging

from seethink.engines.base import Beams
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.formats.messages import chat_message
from seethink.media import DrawnVideo, Frames, Image
from seethink.models import vision_cache
from seethink.models.encoder import Encoder, Prompt, count_media_tokens
from seethink.models.families import FAMILIES, Family, family_of
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.parts import Parts
from seethink.models.policy import PolicyModel
from seethink.models.verification import LogProbCheck, LogProbMismatch
from seethink.sources.handwritten import Pages
from seethink.types import Example, Sampling
from tests import vlms

LENGTHS = ((9, 5, 12, 7), (6, 11, 4), (3, 8))


def _examples() -> list[Example]:
    """One page, two pictures at their place in the text, and no picture at all."""
    pages = Pages(4, "test")
    wide = Image.drawn("wide", lambda: PIL.Image.linear_gradient("L").resize((84, 56)).convert("RGB"))
    two = Example("two", "Is <image> the same as <image> or not?", (pages[1].media[0], wide), answer="no")
    return [pages[0], two, Example("text", "What is 2 + 2?", answer="4")]


def _groups(encoder: Encoder) -> list[Group]:
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in _examples()])
    generator = torch.Generator().manual_seed(1)
    groups = []
    for prompt, lengths, example in zip(prompts, LENGTHS, _examples(), strict=True):
        drawn = [torch.randint(300, 2000, (n,), generator=generator).tolist() for n in lengths]
        branches = [Branch(ids, weight=0.1 * (k + 1) * (-1) ** k) for k, ids in enumerate(drawn)]
        groups.append(Group(prompt, branches, example.id))
    groups[0].branches[1] = replace(groups[0].branches[1], trained=[False, True, True, False, True])
    return groups


def _logits(model, encoder: Encoder, prompt: Prompt, reply: Sequence[int]) -> torch.Tensor:
    """(C, V) what an ordinary call, nothing of ours between, makes of the places before each reply token."""
    ids = torch.tensor([[*prompt.ids, *reply]])
    extra = dict(prompt.media)
    if (mask := extra.get("cross_attention_mask")) is not None:
        extra["cross_attention_mask"] = torch.cat([mask, mask[:, -1:].expand(-1, len(reply), -1, -1)], 1)
    kinds = torch.tensor([[*prompt.kinds, *[0] * len(reply)]])
    if encoder.family.mrope:
        extra["mm_token_type_ids"] = kinds
    if encoder.family.blocks:
        extra["token_type_ids"] = kinds
    out = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **extra)
    return out.logits[0, len(prompt.ids) - 1 : -1]


def _ordinary(model, encoder: Encoder, group: Group) -> list[torch.Tensor]:
    """Log-probabilities of the branches' trained tokens."""
    rows = []
    for branch in group.branches:
        logits = _logits(model, encoder, group.prompt, branch.ids)
        logps = logits.log_softmax(-1).gather(-1, torch.tensor(branch.ids)[:, None])[:, 0]
        rows.append(logps[torch.tensor(branch.trained or [True] * len(branch.ids))])
    return rows


def _gradients(model) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_shared_rows_equal_ordinary_rows_in_every_family(name: str) -> None:
    model, encoder = vlms.build(name)
    groups = _groups(encoder)
    full = {group.name: _ordinary(model, encoder, group) for group in groups}
    weighted = [(b.weight, row) for g in groups for b, row in zip(g.branches, full[g.name], strict=True)]
    sum(weight * row.sum() for weight, row in weighted).backward()
    wanted = _gradients(model)
    model.zero_grad()
    scorer, found = PolicyModel(model), {}
    assert scorer.family.shared
    for pack in pack_groups(groups, 10_000):
        logps = scorer(pack)
        (logps * pack.weights).sum().backward()
        pieces = iter(logps.detach().split([b.n_trained for b in pack.branches]))
        found |= {group.name: [next(pieces) for _ in group.branches] for group in pack.groups}
    for group in groups:
        for a, b in zip(full[group.name], found[group.name], strict=True):
            torch.testing.assert_close(b, a.detach(), atol=1e-5, rtol=0)
    gradients = _gradients(model)
    assert gradients.keys() == wanted.keys()
    parts = {scorer.parts.of(n) for n, gradient in wanted.items() if gradient.abs().max() > 0}
    assert parts >= {"vision", "projector", "language"}, "the picture takes part"
    largest = max(float(g.abs().max()) for g in wanted.values())
    for n, gradient in wanted.items():
        if n.endswith("k_proj.bias"):  # zero: softmax does not see it, so fp32 holds rounding alone
            continue
        off = (gradients[n] - gradient).abs().max() / (gradient.abs().max() + 1e-5 * largest)
        assert off < 1e-4, (n, float(off))


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_each_greedy_token_is_the_likeliest_after_the_ordinary_row_before_it(name: str) -> None:
    model, encoder = vlms.build(name)
    conversations = [ANSWER_ONLY.prompt(example) for example in _examples()]
    prompts = encoder.prompts(conversations)
    answers = LocalEngine(model, encoder).complete(prompts, Sampling(temperature=0.0, max_tokens=12))
    for prompt, (answer,) in zip(prompts, answers, strict=True):
        with torch.no_grad():
            logits = _logits(model, encoder, prompt, answer.token_ids)
        logits[:, encoder.media_token_ids] = -torch.inf
        assert logits.argmax(-1).tolist() == list(answer.token_ids)


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_a_text_alone_reaches_no_part_but_the_language_model(name: str) -> None:
    model, encoder = vlms.build(name)
    policy, text = PolicyModel(model), _groups(encoder)[2]
    policy(pack_groups([text], 10_000)[0]).sum().backward()
    reached = {n for n, gradient in _gradients(model).items() if gradient.any()}
    assert reached and {policy.parts.of(n) for n in reached} == {"language"}
    assert {policy.parts.of(n) for n, _ in model.named_parameters()} == {"vision", "projector", "language"}


def test_a_family_without_an_entry_takes_full_rows() -> None:
    model, encoder = vlms.build("llava")
    groups = _groups(encoder)
    shared = PolicyModel(model)
    stranger = PolicyModel(model)
    stranger.family = Family("stranger", ("stranger",), shared=False)
    pack = pack_groups(groups[:1], 10_000)[0]
    torch.testing.assert_close(stranger(pack), shared(pack), atol=1e-5, rtol=0)
    assert not family_of(type("Config", (), {"model_type": "qwen3_5"})).shared


def test_a_model_whose_shared_rows_differ_is_refused() -> None:
    model, encoder = vlms.build("gemma3")
    groups = _groups(encoder)
    scorer = PolicyModel(model)
    LogProbCheck(scorer, encoder, None).check(groups[0])
    (gemma,) = (family for family in FAMILIES if family.name == "gemma3")
    scorer.family = replace(gemma, blocks=False)
    with pytest.raises(LogProbMismatch, match="Gemma3ForConditionalGeneration"):
        LogProbCheck(scorer, encoder, None).check(groups[0])


def test_the_thinking_format_fits_every_processor() -> None:
    for name in vlms.BUILDERS:
        _, encoder = vlms.build(name)
        prompt = encoder.prompts([THINK_ANSWER.prompt(_examples()[1])])[0]
        assert encoder.image_token_id in prompt.ids and encoder.decode(prompt.ids)


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_a_second_question_about_the_same_pictures_is_what_it_would_be_alone(name: str) -> None:
    _, encoder = vlms.build(name)
    two = _examples()[1]
    again = replace(two, id="again", question="Here:\n<image>\n\nand <image>\n. Which is larger?")
    for first, second in ((two, again), (_examples()[0], replace(_examples()[0], question="What is it?"))):
        conversations = [ANSWER_ONLY.prompt(first), THINK_ANSWER.prompt(second)]
        together, alone = encoder.prompts(conversations)[1], encoder.prompts(conversations[1:])[0]
        assert (together.ids, together.kinds, together.key) == (alone.ids, alone.kinds, alone.key)
        assert together.media.keys() == alone.media.keys()
        for key, value in alone.media.items():
            assert torch.equal(together.media[key], value)


FEATURES = [name for name in vlms.BUILDERS if name != "mllama"]


@pytest.mark.parametrize("name", FEATURES)
def test_features_of_a_frozen_tower_stand_for_its_pixels(name: str) -> None:
    model, encoder = vlms.build(name)
    groups = _groups(encoder)
    prompts = [group.prompt for group in groups]
    assert not vision_cache.can_cache(model, prompts), "the tower learns"
    for parameter, weight in model.named_parameters():
        weight.requires_grad_(Parts(model).of(parameter) == "language")
    assert vision_cache.can_cache(model, prompts)
    seen = [replace(group, prompt=vision_cache.encode(model, group.prompt)) for group in groups]
    assert all(not name.startswith("pixel") for group in seen for name in group.prompt.media)
    scorer, greedy = PolicyModel(model), Sampling(temperature=0.0, max_tokens=8)
    for mine, wanted in zip(pack_groups(seen, 10_000), pack_groups(groups, 10_000), strict=True):
        torch.testing.assert_close(scorer(mine), scorer(wanted), atol=1e-5, rtol=0)
        LogProbCheck(scorer, encoder, None).check(mine.groups[0])
    engine = LocalEngine(model, encoder)
    answers = [
        engine.complete(conversations, greedy)
        for conversations in (prompts, [group.prompt for group in seen])
    ]
    assert answers[0] == answers[1]


def test_a_tower_of_cross_attention_is_asked_each_time() -> None:
    model, encoder = vlms.build("mllama")
    assert not vision_cache.can_cache(
        model.requires_grad_(False), [group.prompt for group in _groups(encoder)]
    )


@pytest.mark.parametrize("name", sorted(vlms.BUILDERS))
def test_as_many_tokens_as_features_stand_for_media(name: str) -> None:
    """Counted from the grid where there is one, against what the model itself makes of the pixels."""
    model, encoder = vlms.build(name)
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in _examples()])
    counts = [count_media_tokens(prompt, encoder.processor) for prompt in prompts]
    assert counts[2] is None
    if "image_grid_thw" not in prompts[0].media:
        assert counts == [None] * 3
        return
    for prompt, counted in zip(prompts[:2], counts, strict=False):
        features = vision_cache.encode(model, prompt).media["image_features"]
        assert counted == (len(features), len(features))


@pytest.mark.parametrize("name", sorted(vlms.BUILDERS))
def test_a_processor_says_nothing_of_its_own(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """What it would say, such as that a later version caps frames, is decided here."""
    hf_logging.warning_once.cache_clear()  # transformers says such things once in a process
    _, encoder = vlms.build(name)
    caplog.clear()
    monitored = logging.getLogger("transformers")
    clip = Frames((PIL.Image.new("RGB", (64, 64)),) * 4, (0.0, 0.5, 1.0, 1.5), 2.0)
    media = (Image.drawn("page", lambda: PIL.Image.new("RGB", (64, 64))), DrawnVideo("clip", lambda: clip))
    monitored.addHandler(caplog.handler)
    try:
        encoder.prompts([THINK_ANSWER.prompt(Example("e", "What is it?", (medium,))) for medium in media])
    finally:
        monitored.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_kept_prompts_give_the_same_answers_in_every_family(name: str) -> None:
    """A second turn of every question, with and without the first kept; families that cannot keep a prompt
    compute it again, and say so."""
    model, encoder = vlms.build(name)
    first = [ANSWER_ONLY.prompt(example) for example in _examples()]
    turn = [chat_message("assistant", "Two."), chat_message("user", "Why?")]
    moved = [
        ANSWER_ONLY.prompt(
            Example("moved", f"Now look: {'<image> ' * len(example.media)}what?", example.media)
        )
        for example in _examples()
        if {medium.kind for medium in example.media} == {"image"}
    ]
    assert moved
    second = [*([*messages, *turn] for messages in first), *moved]
    greedy, beams = Sampling(temperature=0.0, max_tokens=6), Beams(3, max_tokens=6)
    whole = LocalEngine(model, encoder)
    expected = [*whole.generate(second, greedy), *whole.beam_search(second, beams)]
    engine = LocalEngine(model, encoder)
    with engine.reuse():
        engine.generate(first, greedy)
        before = engine.prefill.counted
        found = engine.generate(second, greedy)
        computed = (engine.prefill.counted.tokens_computed or 0) - (before.tokens_computed or 0)
        found += engine.beam_search(second, beams)
    assert [[one.token_ids for one in some] for some in found] == [
        [one.token_ids for one in some] for some in expected
    ]
    n_tokens = sum(len(prompt.ids) for prompt in encoder.prompts(second))
    fresh = sum(len(prompt.ids) for prompt in encoder.prompts(moved))
    assert (computed < (n_tokens + fresh) / 2) is (name not in NOT_KEPT), (computed, n_tokens)


NOT_KEPT = ("gemma3", "mistral3", "mllama")
"""Pictures that see ahead and sliding windows; sliding windows; cross-attention."""
