"""One trainer for every objective: transformers.Trainer whose step is a list of groups.

transformers keeps what it is good at: optimiser, schedule, distribution, checkpoints, resume. This file
adds packs under a token budget, a weighted sum over the whole step however it is cut, a guard against
values that are not finite, and a folder that a killed run continues from.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from seethink.families import Encoder
from seethink.train import ranks, sharded
from seethink.train.configs import Optimiser
from seethink.train.groups import Group, Pack, halves, pack_groups, refuse_media
from seethink.train.model import merge, mixed_precision, prepare
from seethink.train.shared_prefix import Scorer
from seethink.types import InputError, NotFinite

_LOG = logging.getLogger(__name__)

Watch = Callable[[dict[str, Any]], None]


class Method(Protocol):
    """What a training does in a step; the trainer does the rest."""

    encoder: Encoder

    def groups(self, step: int) -> list[Group]:
        """The groups of optimiser step `step` (from 0), branch weights set; may be empty."""
        ...

    def begin(self) -> None:
        """The packs of an update follow: forget what `metrics` gathered of it, if it begins again."""
        ...

    def loss(self, logps: Tensor, pack: Pack) -> Tensor:
        """(N,) losses of the pack's trained tokens."""
        ...

    def metrics(self) -> dict[str, float | None]:
        """What is worth knowing about the step just made; None where there was nothing to measure."""
        ...


