"""The training methods, one entry each: what a method learns from, how it runs, what it will take. A new
method is a module beside this one and an entry in `METHODS`; the command line, plans and memory estimates
follow. No torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seethink.train.configs import DPOConfig, EpochConfig, GRPOConfig, SFTConfig

if TYPE_CHECKING:
    from seethink.train.held_out import HeldOut

OnStep = Callable[[dict[str, Any]], None]
"""Called with the metrics of every step, and with `step` (from 1) and `steps` among them. While the data are
checked, which may take a while, with rows instead of steps, and `detail` saying what is counted."""


@dataclass(frozen=True)
class TrainingContext:
    """What surrounds a training: the folder that it writes, that of its pictures, who follows it, and the
    questions that it is asked on the way."""

    out: Path
    media: Path
    on_step: OnStep = lambda row: None
    held_out: HeldOut | None = None


@dataclass(frozen=True)
class TrainingMethod:
    """A training method.

    about: one line, for `--help`. config: the class of its settings, which has a field `training`. data:
    "examples" are a sequence of `SFTExample`, "pairs" of `PreferencePair`, "task" is a `Task`. run: `(model,
    data, config, context) -> checkpoint folder`; continues what was begun in `context.out`. check: `(model,
    data, config, on_step)` raises InputError for rows that it could not learn from, as `run` does. counts:
    {what: how many} that follow from the number of examples and the config, for plans. groups_per_step:
    prompts of one optimiser step. sampled: (completions of a prompt, tokens of each at most) where the method
    samples, None where it learns given replies. reference: whether it holds a second model while it trains.
    whole_step: `(step, number of examples, config)` -> whether a longer training makes optimiser step `step`
    (from 0) likewise, and so can go on after it."""

    name: str
    about: str
    config: type
    data: Literal["examples", "pairs", "task"]
    run: Callable[[str, Any, Any, TrainingContext], Path]
    counts: Callable[[int, Any], dict[str, int]]
    groups_per_step: Callable[[Any], int]
    check: Callable[[str, Any, Any, OnStep], object]
    sampled: Callable[[Any], tuple[int, int] | None] = lambda config: None
    reference: Callable[[Any], bool] = lambda config: False
    whole_step: Callable[[int, int, Any], bool] = lambda step, n, config: True


def _run_sft(model: str, data: Any, config: SFTConfig, context: TrainingContext) -> Path:
    from seethink.train.sft import sft

    return inspect.unwrap(sft)(model, data, config, context.out, context.on_step, context.held_out)


def _run_dpo(model: str, data: Any, config: DPOConfig, context: TrainingContext) -> Path:
    from seethink.train.dpo import dpo

    return inspect.unwrap(dpo)(model, data, config, context.out, context.on_step, context.held_out)


def _check(name: str) -> Callable[[str, Any, Any, OnStep], object]:
    """The function of that name in `preflight.py`, recording nothing."""

    def check(model: str, data: Any, config: Any, on_step: OnStep) -> object:
        checked = getattr(import_module("seethink.train.preflight"), name)
        return checked(model, data, config, None, on_step)

    return check


def _count_rows(name: str) -> Callable[[int, EpochConfig], dict[str, int]]:
    return lambda n, config: {"optimiser steps": config.steps_for(n), f"{name} seen": config.rows_seen(n)}


def _takes_a_whole_batch(step: int, n: int, config: EpochConfig) -> bool:
    return len(config.positions(step, n)) == config.train_batch_size


def _run_grpo(model: str, data: Any, config: GRPOConfig, context: TrainingContext) -> Path:
    from seethink.train.grpo import grpo

    place = context.out, context.media
    return inspect.unwrap(grpo)(model, data, config, *place, context.on_step, context.held_out)


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
            check=_check("check_examples"),
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
            check=_check("check_pairs"),
            counts=_count_rows("pairs"),
            groups_per_step=lambda config: config.train_batch_size,
            whole_step=_takes_a_whole_batch,
        ),
        TrainingMethod(
            name="grpo",
            about="reinforcement of what the verifier rewards",
            config=GRPOConfig,
            data="task",
            run=_run_grpo,
            check=_check("check_task"),
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
