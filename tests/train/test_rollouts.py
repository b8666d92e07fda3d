"""Answers from an engine beside the trainer: it has the weights of the step, its log-probabilities count."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor

from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.models.loading import load_policy
from seethink.models.lora import ADAPTER, merge, merged_weights
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.settings import override, parse
from seethink.train import importance, rollouts
from seethink.train.adapters import prepare
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import GRPOMethod, grpo
from seethink.train.grpo_metrics import RolloutStatistics, step_metrics
from seethink.train.rollouts import Rollouts
from seethink.types import Example, InputError, Response, Sampling, Score
from tests import tiny
from tests.models.test_positions import _example as long_clip
from tests.train.test_grpo import PAGES, SHORT, _formed, _gradient, _jsonl, _method, _task, letter

SPREAD = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.25]]


class Beside:
    """An engine with a copy of the model, in the place of vLLM; it draws from slightly flatter distributions
    than it was asked for."""

    asleep = False
    shared = False
    retries = 0
    incomplete_masks = 0
    opened: list[Beside] = []  # noqa: RUF012

    def __init__(self, name: str, encoder: Any, dtype: str, memory: float) -> None:
        self.arguments = (name, dtype, memory)
        self.model = tiny.qwen2_vl()
        self.policy, self.encoder = PolicyModel(self.model), encoder
        self.taken: list[int] = []
        self.log: list[str] = []
        Beside.opened.append(self)

    def complete(self, prompts, sampling):
        self.log.append("complete")
        flatter = replace(sampling, temperature=sampling.temperature * 1.05)
        answers = LocalEngine(self.model, self.encoder).complete(prompts, flatter)
        return [self._with_logps(*both, flatter.temperature) for both in zip(prompts, answers, strict=True)]

    @torch.no_grad()
    def _with_logps(self, prompt, completions, temperature):
        logps: list[Tensor] = []
        for completion in completions:
            branch = Branch(completion.token_ids, sampling_mask=completion.sampling_mask)
            pack = pack_groups([Group(prompt, [branch])], 1)[0]
            logps.append(self.policy(pack, temperature))
        return [replace(c, logps=tuple(row.tolist())) for c, row in zip(completions, logps, strict=True)]

    def sync_weights(self, weights, folder) -> None:
        self.log.append("sync_weights")
        self.model.load_state_dict(dict(weights))

    def sleep(self) -> bool:
        self.log.append("sleep")
        return self.asleep

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def beside(monkeypatch) -> list[Beside]:
    monkeypatch.setattr(rollouts, "VllmEngine", Beside)
    monkeypatch.setattr(rollouts, "require_vllm", lambda: None)
    Beside.opened = []
    return Beside.opened


def _run(out: Path, verifier: Any = letter, **settings: Any) -> list[dict]:
    base = tiny.saved(out.with_name(f"{out.name}-base"))
    grpo(base, _task(verifier), SHORT.replace(rollout_backend="vllm", **settings), out)
    return _jsonl(out / "metrics.jsonl")


# Whose weights ------------------------------------------------------------------------------------------


def test_weights_are_sent_before_a_rollout_when_they_have_changed(tmp_path, beside) -> None:
    _run(tmp_path / "out", max_steps=6, num_iterations=2, save_steps=2, vllm_gpu_memory_utilization=0.25)
    (engine,) = beside
    assert engine.arguments == (str(tmp_path / "out-base"), "float32", 0.25)
    batch = ["complete", "sleep"]
    assert engine.log == [*batch, "sync_weights", *batch, "sync_weights", *batch, "close"], (
        "the first ones it has loaded itself"
    )


def test_the_first_rollout_of_a_model_in_four_bits_is_by_its_rounded_weights(tmp_path, beside) -> None:
    """The engine loads the folder, which holds the weights before they were rounded."""
    base = tiny.saved(tmp_path / "base")
    policy, encoder = load_policy(base, load_in_4bit=True)
    config = SHORT.replace(lora_rank=2, load_in_4bit=True, rollout_backend="vllm")
    prepare(policy, config.training)
    own = Rollouts(base, policy.model, encoder, config)
    own.sync_weights(0)
    (engine,) = beside
    used, loaded = engine.model.state_dict(), tiny.qwen2_vl().state_dict()
    assert all(torch.equal(used[name], value) for name, value in merged_weights(policy.model))
    assert any(not torch.equal(used[name], value) for name, value in loaded.items())
    own.complete(encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])]), Sampling(max_tokens=2))
    own.sync_weights(0)
    assert engine.log == ["sync_weights", "complete"], "once"


def test_questions_asked_in_place_of_others_are_answered_by_the_same_weights(tmp_path, beside) -> None:
    def hopeless(example: Example, response: Response) -> Score:
        """All answers about one of the pages are worth the same."""
        return Score(0.0) if example.id == PAGES[0].id else letter(example, response)

    rows = _run(tmp_path / "out", hopeless, max_steps=2, dynamic_sampling_retries=2, prompts_per_step=2)
    assert any(row["resampled_prompts"] for row in rows)
    assert [word for word in beside[0].log if word != "complete"] == [
        "sleep",
        "sync_weights",
        "sleep",
        "close",
    ]
    assert beside[0].log.count("complete") > 2


def test_a_resumed_training_sends_its_weights_first(tmp_path, beside) -> None:
    def stop(row: dict) -> None:
        if row["step"] == 3:
            raise KeyboardInterrupt

    base = tiny.saved(tmp_path / "base")
    config = SHORT.replace(max_steps=4, save_steps=2, rollout_backend="vllm")
    with pytest.raises(KeyboardInterrupt):
        grpo(base, _task(), config, tmp_path / "cut", on_step=stop)
    grpo(base, _task(), config, tmp_path / "cut")
    grpo(base, _task(), config, tmp_path / "whole")
    batch = ["complete", "sleep"]
    assert [engine.log for engine in beside] == [
        [*batch, "sync_weights", *batch, "sync_weights", *batch, "close"],
        ["sync_weights", *batch, "sync_weights", *batch, "close"],
        [*batch, *(["sync_weights", *batch] * 3), "close"],
    ]
    cut, whole = (_jsonl(tmp_path / name / "attempts.jsonl") for name in ("cut", "whole"))
    assert cut == whole


def test_an_engine_that_forgets_in_its_sleep_is_sent_the_weights_again(beside) -> None:
    method = _method(tiny.qwen2_vl(), rollout_backend="vllm")
    for _ in range(2):
        method.rollouts.sync_weights(0)
        beside[0].asleep = True
        method.rollouts.sleep()
    assert beside[0].log == ["sleep", "sync_weights", "sleep"]


def test_adapters_are_sent_merged_and_the_model_keeps_them() -> None:
    model = tiny.qwen2_vl()
    model.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"]))
    for name, parameter in model.named_parameters():
        if ADAPTER in name:
            torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(len(name)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sent = {name: value.clone() for name, value in merged_weights(model)}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    merge(model)
    merged = model.state_dict()
    assert sent.keys() == merged.keys()
    for name, value in merged.items():
        torch.testing.assert_close(sent[name], value, atol=1e-6, rtol=0)
    plain = tiny.qwen2_vl().state_dict()
    assert {name for name in plain if not torch.equal(plain[name], sent[name])} == {
        f"model.language_model.layers.{i}.{part}.weight"
        for i in range(2)
        for part in ("self_attn.q_proj", "mlp.down_proj")
    }


# The difference between engine and model ----------------------------------------------------------------


def test_a_difference_is_measured_and_that_of_a_local_rollout_is_rounding(tmp_path, beside) -> None:
    rows = _run(tmp_path / "out", max_steps=4, num_iterations=2, save_steps=2)
    gaps = [row["sampling/sampling_logp_difference/mean"] for row in rows]
    assert 0.01 < gaps[0] == pytest.approx(gaps[1], abs=1e-6), "old log-probabilities stay the first update's"
    assert gaps[2] > 0.01
    assert [row["request_retries"] for row in rows] == [0] * 4
    base = tiny.saved(tmp_path / "base")
    grpo(base, _task(), SHORT, tmp_path / "local")
    for row in _jsonl(tmp_path / "local" / "metrics.jsonl"):
        # media tokens, which are never sampled, have some probability in a random model
        assert 0 < row["sampling/sampling_logp_difference/mean"] < 0.01


def _drawn_differently(model, by: float) -> list[Group]:
    """Groups whose tokens were drawn with probabilities exp(-by) times those of `model`."""
    groups, _ = _formed(SPREAD)
    policy = PolicyModel(model)
    for group in groups:
        for branch in group.branches:
            with torch.no_grad():
                own = policy(pack_groups([Group(group.prompt, [Branch(branch.ids)])], 1)[0])
            branch.sampled = (own - by).tolist()
    return groups


@pytest.mark.parametrize(("cap", "factor"), [(2.0, 1.5), (1.2, 1.2), (0.0, 1.0)], ids=["free", "held", "off"])
def test_the_gradient_is_scaled_by_the_ratio_up_to_the_cap(beside, cap: float, factor: float) -> None:
    model = tiny.qwen2_vl()
    groups, _ = _formed(SPREAD)
    plain = _gradient(_method(model), groups)
    by = float(torch.tensor(1.5).log())
    method = _method(model, rollout_backend="vllm", importance_sampling_cap=cap)
    scaled = _gradient(method, _drawn_differently(model, by))
    largest = max(float(value.abs().max()) for value in plain.values())
    for name, value in plain.items():
        torch.testing.assert_close(scaled[name], factor * value, atol=1e-5 * largest, rtol=1e-4)
    gaps = torch.cat(method.update.sampler_difference)
    torch.testing.assert_close(gaps, torch.full_like(gaps, by), atol=1e-5, rtol=0)


def test_what_the_trained_model_itself_sampled_is_not_corrected() -> None:
    """Its ratio is 1 by construction; recorded log-probabilities change no number of the training."""
    model = tiny.qwen2_vl()
    groups, _ = _formed(SPREAD)
    plain = _gradient(_method(model), groups)
    recorded = _gradient(_method(model), _drawn_differently(model, 0.3))
    assert all(torch.equal(recorded[name], value) for name, value in plain.items())


def test_the_ratio_has_no_gradient_and_is_one_where_both_agree() -> None:
    old = torch.tensor([-1.0, -2.0, -3.0])
    ratios = importance.importance_ratios(old, torch.tensor([-1.0, -3.0, -2.0]))
    found = importance.importance_weights(ratios, 2.0)
    torch.testing.assert_close(found, torch.tensor([1.0, 2.0, float(torch.tensor(-1.0).exp())]))


HALF, THIRD = math.log(1 / 2), math.log(1 / 3)


@pytest.mark.parametrize(
    ("mode", "weights"),
    [  # two completions of two tokens: token ratios 3, 1/2 and 1, 4, sequence ratios 3/2 and 4
        ("token_truncate", [2, 0.5, 1, 2]),
        ("token_mask", [0, 0.5, 1, 0]),
        ("sequence_truncate", [1.5, 1.5, 2, 2]),
        ("sequence_mask", [1.5, 1.5, 0, 0]),
    ],
)
def test_each_mode_of_correction_has_the_weights_told_by_hand(
    beside, mode: str, weights: list[float]
) -> None:
    old = torch.tensor([-1.0, -1.0, -1.0, -1.0])
    engine = [[-1 + THIRD, -1 - HALF], [-1.0, -1 + 2 * HALF]]
    branches = [Branch([5, 6], sampled=row) for row in engine]
    branches.append(Branch([7], copied=True))
    method = _method(
        tiny.qwen2_vl(), rollout_backend="vllm", importance_sampling_cap=2.0, importance_sampling_mode=mode
    )
    pack = SimpleNamespace(branches=branches, owner=torch.tensor([0, 0, 1, 1, 2]))
    found = method._importance_weights(torch.cat([old, torch.tensor([-3.0])]), pack)
    torch.testing.assert_close(found, torch.tensor([*weights, 1.0]))
    told = step_metrics(RolloutStatistics(_task()), method.update)
    ratios = [3, 0.5, 1, 4]
    assert told["sampling/importance_sampling_ratio/mean"] == pytest.approx(sum(ratios) / 4)
    assert told["sampling/kl"] == pytest.approx(sum(r - math.log(r) - 1 for r in ratios) / 4)
    gaps = [abs(math.log(r)) for r in ratios]
    assert told["sampling/sampling_logp_difference/mean"] == pytest.approx(sum(gaps) / 4)
    changed = {"token": [3, 4], "sequence": [4, 4]}[mode.partition("_")[0]]
    assert told["sampling/clipped_ratio"] == len(changed) / 4


# What a user may say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("rollout_backend=vlm", "'local', 'vllm' or http"),
        ("rollout_backend=localhost:8000", "'local', 'vllm' or http"),
        ("vllm_gpu_memory_utilization=1.5", "must be above 0 and below 1"),
        ("importance_sampling_cap=-1", "must be at least 0"),
    ],
)
def test_an_impossible_rollout_is_refused(setting: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        override(GRPOConfig(), dict([parse(setting)]), "grpo")


def test_without_vllm_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = tiny.qwen2_vl()
    with pytest.raises(InputError, match=r"pip install 'seethink\[vllm\]'"):
        Rollouts("sprout", model, tiny.encoder(model), GRPOConfig.of(rollout_backend="vllm"))


def test_temperatures_that_vllm_refuses_are_refused_before_the_training() -> None:
    assert GRPOConfig.of(temperature=3.0).rollout.temperature == 3.0
    with pytest.raises(ValueError, match="up to 2"):
        GRPOConfig.of(temperature=3.0, rollout_backend="vllm")


def test_prompts_carry_what_an_engine_with_its_own_processor_needs() -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    prompts = encoder.prompts([ANSWER_ONLY.prompt(page) for page in (PAGES[0], PAGES[1], PAGES[0])])
    for prompt in prompts:
        unexpanded = encoder.unexpanded_ids(prompt)
        assert unexpanded.count(encoder.image_token_id) == len(prompt.loaded) == 1
        expanded = [i for i in prompt.ids if i != encoder.image_token_id]
        assert expanded == [i for i in unexpanded if i != encoder.image_token_id]
    assert prompts[0].loaded[0] is prompts[2].loaded[0]
    assert (encoder.decoded, encoder.processed) == (2, 2), "nothing is decoded again for it"


def test_by_default_the_trained_model_itself_completes() -> None:
    method: GRPOMethod = _method(tiny.qwen2_vl())
    assert isinstance(method.rollouts.backend, LocalEngine)
    assert method.rollouts.backend.model is method.policy.model


@pytest.mark.parametrize("n_frames", [4, 128])
def test_a_clip_that_vllm_would_place_otherwise_is_refused(beside, n_frames: int) -> None:
    method = _method(tiny.qwen2_vl(), rollout_backend="vllm")
    method.rollouts.sync_weights(0)
    (prompt,) = method.encoder.prompts([ANSWER_ONLY.prompt(long_clip(n_frames, 30))])
    if n_frames == 4:
        assert method.rollouts.complete([prompt], Sampling(max_tokens=2))
        return
    with pytest.raises(InputError, match="set rollout_backend=local"):
        method.rollouts.complete([prompt], Sampling(max_tokens=2))
    local = _method(tiny.qwen2_vl())
    assert local.rollouts.complete([prompt], Sampling(max_tokens=2))
