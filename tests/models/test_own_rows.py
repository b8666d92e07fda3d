"""Families without shared rows: full rows, the model's own `generate`, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import GenerationMixin

from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.models import loading
from seethink.models.encoder import Encoder, Prompt
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.parts import Parts
from seethink.models.policy import PolicyModel
from seethink.models.verification import LogProbCheck
from seethink.train.adapters import prepare
from seethink.train.configs import TrainingConfig
from seethink.types import InputError, Sampling
from tests import own_vlms, tiny
from tests.models.test_families import _examples, _gradients

OWN = tuple(own_vlms.BUILDERS)
REPLY = [612, 845, 701, 990, 1203, 655, 1400]


def _prompts(name: str, encoder: Encoder) -> list[Prompt]:
    """One picture, two pictures, and text, which PaliGemma's processor refuses."""
    asked = _examples()[: 2 if name == "paligemma" else 3]
    return encoder.prompts([ANSWER_ONLY.prompt(example) for example in asked])


def _ordinary(name: str, model: Any, prompt: Prompt, reply: list[int]) -> torch.Tensor:
    """(C, V) logits of an ordinary call with what the processor returned. The response has the token type of
    text; PaliGemma has another for what the prompt must not see."""
    ids = torch.tensor([[*prompt.ids, *reply]])
    kinds = torch.tensor([[*prompt.kinds, *[int(name == "paligemma")] * len(reply)]])
    kind = "token_type_ids" if name == "paligemma" else "mm_token_type_ids"
    out = model(input_ids=ids, attention_mask=torch.ones_like(ids), **prompt.media, **{kind: kinds})
    return out.logits[0, len(prompt.ids) - 1 : -1]


