"""A transformers Trainer over numbered steps that a killed process continues: arguments, optimiser groups,
checkpoints, metrics.jsonl, and the finished model's folder."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from seethink.engines.local import LocalEngine
from seethink.evaluate.attempts import append_rows
from seethink.models import checkpointing
from seethink.models.encoder import Encoder
from seethink.models.lora import merge, save_adapter_folder
from seethink.models.policy import PolicyModel
from seethink.models.saving import follow_umask, save_model_folder
from seethink.train import ranks, sharding, trackers
from seethink.train.adapters import mixed_precision, prepare
from seethink.train.configs import TrainingConfig
from seethink.train.continuing import step_of, steps_done, why_unfinished
from seethink.train.held_out import HeldOut, refuse_missing
from seethink.train.memory_plan import plans_memory
from seethink.train.methods import OnStep
from seethink.train.notes import metrics_rows
from seethink.train.signals import Signals
from seethink.types import InputError, NotFinite

_LOG = logging.getLogger(__name__)

ADAPTER_FILE = "trained.safetensors"
"""In a checkpoint to resume from: the trained weights alone, where adapters are trained."""
_SCHEDULERS = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


class StepNumbers(Dataset):
    """The Trainer's data set: step numbers. The training method decides what a step holds."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, step: int) -> dict[str, int]:
        return {"step": step}


