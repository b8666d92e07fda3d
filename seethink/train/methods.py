"""The training methods, one entry each: what a method learns from, how it runs, what it will take. A new
method is a module beside this one and an entry in `METHODS`; the command line, plans and memory estimates
follow. No torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seethink.train.configs import DPOConfig, EpochConfig, GRPOConfig, SFTConfig

OnStep = Callable[[dict[str, Any]], None]
"""Called with the metrics of every step, and with `step` (from 1) and `steps` among them. While the data are
checked, which may take a while, with rows instead of steps, and `detail` saying what is counted."""


@dataclass(frozen=True)
class TrainingMethod:
    """A training method.

    about: one line, for `--help`. config: the class of its settings, which has a field `training`. data:
    "examples" are a sequence of `SFTExample`, "pairs" of `PreferencePair`, "task" is a `Task`. run: `(model,
    data, config, out, media, on_step) -> checkpoint folder`; continues what was begun in `out`. counts:
    {what: how many} that follow from the number of examples and the config, for plans. groups_per_step:
    prompts of one optimiser step. sampled: (completions of a prompt, tokens of each at most) where the method
    samples, None where it learns given replies. reference: whether it needs a second model. whole_step:
    `(step, number of examples, config)` -> whether a longer training makes optimiser step `step` (from 0)
    likewise, and so can go on after it."""

    name: str
    about: str
    config: type
    data: Literal["examples", "pairs", "task"]
    run: Callable[[str, Any, Any, Path, Path, OnStep], Path]
    counts: Callable[[int, Any], dict[str, int]]
    groups_per_step: Callable[[Any], int]
    sampled: Callable[[Any], tuple[int, int] | None] = lambda config: None
    reference: Callable[[Any], bool] = lambda config: False
    whole_step: Callable[[int, int, Any], bool] = lambda step, n, config: True


def _run_sft(model: str, data: Any, config: SFTConfig, out: Path, media: Path, on_step: OnStep) -> Path:
    from seethink.train.sft import sft

    return inspect.unwrap(sft)(model, data, config, out, on_step)


def _run_dpo(model: str, data: Any, config: DPOConfig, out: Path, media: Path, on_step: OnStep) -> Path:
    from seethink.train.dpo import dpo

    return inspect.unwrap(dpo)(model, data, config, out, on_step)


def _count_rows(name: str) -> Callable[[int, EpochConfig], dict[str, int]]:
    return lambda n, config: {"optimiser steps": config.steps_for(n), f"{name} seen": config.rows_seen(n)}


def _takes_a_whole_batch(step: int, n: int, config: EpochConfig) -> bool:
    return len(config.positions(step, n)) == config.train_batch_size


def _run_grpo(model: str, data: Any, config: GRPOConfig, out: Path, media: Path, on_step: OnStep) -> Path:
    from seethink.train.grpo import grpo

    return inspect.unwrap(grpo)(model, data, config, out, media, on_step)


def _count_grpo(n: int, config: GRPOConfig) -> dict[str, int]:
    prompts = config.rollout_batches * config.rollout.prompts_per_step
    completions = prompts * config.rollout.num_generations
    return {
        "optimiser steps": config.max_steps,
        "prompts": prompts,
        "completions": completions,
        "completion tokens, at most": completions * config.rollout.max_completion_length,
    }


METHODS: Mapping[str, TrainingMethod] = {
    method.name: method
    for method in (
        TrainingMethod(
            name="sft",
            about="imitation of the rows' own steps and answers",
            config=SFTConfig,
            data="examples",
            run=_run_sft,
            counts=_count_rows("examples"),
            groups_per_step=lambda config: config.train_batch_size,
            whole_step=_takes_a_whole_batch,
        ),
        TrainingMethod(
            name="dpo",
            about="preference between two responses",
            config=DPOConfig,
            data="pairs",
            run=_run_dpo,
            counts=_count_rows("pairs"),
            groups_per_step=lambda config: config.train_batch_size,
            reference=lambda config: True,
            whole_step=_takes_a_whole_batch,
        ),
        TrainingMethod(
            name="grpo",
            about="reinforcement of what the verifier rewards",
            config=GRPOConfig,
            data="task",
            run=_run_grpo,
            counts=_count_grpo,
            groups_per_step=lambda config: config.rollout.prompts_per_step,
            sampled=lambda config: (config.rollout.num_generations, config.rollout.max_completion_length),
            reference=lambda config: config.beta > 0,
            whole_step=lambda step, n, config: (step + 1) % config.num_iterations == 0,
        ),
    )
}


def method_of(config: Any) -> TrainingMethod:
    """The method that a config belongs to. Raises KeyError for any other object."""
    return {method.config: method for method in METHODS.values()}[type(config)]
