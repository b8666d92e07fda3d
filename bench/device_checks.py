"""The checks of `bench/gpu_check.py`, whose docstring says what each of them must find."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoProcessor, Qwen2VLConfig, Qwen2VLForConditionalGeneration

from bench.shape import IMAGE, VOCABULARY, Shape, data
from bench.update import ours, repeated
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.models import checkpointing
from seethink.models.attention import segments
from seethink.models.encoder import Encoder
from seethink.models.names import SPROUT
from seethink.models.packing import Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.tasks import GoldTraces, load_pairs, load_task
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig, TrainingConfig
from seethink.train.dpo import dpo
from seethink.train.grpo import grpo
from seethink.train.memory_plan import MemoryPlan, keeping
from seethink.train.sft import sft
from seethink.types import Example, Response, Sampling, Score, Task

FACTOR, ROUNDING = 2.0, 1e-3
"""Distances under bf16: at most FACTOR times that of full rows, and ROUNDING."""


@dataclass(frozen=True)
class Scale:
    """How large everything is. hidden, layers, vision_layers: of the model. rows: of the data. steps: of each
    training. prompt, response, group: tokens and answers where rows are compared. completion: tokens sampled
    by GRPO and by the rollout check."""

    hidden: int
    layers: int
    vision_layers: int
    rows: int
    steps: int
    prompt: int
    response: int
    group: int
    completion: int


LARGE = Scale(1024, 24, 12, rows=32, steps=10, prompt=350, response=64, group=4, completion=128)
TINY = Scale(64, 2, 2, rows=4, steps=4, prompt=22, response=5, group=3, completion=8)


@dataclass(frozen=True)
class Job:
    """What a check gets. folder: shared by all checks of one program, with the model and the data."""

    scale: Scale
    folder: Path
    device: str

    @property
    def quick(self) -> bool:
        return self.scale == TINY


class Failed(Exception):
    """A check found something wrong."""


def require(holds: bool, what: str) -> None:
    """Raise Failed, saying what does not hold."""
    if not holds:
        raise Failed(what)


# Model and data -------------------------------------------------------------------------------------------


def build(scale: Scale) -> Any:
    """A Qwen2-VL in fp32 for sprout's processor, always with the same random weights. They have unit gain, so
    that a wrong mask or position changes the numbers."""
    torch.manual_seed(0)
    heads = max(4, scale.hidden // 64)
    sections = [scale.hidden // heads // 8, *[3 * (scale.hidden // heads) // 16] * 2]
    text: dict[str, Any] = dict(
        vocab_size=VOCABULARY, hidden_size=scale.hidden, num_hidden_layers=scale.layers,
        num_attention_heads=heads, num_key_value_heads=2, intermediate_size=4 * scale.hidden,
        rope_parameters=dict(rope_type="default", mrope_section=sections, rope_theta=10_000.0),
        bos_token_id=None, eos_token_id=2,
    )  # fmt: skip
    vision = dict(
        depth=scale.vision_layers, embed_dim=scale.hidden, hidden_size=scale.hidden, num_heads=heads,
        mlp_ratio=4, patch_size=14,
    )  # fmt: skip
    marks: dict[str, Any] = dict(
        image_token_id=IMAGE, video_token_id=6, vision_start_token_id=3, vision_end_token_id=4
    )
    model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(text_config=text, vision_config=vision, **marks))
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    model.set_attn_implementation({"": "sdpa", "vision_config": segments.NAME})
    return model


def base(job: Job) -> str:
    """The folder of the model that trainings begin with, written by the first check that needs it."""
    folder, part = job.folder / "base", job.folder / "base.part"
    if not folder.exists():
        build(job.scale).save_pretrained(part)
        AutoProcessor.from_pretrained(str(SPROUT)).save_pretrained(part)
        os.replace(part, folder)
    return str(folder)


def write_rows(job: Job) -> tuple[Path, Path]:
    """(file of questions, file of pairs) about drawn pages of digits, as a user would write them."""
    questions, pairs = job.folder / "questions.jsonl", job.folder / "pairs.jsonl"
    rows: list[dict[str, Any]] = []
    twos: list[dict[str, Any]] = []
    for i, page in enumerate(Pages(job.scale.rows, "train", seed=0)):
        name = f"{i}.png"
        page.media[0].load().save(job.folder / name)
        steps = list(page.steps)
        rows.append({"image": name, "question": page.question, "answer": page.answer, "steps": steps})
        chosen, rejected = (ANSWER_ONLY.write("", text) for text in (str(page.answer), "none of them"))
        twos.append({"image": name, "prompt": page.question, "chosen": chosen, "rejected": rejected})
    for path, some in ((questions, rows), (pairs, twos)):
        path.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")
    return questions, pairs


# Checks ---------------------------------------------------------------------------------------------------


def r1v(job: Job) -> dict[str, Any]:
    """The recipe at its smallest scale, by its command."""
    out = job.folder / "r1v"
    command = [sys.executable, "-m", "seethink", "run", "r1v", "--scale", "smoke", "--out", str(out)]
    _finished(command, job)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    require(set(report["results"]) == {"base", "sft", "grpo"}, f"the report has {list(report['results'])}")
    return {
        "tasks": {
            arm: {task: row["value"] for task, row in rows.items()} for arm, rows in report["results"].items()
        }
    }


def variety(example: Example, response: Response) -> Score:
    """The number of distinct characters over 100: a reward that varies among random answers."""
    return Score(min(1.0, len(set(response.text)) / 100))


def training(job: Job, method: str, lora_rank: int) -> dict[str, Any]:
    """One training on own data under bf16 autocast; see the module's docstring for what must hold."""
    out, (questions, pairs), scale = job.folder / f"{method}-{lora_rank}", write_rows(job), job.scale
    rows: list[dict[str, Any]] = []
    rate = 1e-3 if lora_rank or job.quick else 1e-4
    settings: dict[str, Any] = dict(
        learning_rate=rate, lora_rank=lora_rank, bf16=True, max_steps=scale.steps, save_steps=10_000,
        lr_scheduler_type="constant", warmup_ratio=0.0,
    )  # fmt: skip
    if method == "sft":
        config = SFTConfig.of(train_batch_size=scale.rows, **settings)
        sft(base(job), GoldTraces(load_task(questions)), config, out, rows.append)
    elif method == "dpo":
        pair_config = DPOConfig.of(train_batch_size=scale.rows, **settings)
        dpo(base(job), load_pairs(pairs, "answer_only"), pair_config, out, rows.append)
    else:
        reward_config = GRPOConfig.of(
            prompts_per_step=scale.rows // 2, num_generations=scale.group,
            max_completion_length=scale.completion, **settings,
        )  # fmt: skip
        read = load_task(questions)
        grpo(
            base(job),
            Task("variety", read.examples, THINK_ANSWER, variety),
            reward_config,
            out,
            on_step=rows.append,
        )
    return _judged(method, lora_rank, rows, _moved(Path(base(job)), out / "checkpoint"))


