"""Parts and adapters: what is frozen stands still, what has a rate moves at it, adapters merge into an
ordinary model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText

from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.models import loading
from seethink.models.encoder import Encoder
from seethink.models.loading import load_policy
from seethink.models.lora import ADAPTER, merge, merged_weights
from seethink.models.names import model_key, refuse_adapter
from seethink.models.packing import Branch, Group, Pack, pack_groups
from seethink.models.parts import Parts
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train import adapters
from seethink.train.adapters import has_bfloat16, prepare
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig, TrainingConfig
from seethink.train.dpo import DPOMethod
from seethink.train.grpo import GRPOMethod
from seethink.train.reference import ReferenceCache, ReferenceModel
from seethink.train.sft import SFTMethod, sft
from seethink.train.trainer import GroupTrainer
from seethink.types import Example, InputError, PreferencePair, Response, Sampling, Score, SFTExample, Task
from tests import tiny, vlms

PAGES = Pages(4, "train", seed=5)
LESSONS = [SFTExample(page, ANSWER_ONLY, ANSWER_ONLY.write("", page.answer or "")) for page in PAGES]
QUICK = SFTConfig.of(
    learning_rate=1e-2, lr_scheduler_type="constant", warmup_ratio=0.0, train_batch_size=4, max_steps=2
)


def _weights(model) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def _moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(after[name], value)}


def _stored(folder: Path | str) -> dict[str, Tensor]:
    return _weights(AutoModelForImageTextToText.from_pretrained(folder))


def _trained(folder: Path, config: SFTConfig) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights before and after."""
    base = tiny.saved(folder / "base")
    before, after = _stored(base), _stored(sft(base, LESSONS, config, folder / "out"))
    assert before.keys() == after.keys()
    return before, after


@pytest.mark.parametrize("frozen", ["vision", "projector", "language"])
def test_a_frozen_part_stands_still_and_the_others_move(tmp_path, frozen: str) -> None:
    before, after = _trained(tmp_path, QUICK.replace(**{f"{frozen}_learning_rate": 0.0}))
    part_of = Parts(tiny.qwen2_vl()).of
    parts = {part_of(name) for name in _moved(before, after)}
    assert parts == {"vision", "projector", "language"} - {frozen}


def test_a_part_moves_at_its_own_rate(tmp_path) -> None:
    model = tiny.qwen2_vl()
    config = QUICK.replace(vision_learning_rate=3e-5, weight_decay=0.1)
    method = SFTMethod(tiny.encoder(model), LESSONS, config)
    trainer = GroupTrainer(PolicyModel(model), method, config.training, 1, tmp_path)
    groups = trainer.create_optimizer().param_groups
    part_of = trainer.policy.parts.of
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == (3e-5 if part_of(name) == "vision" else 1e-2), name
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert decayed and all(p.dim() > 1 for p in model.parameters() if id(p) in decayed)


def test_freezing_everything_is_refused() -> None:
    still = {f"{part}_learning_rate": 0.0 for part in ("vision", "projector", "language")}
    with pytest.raises(ValueError, match="nothing would be trained"):
        prepare(PolicyModel(tiny.qwen2_vl()), QUICK.training.replace(**still))


# Adapters ---------------------------------------------------------------------------------------------


def test_adapters_train_the_layers_of_the_language_model_alone_and_are_merged(tmp_path) -> None:
    before, after = _trained(tmp_path, QUICK.replace(lora_rank=4))
    moved = _moved(before, after)
    part_of = Parts(tiny.qwen2_vl()).of
    assert moved and {part_of(name) for name in moved} == {"language"}
    assert not any(word in name for name in moved for word in ("lm_head", "embed", "norm"))


def _fill_adapters(policy: PolicyModel) -> PolicyModel:
    prepare(policy, TrainingConfig.of(lora_rank=4))
    for name, parameter in policy.model.named_parameters():
        if ADAPTER in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return policy


def _pack(encoder: Encoder) -> Pack:
    prompts = encoder.prompts([ANSWER_ONLY.prompt(page) for page in PAGES[:2]])
    return pack_groups([Group(prompt, [Branch([400, 401, 402])]) for prompt in prompts], 10_000)[0]


