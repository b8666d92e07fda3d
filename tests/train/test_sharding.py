"""Weights sharded among two processes: what is learned is what one process learns."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy

from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.train import sharding
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.types import GREEDY, InputError
from tests import tiny
from tests.train.test_ranks import (
    CONFIGS,
    MIXED,
    STEADY,
    assert_equal,
    kill_and_continue,
    launch,
    train,
)

FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",  # what accelerate's questions propose
}
ZERO = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}
LAUNCHES = {"fsdp": FSDP, "zero2": ZERO, "zero3": {**ZERO, "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}}
TRAININGS = {
    "sft": CONFIGS["sft"],
    "dpo": CONFIGS["dpo"],
    # DeepSpeed moves weights by their momentum also where a step reaches none: all these steps see a picture
    "grpo": CONFIGS["grpo"].replace(max_steps=4),
    "dapo beside traces": CONFIGS["dapo beside traces"],
    "a lesson at a time, parts by their own rates": SFTConfig.of(
        train_batch_size=1,
        max_steps=3,
        vision_learning_rate=0,
        projector_learning_rate=2e-3,
        gradient_checkpointing=True,
        **STEADY,
    ),
    "adapters": GRPOConfig.of(
        prompts_per_step=3,
        num_generations=4,
        max_steps=2,
        max_completion_length=8,
        num_iterations=2,
        beta=0.1,
        lora_rank=4,
        **{**STEADY, "max_tokens_per_batch": 1},
    ),
}

SUMMED_OTHERWISE = 0.03
"""Gradients are summed in another order, and AdamW makes much of the smallest."""


def _skip_without_deepspeed(name: str) -> None:
    if name.startswith("zero") and not importlib.util.find_spec("deepspeed"):
        pytest.skip("DeepSpeed is not installed")


def _code(names: list[str], base: str, out: Path) -> str:
    """What each process runs. DeepSpeed's own sum for CPUs would be compiled first; gloo has one."""
    return f"""
import importlib.util
if importlib.util.find_spec("deepspeed"):
    import deepspeed
    deepspeed.ops.__compatible_ops__.clear()
from accelerate.state import AcceleratorState, DistributedType
from seethink.models import policy
from tests.train.test_sharding import *
policy.ROWS_PER_CHUNK = 8  # the head is called several times, not equally often in both
for name in {names!r}:
    train(TRAININGS[name], {base!r}, Path({str(out)!r}) / name)
assert AcceleratorState().distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
"""


POISONED = """
import os
from seethink.train import objectives
from seethink.types import NotFinite
nll = objectives.nll
objectives.nll = lambda logps: nll(logps) + (logps - logps.detach()).sqrt().nan_to_num(0.0)
try:
    train(TRAININGS["sft"], {base!r}, Path({out!r}) / "poisoned")
except NotFinite as error:
    (Path({out!r}) / f"stopped-{{os.environ['RANK']}}.txt").write_text(str(error), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model that trainings begin with, and each training by one process."""
    folder = tmp_path_factory.mktemp("ordinary")
    base = tiny.saved(folder / "base")
    for name, config in TRAININGS.items():
        train(config, base, folder / name)
    return folder