@pytest.mark.parametrize("name", OWN)
def test_log_probabilities_and_gradients_are_those_of_an_ordinary_call(name: str) -> None:
    model, encoder = own_vlms.build(name)
    policy = PolicyModel(model)
    for prompt in _prompts(name, encoder):
        wanted = _ordinary(name, model, prompt, REPLY).log_softmax(-1)
        wanted = wanted.gather(-1, torch.tensor(REPLY)[:, None])[2:, 0]
        branch = Branch(REPLY, [False] * 2 + [True] * 5)
        model.zero_grad()
        wanted.sum().backward()
        gradients = _gradients(model)
        model.zero_grad()
        found = policy(pack_groups([Group(prompt, [branch])], 1)[0])
        found.sum().backward()
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
        for parameter, gradient in _gradients(model).items():
            torch.testing.assert_close(gradient, gradients[parameter], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", OWN)
def test_what_generate_samples_is_what_the_forward_pass_says(name: str) -> None:
    """Each completion by itself: greedy tokens are the likeliest, and sampled ones have their probability."""
    model, encoder = own_vlms.build(name)
    model.generation_config.update(
        repetition_penalty=5.0, do_sample=True, temperature=9.0, suppress_tokens=REPLY
    )
    engine, greedy = LocalEngine(model, encoder), Sampling(temperature=0.0, max_tokens=8)
    for prompt in _prompts(name, encoder):
        ((answer,),) = engine.complete([prompt], greedy)
        logits = _ordinary(name, model, prompt, list(answer.token_ids))
        logits[:, encoder.media_token_ids] = -torch.inf
        assert logits.argmax(-1).tolist() == list(answer.token_ids)
        for ids, logps, _ in engine.own.decode(prompt, Sampling(n=3, temperature=0.7, max_tokens=8)):
            wanted = _ordinary(name, model, prompt, ids) / 0.7
            wanted[:, encoder.media_token_ids] = -torch.inf
            wanted = wanted.log_softmax(-1).gather(-1, torch.tensor(ids)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(logps), wanted.detach(), atol=1e-4, rtol=0)
    assert model.generation_config.repetition_penalty == 5.0


def test_completions_have_streams_of_their_own_and_end_at_the_end_of_the_turn() -> None:
    model, encoder = own_vlms.build("qwen3_5")
    one, two, text = _prompts("qwen3_5", encoder)
    sampling = Sampling(n=4, temperature=3.0, max_tokens=24, seed=5)
    engine = LocalEngine(model, encoder)
    together = engine.complete([one, two, text], sampling)
    assert together[1:] == engine.complete([two, text], sampling)
    assert LocalEngine(model, encoder, 1).complete([two], sampling) == [together[1]], "rows one by one"
    assert len({answer.token_ids for answer in together[0]}) == 4
    assert together[0] != engine.complete([one], Sampling(n=4, temperature=3.0, max_tokens=24, seed=6))[0]
    eos = encoder.eos_token_id = together[0][1].token_ids[3]
    (cut,) = engine.complete([one], sampling)
    for answer, before in zip(cut, together[0], strict=True):
        ids = before.token_ids
        assert answer.token_ids == ids[: ids.index(eos) + 1 if eos in ids else len(ids)]
        assert answer.stop == ("stop" if eos in ids else "length")


@pytest.mark.parametrize("name", OWN)
def test_a_text_alone_reaches_no_part_but_the_language_model(name: str) -> None:
    model, _ = own_vlms.build(name)
    parts = Parts(model)
    ids = torch.tensor([REPLY])
    kinds = {"token_type_ids": torch.ones_like(ids)} if name == "paligemma" else {}
    model(input_ids=ids, **kinds).logits.sum().backward()
    reached = {n for n, gradient in _gradients(model).items() if gradient.any()}
    assert reached and {parts.of(n) for n in reached} == {"language"}
    assert {parts.of(n) for n, _ in model.named_parameters()} == {"vision", "projector", "language"}


@pytest.mark.parametrize("part", ["vision", "projector", "language"])
@pytest.mark.parametrize("name", OWN)
def test_a_frozen_part_does_not_move(name: str, part: str) -> None:
    model, encoder = own_vlms.build(name)
    policy = PolicyModel(model)
    prepare(policy, TrainingConfig(learning_rate=1e-2, **{f"{part}_learning_rate": 0.0}))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    policy(pack_groups([Group(_prompts(name, encoder)[0], [Branch(REPLY)])], 1)[0]).sum().backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-2).step()
    moved = {policy.parts.of(n) for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"vision", "projector", "language"} - {part}


def test_a_model_that_names_no_tower_has_no_parts_to_freeze() -> None:
    model, _ = own_vlms.build("qwen3_5")
    model.model.tower = model.model.__dict__["_modules"].pop("visual")
    policy = PolicyModel(model)
    assert policy.parts.of("model.tower.merger.linear_fc1.weight") is None
    for settings in (dict(vision_learning_rate=0.0), dict(lora_rank=4), dict(language_learning_rate=1e-3)):
        with pytest.raises(InputError, match="Qwen3_5ForConditionalGeneration names no vision tower"):
            prepare(policy, TrainingConfig.of(**settings))
    prepare(policy, TrainingConfig())


# What is refused -------------------------------------------------------------------------------------------


def test_a_model_whose_generate_is_not_its_forward_pass_is_refused(monkeypatch: Any) -> None:
    model, encoder = own_vlms.build("qwen3_5")
    own = type(model).prepare_inputs_for_generation

    def wrong(self: Any, *args: Any, **kwargs: Any) -> Any:
        inputs = own(self, *args, **kwargs)
        return inputs | {"position_ids": inputs["position_ids"] * 2}

    monkeypatch.setattr(type(model), "prepare_inputs_for_generation", wrong)
    with pytest.raises(
        InputError, match=r"Qwen3_5ForConditionalGeneration samples tokens with log-prob.* off"
    ):
        LocalEngine(model, encoder).complete(_prompts("qwen3_5", encoder)[:1], Sampling(max_tokens=8))