def _judged(
    method: str, lora_rank: int, rows: list[dict[str, Any]], moved: Mapping[str, bool]
) -> dict[str, Any]:
    """The figures of a training. Raises Failed for what must not be."""
    losses = [row["loss"] for row in rows]
    numbers = [value for row in rows for value in row.values() if isinstance(value, float)]
    require(all(map(math.isfinite, numbers)), "a metric is not finite")
    require(any(moved.values()), "no weight has moved")
    frozen = [name for name, has in moved.items() if has and lora_rank and "visual" in name]
    require(not frozen, f"frozen weights have moved: {frozen[:3]}")
    if method == "sft":
        require(losses[-1] < losses[0], f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}")
    if method == "dpo":
        require(abs(losses[0] - math.log(2)) < 0.05, f"the loss began at {losses[0]:.3f}, not at ln 2")
        require(losses[-1] < losses[0], f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}")
    if method == "grpo":
        require(any(row["frac_reward_zero_std"] < 1 for row in rows), "no group had two different rewards")
    figures = {"first_loss": losses[0], "last_loss": losses[-1], "weights_moved": sum(moved.values())}
    return figures | {"seconds_per_step": min(row["seconds"] for row in rows), "peak_gib": _peak_gib()}


def _moved(before: Path, after: Path) -> dict[str, bool]:
    """{name of a weight: whether the training changed it}"""
    old, new = (load_file(folder / "model.safetensors") for folder in (before, after))
    require(old.keys() == new.keys(), "the checkpoint has other weights than the model")
    return {name: not torch.equal(value, new[name]) for name, value in old.items()}