class _Steps(Dataset):
    """The trainer's data set: step numbers. What a step holds is the method's affair."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, step: int) -> dict[str, int]:
        return {"step": step}


class GroupTrainer(Trainer):
    """Trains `scorer.model` by `method` for `steps` optimiser steps and leaves `out/checkpoint`."""

    def __init__(
        self,
        scorer: Scorer,
        method: Method,
        config: Optimiser,
        steps: int,
        out: Path,
        watch: Watch = lambda row: None,
    ) -> None:
        self.scorer, self.method, self.config, self.out = scorer, method, config, out
        self.row: dict[str, float | None] = {}
        self.verified = not scorer.family.shared
        self.halved, self.calls = 0, 0
        prepare(scorer, config)
        if config.gradient_checkpointing:
            scorer.model.activation_checkpointing_enable({"use_reentrant": False})
        arguments = TrainingArguments(
            output_dir=str(out / "resume"),
            per_device_train_batch_size=1,
            max_steps=steps,
            learning_rate=config.learning_rate,
            lr_scheduler_type=_SCHEDULES[config.schedule],
            warmup_steps=round(config.warmup * steps),
            weight_decay=config.weight_decay,
            adam_beta2=config.adam_beta2,
            max_grad_norm=config.max_grad_norm,
            logging_steps=1,
            save_strategy="steps",
            save_steps=config.save_every,
            save_total_limit=1,
            seed=config.seed,
            report_to=[],
            remove_unused_columns=False,
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            bf16=mixed_precision(config),
            dataloader_pin_memory=False,
        )
        super().__init__(
            model=scorer,
            args=arguments,
            train_dataset=_Steps(steps),
            callbacks=[_Journal(self, steps, watch)],
        )
        self.sharded = sharded.settle(self.accelerator)
        if self.sharded and config.four_bit:
            raise InputError("weights in 4 bits are not divided among processes; leave four_bit out")
        self.is_fsdp_enabled = self.sharded and not self.is_deepspeed_enabled
        self.callback_handler.pop_callback(PrinterCallback)

    def fit(self) -> Path:
        """Train, from the last whole checkpoint if there is one; returns the finished model's folder.

        What is finished already is not done again.
        """
        finished = self.out / "checkpoint"
        if not finished.exists():
            self._continue()
            if self.sharded:
                sharded.make_whole(self.scorer.model)
            if ranks.number() == 0:
                unfinished = self.out / "checkpoint.part"
                shutil.rmtree(unfinished, ignore_errors=True)
                if self.config.lora_rank:
                    merge(self.scorer.model)
                self._save(str(unfinished))
                os.replace(unfinished, finished)
            ranks.wait()
        if ranks.number() == 0:
            shutil.rmtree(self.out / "resume", ignore_errors=True)
        return finished

    def _continue(self) -> None:
        if ranks.number() == 0:
            found = last_checkpoint(self.out / "resume")
            done = int(found.name.split("-")[-1]) if found else 0
            for journal in ("metrics.jsonl", "attempts.jsonl"):
                truncate(self.out / journal, done)
        ranks.wait()
        found = last_checkpoint(self.out / "resume")
        self.train(resume_from_checkpoint=str(found) if found else None)

    def get_train_dataloader(self) -> torch.utils.data.DataLoader:
        """Every process sees every step; what it does of it, the method decides."""
        assert isinstance(self.train_dataset, _Steps)
        return torch.utils.data.DataLoader(self.train_dataset, collate_fn=lambda items: items[0])

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Weights by the learning rate of their part, and by whether they decay (norms and biases do not)."""
        if self.optimizer is None:
            decaying = set(self.get_decay_parameter_names(self.scorer))
            sorted_out: dict[tuple[float, float], list[Tensor]] = {}
            for name, parameter in self.scorer.named_parameters():
                if parameter.requires_grad:
                    rate = self.config.rate(self.scorer.family.part_of(name.removeprefix("model.")))
                    decay = self.config.weight_decay if name in decaying else 0.0
                    sorted_out.setdefault((rate, decay), []).append(parameter)
            groups = [
                {"params": params, "lr": rate, "weight_decay": decay}
                for (rate, decay), params in sorted_out.items()
            ]
            kind, settings = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = kind(groups, **settings)
        return self.optimizer

    def training_step(self, model: Any, inputs: dict[str, int], num_items_in_batch: Any = None) -> Tensor:
        started, encoder = time.monotonic(), self.method.encoder
        before = encoder.decoded, encoder.processed
        groups = self.method.groups(inputs["step"])
        refuse_media(groups, self.method.encoder.media_token_ids)
        self._verify(groups)
        model.train()
        if self.deepspeed is not None:
            sharded.forget_gradients(self.deepspeed)
        total = self._accumulate(groups, inputs["step"] + 1)
        if not self.sharded:
            self._guard(groups, inputs["step"] + 1)
            ranks.add_gradients(self.scorer.parameters())
        total = torch.tensor(sum(ranks.everyone([float(total)])), device=self.args.device)
        decoded, processed = encoder.decoded - before[0], encoder.processed - before[1]
        told = {
            **self.method.metrics(),
            "media_decoded": ranks.total(decoded),
            "processor_calls": ranks.total(processed),
            "halved": self.halved,
        }
        self.row = {"loss": float(total), **told, "seconds": time.monotonic() - started}
        return total

    def _verify(self, groups: list[Group]) -> None:
        """Before the first step: does this model give shared rows what it gives full ones?"""
        if self.verified or not any(ranks.everyone([bool(groups)])):
            return
        self.scorer.eval()
        with sharded.gathered(self.scorer):
            if groups:
                self.scorer.verify(min(groups, key=lambda group: (not group.prompt.media, group.length)))
        self.verified = True

    def _accumulate(self, groups: list[Group], step: int) -> Tensor:
        """The loss of the step, its gradient left in the model; where memory does not suffice, once more from
        the beginning, by packs of half the size."""
        try:
            return self._by_packs(groups, self.config.tokens_per_pack, step)
        except torch.OutOfMemoryError:
            if self.sharded:  # the others wait inside a call that this process did not end
                raise
            _LOG.warning("step %d: out of memory; once more by packs of half the size", step)
            self.halved += 1
            self.scorer.zero_grad()
            torch.cuda.empty_cache()
            smaller = [half for group in groups for half in halves(group)]
            return self._by_packs(smaller, self.config.tokens_per_pack // 2, step)

    def _by_packs(self, groups: list[Group], tokens_per_pack: int, step: int) -> Tensor:
        self.method.begin()
        total = torch.zeros((), device=self.args.device)
        calls = [(pack, True) for pack in pack_groups(groups, tokens_per_pack)]
        if self.sharded:
            calls = sharded.equal_calls([pack for pack, _ in calls], self.scorer)
        self.calls = len(calls)
        for left, (pack, work) in zip(reversed(range(len(calls))), calls, strict=True):
            self.accelerator.gradient_state._set_sync_gradients(not left)  # then DeepSpeed makes its step
            total += self._backward(pack.to(self.args.device), step, work)
        return total

    def _backward(self, pack: Pack, step: int, work: bool = True) -> Tensor:
        """Through the model itself: a data-parallel wrapper would want every process to make equal calls.
        What is no work is called for the others' sake and weighs nothing."""
        model = self.scorer if self.deepspeed is None else self.deepspeed
        with self.compute_loss_context_manager():
            logps = model(pack, self._temperature)
            losses = self.method.loss(logps, pack) * pack.weights if work else 0 * logps
        if not losses.isfinite().all():
            at = int(pack.owner[~losses.isfinite()][0])
            raise NotFinite(
                f"step {step}: the loss of {_owner(pack, at)} is not finite; the run stops before it is used"
            )
        loss = losses.sum()
        self.accelerator.backward(loss * ranks.count() if self.sharded else loss)  # sharding takes the mean
        return loss.detach()

    @property
    def _temperature(self) -> float:
        return getattr(self.config, "temperature", 1.0)

    def _guard(self, groups: list[Group], step: int) -> None:
        """Raise NotFinite if the step's gradient is not finite, before the optimiser can use it."""
        if self._gradient_is_finite():
            return
        culprits = []
        for group in groups:  # once more, one by one: which of them is it?
            self.scorer.zero_grad()
            for pack in pack_groups([group], self.config.tokens_per_pack):
                self._backward(pack.to(self.args.device), step)
            if not self._gradient_is_finite():
                culprits.append(group.name)
        named = ", ".join(culprits) or "all questions together"
        raise NotFinite(
            f"step {step}: the gradient of {named} is not finite; the run stops before it is used"
        )

    def _gradient_is_finite(self) -> bool:
        gradients = [p.grad for p in self.scorer.parameters() if p.grad is not None]
        return not gradients or bool(torch.nn.utils.get_total_norm(gradients).isfinite())

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Raise NotFinite where the processes' common gradient, divided among them, is not finite."""
        norm = super()._get_grad_norm(model, grad_norm)
        if self.deepspeed is not None and not self.calls:
            return 0.0  # there was nothing to learn; it would tell the norm of an earlier step
        if self.sharded and norm is not None and not math.isfinite(norm):
            step = self.state.global_step + 1
            raise NotFinite(f"step {step}: the gradient is not finite; the run stops before it is used")
        return norm

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Into a checkpoint to resume from; divided weights go there beside the optimiser's state."""
        if not self.sharded:
            super().save_model(output_dir, _internal_call)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        ranks.wait()  # trainer_state.json comes next, and says that all is there

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        folder = output_dir or str(self.out)
        if self.config.lora_rank and Path(folder).parent == self.out / "resume":
            Path(folder).mkdir(parents=True, exist_ok=True)
            save_file(self._trained(), Path(folder, "trained.safetensors"))
            return
        self.scorer.model.save_pretrained(folder)
        self.method.encoder.processor.save_pretrained(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        inner = self.scorer.model
        if self.config.lora_rank:
            inner.load_state_dict(
                load_file(Path(resume_from_checkpoint, "trained.safetensors")), strict=False
            )
            return
        saved = type(inner).from_pretrained(resume_from_checkpoint, dtype=inner.dtype)
        inner.load_state_dict(saved.state_dict())

    def _trained(self) -> dict[str, Tensor]:
        named = self.scorer.model.named_parameters()
        return {name: value.detach().contiguous() for name, value in named if value.requires_grad}


class _Journal(TrainerCallback):
    """Writes metrics.jsonl, one row a step, and tells whoever watches."""

    def __init__(self, trainer: GroupTrainer, steps: int, watch: Watch) -> None:
        self.trainer, self.steps, self.watch = trainer, steps, watch

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        if not logs or "loss" not in logs or ranks.number():
            return
        known = {name: float(logs[name]) for name in ("grad_norm", "learning_rate") if name in logs}
        row = {"step": state.global_step, **self.trainer.row, **known}
        append(self.trainer.out / "metrics.jsonl", [row])
        self.watch({**row, "steps": self.steps})


_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def _owner(pack: Pack, number: int) -> str:
    names = [group.name for group in pack.groups for _ in group.branches]
    return names[number]


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add whole lines to a journal; a line cut by a kill is dropped by `truncate` on resume."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def truncate(path: Path, last_step: int) -> None:
    """Forget a journal's rows after `last_step`, and a last line that was cut."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)  # bytes: a cut may fall inside a character
    kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= last_step]
    part = path.with_suffix(".part")
    part.write_bytes(b"".join(kept))
    os.replace(part, path)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; unfinished ones are removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        state = path / "trainer_state.json"
        try:
            json.loads(state.read_text())
            whole.append(path)
        except (FileNotFoundError, json.JSONDecodeError):
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.split("-")[-1]), default=None)