@torch.no_grad()
def test_a_merged_model_says_what_it_said_with_its_adapters() -> None:
    model = tiny.qwen2_vl()
    pack = _pack(tiny.encoder(model))
    policy = _fill_adapters(PolicyModel(model))
    with_adapters = policy(pack)
    merge(model)
    torch.testing.assert_close(policy(pack), with_adapters, atol=1e-5, rtol=0)
    assert not any(ADAPTER in name for name, _ in model.named_parameters())


# Weights in 4 bits -------------------------------------------------------------------------------------


def test_only_the_layers_that_adapters_stand_beside_are_in_four_bits(tmp_path) -> None:
    policy, _ = load_policy(tiny.saved(tmp_path / "base"), load_in_4bit=True)
    prepare(policy, TrainingConfig.of(lora_rank=4, load_in_4bit=True))
    small = {name for name, weight in policy.model.named_parameters() if weight.dtype == torch.uint8}
    beside = {name.rpartition(".lora_A")[0] for name, _ in policy.model.named_parameters() if ADAPTER in name}
    assert small and {name.removesuffix(".base_layer.weight") for name in small} == beside - {""}


@torch.no_grad()
def test_a_model_in_four_bits_is_merged_into_one_that_says_the_same(tmp_path) -> None:
    policy, encoder = load_policy(tiny.saved(tmp_path / "base"), load_in_4bit=True)
    pack = _pack(encoder)
    _fill_adapters(policy)
    with_adapters, sent = policy(pack), dict(merged_weights(policy.model))
    merge(policy.model)
    torch.testing.assert_close(policy(pack), with_adapters, atol=1e-5, rtol=0)
    torch.testing.assert_close(sent, dict(policy.model.state_dict()))