def shared_rows(job: Job, attention: str) -> dict[str, Any]:
    """Distances of log-probabilities and gradients from full fp32 rows, of full rows and of shared rows under
    bf16 autocast."""
    groups = data(Shape(job.scale.prompt, job.scale.response, job.scale.group, questions=2))
    backward = attention != "flex" or job.device == "cuda"
    model = build(job.scale).to(job.device).train()
    exact, exact_gradient, _ = _update(model, lambda: repeated(model, [groups]))
    with torch.autocast(job.device, torch.bfloat16):
        full, full_gradient, full_s = _update(model, lambda: repeated(model, [groups]))
        policy = PolicyModel(model, "flex" if attention == "flex" else "branching")
        update = (lambda: ours(policy, groups)) if backward else (lambda: _logps(policy, groups))
        shared, shared_gradient, shared_s = _update(model, update)
    figures: dict[str, Any] = {"tolerance": f"{FACTOR:g} times full rows, and {ROUNDING:g}"}
    pairs = {"logps": (full - exact, shared - exact)}
    if backward:
        norm = exact_gradient.norm()
        pairs["gradient"] = (
            (full_gradient - exact_gradient) / norm,
            (shared_gradient - exact_gradient) / norm,
        )
    for name, (by_full, by_shared) in pairs.items():
        size = Tensor.norm if name == "gradient" else lambda x: x.abs().mean()
        limit, found = FACTOR * float(size(by_full)) + ROUNDING, float(size(by_shared))
        figures[name] = {"full_rows": float(size(by_full)), "shared_rows": found}
        require(found <= limit, f"{name} of shared rows are {found:.2g} off, more than {limit:.2g}")
    return figures | {"full_rows_s": full_s, "shared_rows_s": shared_s, "backward": backward}


def _update(model: Any, update: Callable[[], Tensor]) -> tuple[Tensor, Tensor, float]:
    """(log-probabilities, gradient of all weights as one vector, seconds of the second of two runs)"""
    for _ in range(2):
        model.zero_grad()
        started = time.perf_counter()
        logps = update()
        if logps.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return logps.float(), torch.cat(gradients) if gradients else torch.zeros(0), seconds


@torch.no_grad()
def _logps(policy: PolicyModel, groups: list[Group]) -> Tensor:
    (pack,) = pack_groups(groups, sys.maxsize)
    return policy(pack.to(policy.model.device)).unflatten(0, (len(pack.branches), -1))


def waiting(job: Job) -> dict[str, Any]:
    """An update after a first one, under a mode of torch that raises where the host waits for the device. A
    CPU has no such mode."""
    groups = data(Shape(job.scale.prompt, job.scale.response, job.scale.group, questions=2))
    policy = PolicyModel(build(job.scale).to(job.device).train())
    ours(policy, groups)
    if job.device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        ours(policy, groups)
    finally:
        if job.device == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    return {"checked": job.device == "cuda"}