@pytest.fixture(scope="module", params=LAUNCHES)
def sharded(request: pytest.FixtureRequest, ordinary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trainings, one after another, by two processes that divide the weights; under FSDP also one
    whose gradient is not finite."""
    _skip_without_deepspeed(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    base = str(ordinary / "base")
    code = _code(list(TRAININGS), base, folder)
    if request.param == "fsdp":
        code += POISONED.format(base=base, out=str(folder))
    job = launch(code, folder / "all.py", **LAUNCHES[request.param])
    _, message = job.communicate(timeout=280)
    assert job.returncode == 0, message[-3000:]
    return folder


def test_sharded_weights_end_as_those_of_one_process(sharded: Path, ordinary: Path) -> None:
    for name in TRAININGS:
        assert_equal(sharded / name, ordinary / name, str(ordinary / "base"), SUMMED_OTHERWISE)


def test_a_frozen_tower_stays_as_it_was(sharded: Path, ordinary: Path) -> None:
    weights = load_file(sharded / "a lesson at a time, parts by their own rates/checkpoint/model.safetensors")
    start = load_file(ordinary / "base/model.safetensors")
    frozen = [name for name in start if "visual" in name and "merger" not in name]
    assert frozen and all(torch.equal(weights[name], start[name]) for name in frozen)
    assert not torch.equal(weights["visual.merger.mlp.0.weight"], start["visual.merger.mlp.0.weight"])


def test_the_finished_checkpoint_is_an_ordinary_one(sharded: Path) -> None:
    engine = LocalEngine.load(str(sharded / "adapters/checkpoint"))
    assert {p.dtype for p in engine.model.parameters()} == {torch.float32}
    [[said]] = engine.generate([ANSWER_ONLY.prompt(MIXED[0])], replace(GREEDY, max_tokens=3))
    assert said.n_tokens


@pytest.mark.parametrize("launcher", ["fsdp", "zero3"])
def test_a_killed_process_ends_the_job_and_the_next_launch_continues(
    tmp_path: Path, ordinary: Path, launcher: str
) -> None:
    _skip_without_deepspeed(launcher)
    code = _code(["grpo"], str(ordinary / "base"), tmp_path)
    kill_and_continue(code, tmp_path / "grpo", **LAUNCHES[launcher])
    assert_equal(tmp_path / "grpo", ordinary / "grpo", str(ordinary / "base"), SUMMED_OTHERWISE)


@pytest.mark.parametrize("sharded", ["fsdp"], indirect=True)
def test_a_gradient_that_is_not_finite_stops_all_processes(sharded: Path) -> None:
    for rank in range(2):
        message = (sharded / f"stopped-{rank}.txt").read_text(encoding="utf-8")
        assert "step 1: the gradient is not finite" in message
    out = sharded / "poisoned"
    assert not (out / "checkpoint").exists() and not list((out / "resume").iterdir())


def _accelerator(fsdp: object = None, zero: dict | None = None, precision: str = "no") -> SimpleNamespace:
    plugin = SimpleNamespace(deepspeed_config={"zero_optimization": {}, **zero}) if zero is not None else None
    state = SimpleNamespace(fsdp_plugin=fsdp, deepspeed_plugin=plugin, distributed_type=None)
    return SimpleNamespace(state=state, mixed_precision=precision)


def _plugin(version: int, offload: OffloadPolicy) -> SimpleNamespace:
    return SimpleNamespace(fsdp_version=version, cpu_offload=offload, mixed_precision_policy=None)


@pytest.mark.parametrize(
    ("accelerator", "message"),
    [
        (_accelerator(_plugin(1, OffloadPolicy())), "say fsdp_version: 2"),
        (_accelerator(_plugin(2, CPUOffloadPolicy())), "offloading"),
        (_accelerator(zero={"zero_optimization": {"offload_optimizer": {"device": "cpu"}}}), "offloading"),
        (_accelerator(zero={"zero_optimization": {"offload_param": {"device": "nvme"}}}), "offloading"),
        (_accelerator(zero={"optimizer": {"type": "Adam"}}), "DeepSpeed's own"),
        (_accelerator(_plugin(2, OffloadPolicy()), precision="fp16"), "say bf16"),
    ],
)
def test_what_is_not_supported_is_refused(accelerator: SimpleNamespace, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sharding.configure(accelerator)


def test_what_is_supported_is_not_refused() -> None:
    assert sharding.configure(_accelerator(_plugin(2, OffloadPolicy()), precision="bf16"))
    assert sharding.configure(_accelerator(zero={"zero_optimization": {"offload_param": {"device": "none"}}}))
    assert not sharding.configure(_accelerator())