def test_a_rollout_changes_nothing_in_a_model_in_four_bits(tmp_path) -> None:
    policy, encoder = load_policy(tiny.saved(tmp_path / "base"), load_in_4bit=True)
    pack = _pack(encoder)
    _fill_adapters(policy)
    before = policy(pack)
    LocalEngine(policy.model, encoder).generate([ANSWER_ONLY.prompt(PAGES[0])], Sampling(n=2, max_tokens=4))
    after = policy.train()(pack)
    torch.testing.assert_close(after, before)
    after.sum().backward()
    grown = {n for n, p in policy.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert grown == {n for n, p in policy.model.named_parameters() if p.requires_grad}


def test_a_training_in_four_bits_learns_and_leaves_an_ordinary_model(tmp_path) -> None:
    config = QUICK.replace(lora_rank=4, load_in_4bit=True, max_steps=8, learning_rate=1e-2)
    base = tiny.saved(tmp_path / "base")
    checkpoint = sft(base, LESSONS, config, tmp_path / "out")
    rows = [
        json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
    assert "quantization_config" not in json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    model = AutoModelForImageTextToText.from_pretrained(checkpoint)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    before = _stored(base)
    still = [name for name in before if Parts(model).of(name) != "language"]
    assert still and all(torch.equal(before[name], _stored(checkpoint)[name]) for name in still)


def test_the_reference_of_a_model_in_four_bits_is_in_four_bits_too(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    policy, encoder = load_policy(base, load_in_4bit=True)
    pack = _pack(encoder)
    with torch.no_grad():
        before = policy(pack)
    prepare(policy, TrainingConfig.of(lora_rank=4, load_in_4bit=True, vision_learning_rate=1e-3))
    reference = ReferenceModel(base, policy)
    torch.testing.assert_close(reference(pack), before, atol=1e-5, rtol=0)
    assert reference.copy is not None and reference.copy.model.is_loaded_in_4bit


def test_four_bits_without_adapters_or_without_their_library_are_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(ValueError, match="needs adapters"):
        SFTConfig.of(load_in_4bit=True)
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"seethink\[quant\]"):
        load_policy(tiny.saved(tmp_path / "base"), load_in_4bit=True)


def test_a_killed_training_of_adapters_continues_where_it_was(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    config = QUICK.replace(lora_rank=2, max_steps=4, save_steps=2)
    whole = _stored(sft(base, LESSONS, config, tmp_path / "a"))

    def stop(row: dict) -> None:
        if row["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sft(base, LESSONS, config, tmp_path / "b", stop)
    assert (tmp_path / "b" / "resume" / "checkpoint-2" / "trained.safetensors").exists()
    assert not _moved(whole, _stored(sft(base, LESSONS, config, tmp_path / "b")))


def test_the_reference_is_the_model_without_its_adapters_or_else_a_copy(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    model = AutoModelForImageTextToText.from_pretrained(base)
    pack = _pack(tiny.encoder(model))
    with torch.no_grad():
        before = PolicyModel(model)(pack)
    policy = _fill_adapters(PolicyModel(model))
    reference = ReferenceModel(base, policy)
    torch.testing.assert_close(reference(pack), before, atol=1e-5, rtol=0)
    assert reference.copy is None, "no second model in memory"
    with torch.no_grad():
        assert not torch.allclose(policy(pack), before, atol=1e-3)
    assert all(p.requires_grad for name, p in model.named_parameters() if ADAPTER in name)
    model.model.visual.blocks[0].attn.qkv.weight.requires_grad_(True)
    torch.testing.assert_close(reference(pack), before, atol=1e-5, rtol=0)
    assert reference.copy is not None


# One step in every family -----------------------------------------------------------------------------


def variety(example: Example, response: Response) -> Score:
    return Score(len(set(response.text)) / (1 + len(response.text)))


def _method(kind: str, policy: PolicyModel, encoder: Encoder, start: str):
    if kind == "sft":
        return SFTMethod(encoder, LESSONS, SFTConfig.of(train_batch_size=4))
    if kind == "dpo":
        pairs = [PreferencePair(page, ANSWER_ONLY, "<answer>1</answer>", "I do not know.") for page in PAGES]
        reference = ReferenceCache(start, policy, Path(start).parent / "reference")
        return DPOMethod(reference, encoder, pairs, DPOConfig.of(train_batch_size=2))
    task = Task("variety", PAGES, ANSWER_ONLY, variety)
    config = GRPOConfig.of(prompts_per_step=2, num_generations=3, max_completion_length=6)
    return GRPOMethod(start, policy, encoder, task, config)


@pytest.mark.parametrize("kind", ["sft", "dpo", "grpo"])
@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_one_step_moves_all_that_has_a_gradient_and_nothing_frozen_in_every_family(
    tmp_path, name: str, kind: str
) -> None:
    model, encoder = vlms.build(name)
    model.save_pretrained(tmp_path / "base")
    encoder.processor.save_pretrained(tmp_path / "base")
    policy = PolicyModel(model)
    method = _method(kind, policy, encoder, str(tmp_path / "base"))
    settings = TrainingConfig(learning_rate=1e-3, lr_scheduler_type="constant", projector_learning_rate=0.0)
    trainer = GroupTrainer(policy, method, settings, 1, tmp_path / "out")
    before, reached = _weights(model), set()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.register_hook(lambda g, n=parameter_name: reached.add(n) if g.any() else None)
    trainer.train()
    moved = _moved(before, _weights(model))
    assert moved == reached
    assert {Parts(model).of(n) for n in moved} == {"vision", "language"}


# A kept adapter ---------------------------------------------------------------------------------------

KEPT = QUICK.replace(lora_rank=3, lora_alpha=5)


def _logps(name: str) -> Tensor:
    policy, encoder = load_policy(name)
    with torch.no_grad():
        return policy(_pack(encoder))


def test_a_kept_adapter_is_a_folder_of_peft_that_makes_the_merged_model_of_its_base(tmp_path) -> None:
    """For SeeThink, transformers and the engine alike; and so is one trained on top of another."""
    base = tiny.saved(tmp_path / "base")
    kept = sft(base, LESSONS, KEPT.replace(keep_adapter=True), tmp_path / "kept")
    assert {"adapter_config.json", "adapter_model.safetensors", "processor_config.json"} <= {
        file.name for file in kept.iterdir()
    }
    assert not list(kept.glob("model*.safetensors")) and not (kept / "config.json").exists()
    assert "library_name: peft" in (kept / "README.md").read_text(encoding="utf-8")
    merged = sft(base, LESSONS, KEPT, tmp_path / "merged")
    again = {"lora_rank": 2, "lora_alpha": 3, "seed": 1}
    both = sft(str(kept), LESSONS, KEPT.replace(keep_adapter=True, **again), tmp_path / "both")
    wanted = {kept: merged, both: sft(str(merged), LESSONS, KEPT.replace(**again), tmp_path / "both merged")}
    one = LocalEngine.load(base)
    for adapter, whole in wanted.items():
        settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        assert settings["base_model_name_or_path"] == base
        logps = _logps(str(whole))
        torch.testing.assert_close(_logps(str(adapter)), logps, atol=1e-5, rtol=0)
        theirs = PolicyModel(AutoModelForImageTextToText.from_pretrained(adapter))
        with torch.no_grad():
            torch.testing.assert_close(theirs(_pack(tiny.encoder(theirs.model))), logps, atol=1e-5, rtol=0)
        one.use_adapter(str(adapter))
        with torch.no_grad():
            torch.testing.assert_close(PolicyModel(one.model)(_pack(one.encoder)), logps, atol=1e-5, rtol=0)
        one.use_adapter("")
    assert not torch.allclose(_logps(str(kept)), _logps(str(both)), atol=1e-3)


def test_the_reference_of_an_adapter_on_an_adapter_is_the_model_that_training_began_with(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    kept = sft(base, LESSONS, KEPT.replace(keep_adapter=True), tmp_path / "kept")
    policy = _fill_adapters(load_policy(str(kept))[0])
    said = ReferenceModel(str(kept), policy)(_pack(tiny.encoder(policy.model)))
    torch.testing.assert_close(said, _logps(str(kept)), atol=1e-5, rtol=0)


def test_what_cannot_be_kept_or_taken_up_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="keep_adapter needs one, such as lora_rank=16"):
        SFTConfig.of(keep_adapter=True)
    with pytest.raises(ValueError, match="does not hold the vision tower and projector"):
        SFTConfig.of(keep_adapter=True, lora_rank=2, projector_learning_rate=1e-3)
    base = tiny.saved(tmp_path / "base")
    kept = sft(base, LESSONS, KEPT.replace(keep_adapter=True), tmp_path / "kept")
    with pytest.raises(InputError, match="is an adapter, which 4-bit weights cannot take up"):
        load_policy(str(kept), load_in_4bit=True)
    with pytest.raises(InputError, match=f"is an adapter of {base}, and vLLM takes whole models"):
        refuse_adapter(str(kept), "vLLM")
    other = tiny.saved(tmp_path / "other", tiny.qwen2_vl(hidden_size=32))
    settings = json.loads((kept / "adapter_config.json").read_text(encoding="utf-8"))

    def changed(**values: object) -> None:
        (kept / "adapter_config.json").write_text(json.dumps(settings | values), encoding="utf-8")

    for values, why in (
        ({"use_dora": True}, r"more than a plain LoRA \(use_dora\)"),
        ({"bias": "all"}, r"more than a plain LoRA \(bias\)"),
        ({"base_model_name_or_path": None}, "names no base_model_name_or_path"),
        ({"base_model_name_or_path": other}, "is no adapter of the linear layers"),
    ):
        changed(**values)
        with pytest.raises(InputError, match=why):
            load_policy(str(kept))


def test_the_identity_of_an_adapter_holds_that_of_its_base(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    kept = str(sft(base, LESSONS, KEPT.replace(keep_adapter=True), tmp_path / "kept"))
    before = model_key(kept)
    assert model_key(kept) == before and model_key(base) in before
    tiny.saved(tmp_path / "base", tiny.qwen2_vl(seed=1))
    assert model_key(kept) != before


@pytest.mark.parametrize(
    ("capabilities", "seconds", "faster"),
    [
        ({"avx512_bf16": False, "amx_bf16": False}, {}, False),
        ({"avx2": True}, {}, False),
        ({"avx512_bf16": True, "amx_bf16": False}, {torch.bfloat16: 2.0, torch.float32: 1.0}, False),
        ({"avx512_bf16": True, "amx_bf16": False}, {torch.bfloat16: 0.5, torch.float32: 1.0}, True),
        ({"avx512_bf16": True, "amx_bf16": True}, {torch.bfloat16: 0.2, torch.float32: 1.0}, True),
    ],
)
def test_a_processor_is_timed_for_bfloat16_if_it_has_instructions(
    capabilities, seconds, faster, monkeypatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr("seethink.train.adapters._product_s", seconds.__getitem__)
    assert has_bfloat16(torch.device("cpu")) == faster


def test_a_product_takes_time_on_this_processor() -> None:
    assert adapters._product_s(torch.float32) > 0