def planned_memory(job: Job) -> dict[str, Any]:
    """What `MemoryPlan` tells that a pack keeps, over what autograd keeps, at three shares of checkpointed
    layers under bf16 autocast; on an accelerator also over what its allocator says."""
    groups = data(Shape(job.scale.prompt, job.scale.response, job.scale.group, questions=2))
    policy = PolicyModel(build(job.scale).to(job.device).train())
    checkpointing.enable(policy.model)
    plan = MemoryPlan(policy, TrainingConfig(), lambda: torch.autocast(job.device, torch.bfloat16))
    plan.measure(groups[0])
    (pack,) = pack_groups(groups, sys.maxsize)
    pack, told = pack.to(policy.model.device), {}
    for share in (0.0, 0.5, 1.0):
        checkpointing.checkpoint(policy.model, share)
        before = torch.cuda.memory_allocated() if job.device == "cuda" else 0
        with plan.autocast(), keeping(policy) as kept:
            logps = policy(pack)
        held = torch.cuda.memory_allocated() - before if job.device == "cuda" else None
        told[f"{share:g}"] = {
            "over_autograd": plan.kept(groups, share) / kept.activations,
            "over_allocator": plan.kept(groups, share) / held if held else None,
        }
        require(plan.kept(groups, share) > 0.85 * kept.activations, f"too little is planned at {share}")
        del logps
    return {"shares": told, "copies_gib": plan.copies / 2**30}


def updates(job: Job) -> dict[str, Any]:
    """`bench.gpu` with fewer prompts."""
    options = ["--prompts", "350", "1300", "--response", "256", "--runs", "1", "--seconds", "200"]
    if job.quick:
        options = [
            "--tiny",
            "--prompts",
            "22",
            "--response",
            "5",
            "--group",
            "2",
            "--runs",
            "1",
            "--threads",
            "1",
        ]
    line = json.loads(_finished([sys.executable, "-m", "bench.gpu", *options], job).splitlines()[-1])
    timed = {row["way"] for row in line["rows"] if "seconds" in row}
    wanted = {"shared, branching"} | ({"shared, flex"} if job.device == "cuda" else set())
    require(wanted <= timed, f"only {sorted(timed)} were timed")
    return {"rows": line["rows"], "ratios": line["ratios"]}


def rollout(job: Job) -> dict[str, Any]:
    """Tokens a second, eight completions to each of eight questions, in fp32 as trainings sample, and in
    bf16."""
    processor, model = AutoProcessor.from_pretrained(str(SPROUT)), build(job.scale).to(job.device)
    encoder = Encoder(processor, model.config)
    prompts = encoder.prompts([THINK_ANSWER.prompt(page) for page in Pages(8, "train", seed=1)])
    figures: dict[str, Any] = {}
    for name, engine in (
        ("fp32", LocalEngine(model, encoder)),
        ("bf16", LocalEngine(model.bfloat16(), encoder)),
    ):
        for _ in range(2):  # the first run warms up
            started = time.perf_counter()
            answers = engine.complete(prompts, Sampling(n=8, max_tokens=job.scale.completion))
            seconds = time.perf_counter() - started
        tokens = sum(answer.n_tokens for group in answers for answer in group)
        require(tokens > 0, "nothing was sampled")
        figures[f"{name}_tokens_per_s"] = tokens / seconds
    return figures | {"peak_gib": _peak_gib()}


def _finished(command: list[str], job: Job) -> str:
    """stdout of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment(job.device))
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    require(done.returncode == 0, f"{' '.join(command[1:4])} ended with {done.returncode}: {last}")
    return done.stdout


def environment(device: str) -> dict[str, str]:
    """The environment of a process that computes on `device`."""
    return {**os.environ, **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}


def _peak_gib() -> float | None:
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None


CHECKS: Mapping[str, Callable[[Job], dict[str, Any]]] = {
    "r1v": r1v,
    **{
        f"{method}{' lora' if rank else ''}": lambda job, m=method, r=rank: training(job, m, r)
        for method in ("sft", "dpo", "grpo")
        for rank in (0, 8)
    },
    "shared rows, branching": lambda job: shared_rows(job, "branching"),
    "shared rows, flex": lambda job: shared_rows(job, "flex"),
    "waiting": waiting,
    "planned memory": planned_memory,
    "rollout": rollout,
    "bench.gpu": updates,
}