class ResumableTrainer(Trainer):
    """Trains `policy.model` for `steps` optimiser steps and leaves `out/checkpoint`, with `processor` beside
    the weights.

    journals: files in `out` with a row for each step, cut back to the last checkpoint when a killed run
    continues. num_iterations: optimiser steps that learn from one rollout batch; `stop_when` ends no training
    between them. Subclasses define `training_step` and set `row`, the metrics of the step just made.
    """

    num_iterations = 1

    def __init__(  # noqa: PLR0913  (what every training needs)
        self,
        policy: PolicyModel,
        config: TrainingConfig,
        steps: int,
        out: Path,
        processor: Any,
        journals: Sequence[str],
        on_step: OnStep,
    ) -> None:
        self.policy, self.config, self.out, self.processor = policy, config, out, processor
        self.journals = ("metrics.jsonl", *journals)
        self.held_out: HeldOut | None = None
        self.row: dict[str, float | None] = {}
        self.n_packs = 0  # backward passes of the step
        prepare(policy, config)
        if config.gradient_checkpointing or (config.gradient_checkpointing is None and plans_memory()):
            checkpointing.enable(policy.model)
            checkpointing.checkpoint(policy.model, float(bool(config.gradient_checkpointing)))
        super().__init__(
            model=policy,
            args=_arguments(config, steps, out / "resume"),
            train_dataset=StepNumbers(steps),
            callbacks=[
                _MetricsWriter(self, steps, on_step),
                *trackers.callbacks(config.monitoring.trackers, out),
            ],
        )
        self.sharded = sharding.configure(self.accelerator)
        if self.sharded and config.adapter.load_in_4bit:
            raise InputError("4-bit weights cannot be sharded over processes; leave load_in_4bit out")
        self.is_fsdp_enabled = self.sharded and not self.is_deepspeed_enabled
        self.callback_handler.pop_callback(PrinterCallback)

    def fit(self, held_out: HeldOut | None = None) -> Path:
        """Train, from the last whole checkpoint if there is one; returns the finished model's folder. A
        finished training is not repeated. `out/resume` stays, so that a longer training goes on from it.

        held_out: answered every `eval_steps` by the model as it is then, and after the last step."""
        finished = self.out / "checkpoint"
        if not finished.exists():
            refuse_missing(self.config, held_out)
            ranks.warn_of_idle_gpus()
            self.held_out = held_out
            if held_out:
                held_out.refuse_unusable(self._engine())
            self._train_from_last_checkpoint()
            if self.sharded:
                sharding.make_whole(self.policy.model)
            if ranks.rank() == 0:
                unfinished = self.out / "checkpoint.part"
                shutil.rmtree(unfinished, ignore_errors=True)
                if self.config.adapter.keep_adapter:
                    save_adapter_folder(self.policy.model, self.processor, unfinished)
                else:
                    if self.config.adapter.lora_rank:
                        merge(self.policy.model)
                    save_model_folder(self.policy.model, self.processor, unfinished)
                os.replace(unfinished, finished)
            ranks.barrier()
        return finished

    def _train_from_last_checkpoint(self) -> None:
        if ranks.rank() == 0:
            if found := last_checkpoint(self.out / "resume"):  # which removes unfinished ones
                _set_save_steps(found / "trainer_state.json", self.config.save_steps)
            for name in self.journals:
                truncate(self.out / name, steps_done(self.out))
        ranks.barrier()
        found = last_checkpoint(self.out / "resume")
        self.train(resume_from_checkpoint=str(found) if found else None)

    def get_train_dataloader(self) -> DataLoader:
        """Every process sees every step number; the method takes its share of the step."""
        assert isinstance(self.train_dataset, StepNumbers)
        return DataLoader(self.train_dataset, collate_fn=lambda items: items[0])

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Parameter groups by learning rate of the part and by weight decay (norms and biases do not
        decay)."""
        if self.optimizer is None:
            decaying = set(self.get_decay_parameter_names(self.policy))
            by_settings: dict[tuple[float, float], list[Tensor]] = {}
            for name, parameter in self.policy.named_parameters():
                if parameter.requires_grad:
                    rate = self.config.rate(self.policy.parts.of(name.removeprefix("model.")))
                    decay = self.config.weight_decay if name in decaying else 0.0
                    by_settings.setdefault((rate, decay), []).append(parameter)
            groups = [
                {"params": params, "lr": rate, "weight_decay": decay}
                for (rate, decay), params in by_settings.items()
            ]
            kind, settings = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = kind(groups, **settings)
        return self.optimizer

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Raise NotFinite if the sharded gradient of all processes is not finite."""
        norm = super()._get_grad_norm(model, grad_norm)
        if self.deepspeed is not None and not self.n_packs:
            return 0.0  # DeepSpeed would report the norm of an earlier step
        if self.sharded and norm is not None and not math.isfinite(norm):
            step = self.state.global_step + 1
            raise NotFinite(f"step {step}: the gradient is not finite; the run stops before it is used")
        return norm

    def _engine(self) -> LocalEngine:
        """Answers with the weights as they are now."""
        return LocalEngine(self.policy.model, Encoder(self.processor, self.policy.model.config))

    def evaluated(self, step: int, last: bool) -> dict[str, float | None]:
        """The held-out columns of a step at which they are due: every `eval_steps`, and after the last one.
        Every process must call it."""
        every = self.config.monitoring.eval_steps
        if not (self.held_out and every) or (step % every and not last):
            return {}
        with sharding.gather_weights(self.policy):
            return self.held_out.answered(self._engine())

    # Checkpoints to resume from ----------------------------------------------------------------------------

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Called for checkpoints; sharded weights are saved beside the optimiser's state instead."""
        if not self.sharded:
            super().save_model(output_dir, _internal_call)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        ranks.barrier()  # trainer_state.json is written next, and marks the checkpoint as whole

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        folder = output_dir or str(self.out)
        if self.config.adapter.lora_rank and Path(folder).parent == self.out / "resume":
            Path(folder).mkdir(parents=True, exist_ok=True)
            named = self.policy.model.named_parameters()
            trained = {name: value.detach().contiguous() for name, value in named if value.requires_grad}
            save_file(trained, Path(folder, ADAPTER_FILE))
            follow_umask(Path(folder))
            return
        save_model_folder(self.policy.model, self.processor, Path(folder))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        inner = self.policy.model
        if self.config.adapter.lora_rank:
            inner.load_state_dict(load_file(Path(resume_from_checkpoint, ADAPTER_FILE)), strict=False)
            return
        saved = type(inner).from_pretrained(resume_from_checkpoint, dtype=inner.dtype)
        inner.load_state_dict(saved.state_dict())

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """The learning rate of the next step is that of this training's schedule: the one saved belongs to a
        schedule of another length where a finished training goes on."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None or self.optimizer is None:
            return
        schedule: Any = self.lr_scheduler
        rates = [
            base * factor(schedule.last_epoch)
            for base, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
        ]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        schedule._last_lr = rates


class _MetricsWriter(TrainerCallback):
    """Appends a row to metrics.jsonl for each step, and calls `on_step`; says what goes wrong, and ends the
    training then if it is to end. Trackers, called after it, find the row in `logs`."""

    def __init__(self, trainer: ResumableTrainer, steps: int, on_step: OnStep) -> None:
        self.trainer, self.steps, self.on_step = trainer, steps, on_step
        parameters = sum(parameter.numel() for parameter in trainer.policy.parameters())
        self.signals = Signals(trainer.config, parameters, trainer.num_iterations)
        self.ending = False  # at the end of this rollout batch

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for row in metrics_rows(self.trainer.out):
            self.signals(row)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if not logs or "loss" not in logs:
            return
        known = {name: float(logs[name]) for name in ("grad_norm", "learning_rate") if name in logs}
        row: dict[str, Any] = {"step": state.global_step, **self.trainer.row, **known}
        held_out = self.trainer.evaluated(state.global_step, last=state.global_step == args.max_steps)
        row |= held_out
        news = self.signals(row)
        self.ending = self.ending or self.signals.ends(news)
        if self.ending and self.signals.at_batch_end:
            control.should_training_stop = control.should_save = True
            row |= held_out or self.trainer.evaluated(state.global_step, last=True)
        if ranks.rank():
            return
        row |= {"alarms": news} if news else {}
        append_rows(self.trainer.out / "metrics.jsonl", [row])
        logs.update(trackers.sent(row))
        self.on_step({**row, "steps": self.steps, **({"said": list(news.values())} if news else {})})


def _arguments(config: TrainingConfig, steps: int, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        max_steps=steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type=_SCHEDULERS[config.lr_scheduler_type],
        warmup_steps=round(config.warmup_ratio * steps),
        weight_decay=config.weight_decay,
        adam_beta2=config.adam_beta2,
        max_grad_norm=config.max_grad_norm,
        logging_steps=1,
        run_name=f"{folder.parent.parent.name}/{folder.parent.name}",
        save_strategy="steps",
        save_steps=config.save_steps,
        save_total_limit=1,
        seed=config.seed,
        report_to=[],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        bf16=mixed_precision(config),
        dataloader_pin_memory=False,
    )


def _set_save_steps(file: Path, save_steps: int) -> None:
    """Make the state of a checkpoint agree with the settings: transformers warns where it does not."""
    state = json.loads(file.read_text(encoding="utf-8"))
    if state["save_steps"] != save_steps:
        part = file.with_suffix(".part")
        part.write_text(json.dumps(state | {"save_steps": save_steps}, indent=2) + "\n", encoding="utf-8")
        os.replace(part, file)


def truncate(path: Path, last_step: int) -> None:
    """Drop the rows after `last_step`, and a last line that was cut."""
    if not path.exists():
        return
    part = path.with_suffix(".part")
    with path.open("rb") as lines, part.open("wb") as kept:  # bytes: a cut may fall inside a character
        # line by line: the attempts of a long training are larger than memory
        kept.writelines(
            line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= last_step
        )
    os.replace(part, path)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; unfinished ones are removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if why := why_unfinished(path):
            _LOG.warning("removing the unfinished checkpoint %s (%s)", path, why)
            shutil.rmtree(path)
        else:
            whole.append(path)
    return max(whole, key=step_of, default=None)
