"""The memory that a plan tells is what the training then takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2VLForConditionalGeneration

from seethink.formats import ANSWER_ONLY
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train import memory
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig, TrainingConfig
from seethink.types import Example, Response, Sampling, Score, Task
from tests import tiny

ROOT = Path(__file__).parents[2]
LARGER = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 5}
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [8, 12, 12]}
PAGES = Pages(12, "train", seed=3)
RUNS = {
    "grpo": GRPOConfig.of(max_steps=1, prompts_per_step=12, num_generations=8, max_completion_length=64),
    "grpo in packs, with a reference": GRPOConfig.of(
        max_steps=1, prompts_per_step=6, max_completion_length=64, max_tokens_per_batch=2_000, beta=0.1
    ),
    "grpo with checkpointing": GRPOConfig.of(
        max_steps=1, max_completion_length=64, gradient_checkpointing=True
    ),
}


def larger() -> Qwen2VLForConditionalGeneration:
    """Large enough that what it keeps is more than the libraries."""
    return tiny.qwen2_vl(**LARGER, rope_parameters=ROPE)


def variety(example: Example, response: Response) -> Score:
    return Score(round(len(set(response.text)) / (1 + len(response.text)), 2))


def plan_and_measure(name: str, base: str, out: str) -> None:
    """What a process of its own does: plan, train, and tell what it planned (peak and update) and the highest
    size that it had."""
    from seethink.train.grpo import grpo

    shape = memory.prompt_shape(base, ANSWER_ONLY.prompt(PAGES[0]), [], RUNS[name])
    needed = memory.estimate(base, shape, RUNS[name], len(PAGES))
    grpo(base, Task("variety", PAGES, ANSWER_ONLY, variety), RUNS[name], Path(out))
    # not ru_maxrss, which begins with the size of the parent process
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (highest,) = (1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    sys.stdout.write(f"\n{json.dumps([needed.peak, needed.update, highest])}")


def _told(call: str) -> Any:
    """What the function above tells in a process of its own, whose memory is given back when it is free."""
    here = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "1048576"} if "checkpointing" in call else None
    code = f"from tests.train.test_memory import *; {call}"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=here, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", RUNS)
def test_the_plan_is_within_a_quarter_of_the_highest_size_that_a_training_had(tmp_path, name: str) -> None:
    base = tiny.saved(tmp_path / "base", larger())
    peak, update, measured = _told(f"plan_and_measure({name!r}, {base!r}, {str(tmp_path / 'out')!r})")
    assert peak == pytest.approx(measured, rel=0.25)
    assert update > 0.15 * measured, "what is kept for the backward pass is a large part of it"


def test_what_is_counted_for_the_backward_pass_is_what_autograd_keeps() -> None:
    model = larger()
    policy, encoder = PolicyModel(model), tiny.encoder(model)
    prompts = encoder.prompts([ANSWER_ONLY.prompt(page) for page in PAGES[:4]])
    groups = [Group(prompt, [Branch(list(range(300, 364)))] * 8) for prompt in prompts]
    weights = {weight.untyped_storage().data_ptr() for weight in policy.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    (pack,) = pack_groups(groups, 100_000)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logps = policy(pack)
    assert len(logps) == 4 * 8 * 64
    bytes_kept = sum(size for place, size in kept.items() if place not in weights)
    counted = sum(
        memory.activations(policy, memory.PromptShape(p, (64,) * 8), TrainingConfig()) for p in prompts
    )
    assert counted == pytest.approx(bytes_kept, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "less"),
    [
        ({"vision_learning_rate": 0.0, "projector_learning_rate": 0.0}, "update"),
        ({"gradient_checkpointing": True}, "update"),
        ({"max_tokens_per_batch": 1_000}, "update"),
        ({"lora_rank": 4}, "states"),
        ({"max_completion_length": 8}, "rollout"),
    ],
)
def test_what_spares_memory_is_planned_with_less(tmp_path, settings: dict[str, Any], less: str) -> None:
    base, plain = tiny.saved(tmp_path / "base", larger()), GRPOConfig.of(max_completion_length=64)
    needed = []
    for config in (plain, plain.replace(**settings)):
        shape = memory.prompt_shape(base, ANSWER_ONLY.prompt(PAGES[0]), [], config)
        needed.append(memory.estimate(base, shape, config, 100))
    assert getattr(needed[1], less) < getattr(needed[0], less)


def test_a_reference_counts_where_it_is_a_model_of_its_own_and_four_bits_are_few(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base", larger())
    shape = memory.prompt_shape(base, ANSWER_ONLY.prompt(PAGES[0]), ["<answer>1</answer>"] * 2, DPOConfig())
    n = sum(weight.numel() for weight in larger().parameters())

    def states(config: Any) -> int:
        return memory.estimate(base, shape, config, 10).states

    assert states(SFTConfig()) == 12 * n and states(GRPOConfig.of(beta=0.1)) == 16 * n
    assert states(DPOConfig()) == 12 * n, "what its reference says was computed before the first step"
    adapters = states(GRPOConfig.of(beta=0.1, lora_rank=4))
    assert 4 * n < adapters < 5 * n
    assert states(GRPOConfig.of(beta=0.1, lora_rank=4, load_in_4bit=True)) < 0.6 * adapters


def test_an_evaluation_needs_no_gradients(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base", larger())
    sampling = Sampling(max_tokens=64)
    shape = memory.prompt_shape(base, ANSWER_ONLY.prompt(PAGES[0]), [], sampling)
    needed = memory.estimate(base, shape, sampling, 10)
    assert needed.update == 0 and needed.rollout > 0
    assert needed.states == 4 * sum(weight.numel() for weight in larger().parameters())