def test_the_longest_prompt_of_each_kind_is_compared() -> None:
    model, encoder = own_vlms.build("qwen3_5")
    one, two, text = _prompts("qwen3_5", encoder)
    engine = LocalEngine(model, encoder)
    engine.complete([text.head(20), text, one, text.head(20), two], Sampling(max_tokens=4))
    assert sorted(engine.own.checked.values()) == [len(text.ids), len(one.ids), len(two.ids)]


def test_a_model_that_cannot_generate_or_compute_a_row_is_refused_in_a_sentence(monkeypatch: Any) -> None:
    model, encoder = own_vlms.build("qwen3_5")
    prompt = _prompts("qwen3_5", encoder)[0]

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise AttributeError("no such tensor")

    monkeypatch.setattr(model, "generate", broken)
    with pytest.raises(InputError, match=r"cannot generate .*: AttributeError: no such tensor"):
        LocalEngine(model, encoder).complete([prompt], Sampling(max_tokens=4))
    monkeypatch.setattr(model.model, "get_rope_index", broken)
    with pytest.raises(InputError, match=r"cannot compute .*: AttributeError: no such tensor"):
        PolicyModel(model)(pack_groups([Group(prompt, [Branch(REPLY)])], 1)[0])


def test_a_response_that_sees_what_follows_is_refused(monkeypatch: Any) -> None:
    model, encoder = own_vlms.build("paligemma")
    group = Group(_prompts("paligemma", encoder)[0], [Branch(REPLY)])
    check = LogProbCheck(PolicyModel(model), encoder, None)
    check.check(group)
    like_the_prompt = GenerationMixin._update_model_kwargs_for_generation
    monkeypatch.setattr(type(model), "_update_model_kwargs_for_generation", like_the_prompt)
    with pytest.raises(InputError, match="lets a response see what comes after it"):
        check.check(group)


@pytest.mark.parametrize(
    ("lack", "why"),
    [
        ({"chat_template": None}, "has no chat template"),
        ({"image_token_id": ...}, "names no token that stands for a picture"),
        ({"is_encoder_decoder": True}, "a decoder of its own"),
        ({"tokenizer": ...}, "its processor has no tokenizer"),
    ],
)
def test_a_model_that_takes_no_conversations_is_refused_in_a_sentence(lack: dict[str, Any], why: str) -> None:
    known = {"chat_template": "x", "tokenizer": tiny.processor().tokenizer}
    named = {"model_type": "qwen2_vl", "image_token_id": 3, "is_encoder_decoder": False}
    processor, config = (
        SimpleNamespace(**{k: v for k, v in (own | lack).items() if k in own and v is not ...})
        for own in (known, named)
    )
    with pytest.raises(InputError, match=f"qwen2_vl cannot be used here: .*{why}"):
        Encoder(processor, config)


def test_a_model_whose_code_needs_another_package_is_refused_in_a_sentence(
    monkeypatch: Any, tmp_path: Any
) -> None:
    """As Gemma 3n's tower does, which is timm's."""
    base = tiny.saved(tmp_path / "base")

    def lacking(*args: Any, **kwargs: Any) -> Any:
        raise ImportError("\nTimmWrapperModel requires the timm library.\n`pip install timm`.")

    for name, load in (
        ("AutoModelForImageTextToText.from_pretrained", loading.load_policy),
        ("AutoProcessor.from_pretrained", loading.load_encoder),
        ("AutoModelForImageTextToText.from_config", loading.count_parameters),
    ):
        with monkeypatch.context() as lacks:
            lacks.setattr(f"seethink.models.loading.{name}", lacking)
            with pytest.raises(InputError, match=r"base cannot be loaded: Timm.*\. `pip install timm`"):
                load(base)


def test_a_question_that_the_processor_refuses_is_named() -> None:
    _, encoder = own_vlms.build("paligemma")
    with pytest.raises(InputError, match=r"PaliGemmaProcessor refuses the question .*2 \+ 2"):
        encoder.prompts([ANSWER_ONLY.prompt(_examples()[2])])
