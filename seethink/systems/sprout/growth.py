"""Training of `sprout` at full speed: worker processes draw ahead, and one compiled step has one shape.

The general trainer (`seethink.train`) serves any model. For one of a few million parameters, drawing,
processing and launching kernels cost more than arithmetic; `bench/grow.py` compares both. Losses and
gradients are those of ordinary rows under the model's own forward pass (tested).
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.utils.data import DataLoader, Dataset
from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb_vision

from seethink.models.encoder import Encoder
from seethink.systems.sprout.curriculum import CurriculumExamples
from seethink.systems.sprout.growth_config import GrowthConfig
from seethink.systems.sprout.rows import IGNORED, Batch, BatchBuilder, group_of
from seethink.train.methods import OnStep
from seethink.train.resumable import truncate

PICTURES_A_STEP = 1_000_000
"""Upper bound of the pictures in a step; step s draws the pictures from s times this."""


class PictureBatches(Dataset[Batch]):
    """Batches of a course for the model in `folder`, one for each step; subclasses draw them."""

    def __init__(self, course: CurriculumExamples, folder: Path, config: GrowthConfig) -> None:
        self.course, self.folder, self.config = course, folder, config
        self._skeleton: tuple[Encoder, Any] | None = None

    def __len__(self) -> int:
        return self.config.max_steps

    def skeleton(self) -> tuple[Encoder, Any]:
        """What `skeleton` returns, made once in every process, which gets one thread."""
        if self._skeleton is None:
            torch.set_num_threads(1)
            self._skeleton = skeleton(self.folder)
        return self._skeleton


class CourseBatches(PictureBatches):
    """Batch s: as many of the pictures `s * PICTURES_A_STEP` and following as fit, with their examples."""

    def __getitem__(self, step: int) -> Batch:
        encoder, model = self.skeleton()
        builder = BatchBuilder(self.config.shape, model.config.vision_config.spatial_merge_size)
        pages = itertools.count(step * PICTURES_A_STEP)
        pictures = 0
        while builder.add(group_of(encoder, model, self.course.about(next(pages)))):
            pictures += 1
        return builder.batch() | {"pictures": torch.tensor(pictures)}


def skeleton(folder: Path) -> tuple[Encoder, Any]:
    """(an encoder that leaves pixels as bytes, 0 to 255; a model without weights)."""
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    config, processor = AutoConfig.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    for part in (processor.image_processor, processor.video_processor):
        part.do_rescale = part.do_normalize = False
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    return Encoder(processor, config), model


class PackedTower(nn.Module):
    """The vision tower on rows of patches of bytes; each frame attends to itself alone."""

    mean: Tensor
    std: Tensor

    def __init__(self, tower: Any, processor: Any) -> None:
        super().__init__()
        self.tower = tower
        of = processor.image_processor
        pixels = of.temporal_patch_size * of.patch_size**2  # of each of the three colours
        for name, values in (("mean", of.image_mean), ("std", of.image_std)):
            self.register_buffer(name, 255 * torch.tensor(values).repeat_interleave(pixels), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """(T * V / merge**2, hidden) features."""
        tower, frame = self.tower, batch["frame"]
        patches = batch["patches"].flatten(0, 1)
        x = tower.patch_embed((patches.float() - self.mean) / self.std)
        cos, sin = tower.rotary_pos_emb(x, batch["places"].flatten(0, 1).long())
        mask = (frame[:, :, None] == frame[:, None, :])[:, None]
        for block in tower.blocks:
            x = x + _tower_attention(block.attn, block.norm1(x), (cos, sin), mask)
            x = x + block.mlp(block.norm2(x))
        return tower.merger(x)


class Losses(nn.Module):
    """A module that maps a batch to (L,) losses, whose sum is minimised. names: of the losses."""

    names: tuple[str, ...]


class PackedLoss(Losses):
    """The mean cross-entropy of a batch's targets under a Qwen2-VL model, without data-dependent shapes."""

    names = ("loss",)

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__()
        self.model, self.tower = model, PackedTower(model.model.visual, processor)

    def forward(self, batch: Batch) -> Tensor:
        """(1,)"""
        logits = self.model.lm_head(self._hidden(batch, self.tower(batch))).flatten(0, 1).float()
        return cross_entropy(logits, batch["labels"].flatten(), ignore_index=IGNORED)[None]

    def _hidden(self, batch: Batch, features: Tensor) -> Tensor:
        """(R, W, hidden) last hidden states; features (N, hidden) of the media."""
        words = self.model.model.get_input_embeddings()(batch["ids"])
        at = batch["feature"].long()
        media = features.index_select(0, (at - 1).clamp(min=0).flatten()).view_as(words).to(words.dtype)
        group, branch = batch["group"], batch["branch"]
        place = torch.arange(group.shape[1], device=group.device)
        mask = (group[:, :, None] == group[:, None, :]) & (place[:, None] >= place[None, :])
        mask &= (branch[:, None, :] == 0) | (branch[:, :, None] == branch[:, None, :])
        return self.model.model.language_model(
            inputs_embeds=torch.where(at[..., None] > 0, media, words),
            attention_mask=mask[:, None],
            position_ids=batch["positions"].long(),
            use_cache=False,
        ).last_hidden_state


def _tower_attention(layer: Any, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
    query, key, value = layer.qkv(x).unflatten(-1, (3, layer.num_heads, -1)).unbind(1)
    query, key = apply_rotary_pos_emb_vision(query, key, *rotation)
    shape = (mask.shape[0], mask.shape[-1], layer.num_heads, -1)
    query, key, value = (t.to(value.dtype).view(shape).transpose(1, 2) for t in (query, key, value))
    seen = scaled_dot_product_attention(query, key, value, mask)
    return layer.proj(seen.transpose(1, 2).reshape(x.shape[0], -1))


def grow(
    out: Path, model: Any, course: CurriculumExamples, config: GrowthConfig, on_step: OnStep | None = None
) -> None:
    """Write to `out` the model in the folder `model.path` after `config.max_steps` updates on a course."""
    policy, processor = load(model.path)
    batches = CourseBatches(course, Path(model.path), config)
    train(PackedLoss(policy, processor), batches, config, out, on_step)
    save(policy, processor, out)


def load(folder: str | Path) -> tuple[Any, Any]:
    """(model in fp32, processor)."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return model, AutoProcessor.from_pretrained(folder)


def save(model: Any, processor: Any, out: Path) -> None:
    """Write a model folder; the state of its training goes."""
    model.save_pretrained(out)
    processor.save_pretrained(out)
    out.with_suffix(".state").unlink(missing_ok=True)


def train(
    module: Losses,
    batches: Dataset[Batch],
    config: GrowthConfig,
    out: Path,
    on_step: OnStep | None = None,
) -> None:
    """Minimise the sum of the losses.

    Resumes from `<out>.state`, which it writes every `config.save_steps` steps. Means of every ten steps go
    to `metrics.jsonl` in the same folder, and to `on_step`.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device).train()
    optimizer, schedule = _optimizer(module, config)
    state = out.with_suffix(".state")
    done = _resume(state, module, optimizer, schedule)
    losses = torch.compile(module, dynamic=False) if config.compile else module
    metrics = out.parent / "metrics.jsonl"
    truncate(metrics, done)
    with metrics.open("a", encoding="utf-8") as log:
        meter = _Meter(log, module.names, config.max_steps, on_step)
        for step, batch in _loaded(batches, done, config, device):
            with torch.autocast(device.type, torch.bfloat16):
                values = losses(batch)
            values.sum().backward()
            norm = nn.utils.clip_grad_norm_(module.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            meter.add(step + 1, values.detach(), norm, batch)
            if (step + 1) % config.save_steps == 0:
                _save(state, step + 1, module, optimizer, schedule)


def _loaded(
    batches: Dataset[Batch], done: int, config: GrowthConfig, device: torch.device
) -> Iterator[tuple[int, Batch]]:
    """(step, batch on the device) of all steps after `done`."""
    steps = range(done, config.max_steps)
    ahead = {"prefetch_factor": 2, "multiprocessing_context": "spawn"} if config.workers else {}
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=steps,
        num_workers=config.workers,
        pin_memory=device.type == "cuda",
        **ahead,
    )
    for step, batch in zip(steps, loader, strict=True):
        yield step, {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def _optimizer(module: nn.Module, config: GrowthConfig) -> tuple[Any, Any]:
    weights = [w for w in module.parameters() if w.requires_grad]
    groups = [
        {"params": [w for w in weights if w.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, config.adam_beta2), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        config.learning_rate,
        total_steps=config.max_steps + 1,
        pct_start=config.warmup_ratio,
        cycle_momentum=False,
        div_factor=25,
        final_div_factor=0.4,
    )
    return optimizer, schedule


def _save(path: Path, step: int, module: nn.Module, optimizer: Any, schedule: Any) -> None:
    part = path.with_name(f"{path.name}.part")
    torch.save(
        {
            "step": step,
            "model": module.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
        },
        part,
    )
    os.replace(part, path)


def _resume(path: Path, module: nn.Module, optimizer: Any, schedule: Any) -> int:
    """Load a state that `_save` wrote, if there is one. Returns the number of steps done."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return state["step"]


class _Meter:
    """Means of every ten steps, as a line of JSON and for `on_step`."""

    def __init__(self, log: Any, names: Sequence[str], steps: int, on_step: OnStep | None) -> None:
        self.log, self.names, self.steps, self.on_step, self.rows = log, names, steps, on_step, []
        self.began = time.perf_counter()

    def add(self, step: int, losses: Tensor, norm: Tensor, batch: Batch) -> None:
        counts = [(batch["group"] > 0).sum(), batch["pictures"]]
        self.rows.append(torch.cat([losses, torch.stack([norm, *counts])]).float())
        if step % 10:
            return
        *means, grad_norm, tokens, pictures = torch.stack(self.rows).mean(0).tolist()
        seconds = (time.perf_counter() - self.began) / len(self.rows)
        by_name = dict(zip(self.names, means, strict=True))
        rates = {"tokens_per_s": tokens / seconds, "pictures_per_s": pictures / seconds}
        row = {"step": step, **by_name, "grad_norm": grad_norm, **rates}
        self.log.write(json.dumps(row) + "\n")
        self.log.flush()
        if self.on_step:
            said = ", ".join(f"{name} {value:.3f}" for name, value in by_name.items())
            detail = f"{said}, {rates['tokens_per_s']:,.0f} tokens/s"
            self.on_step(row | {"steps": self.steps, "detail": detail})
        self.rows, self.began = [], time.perf_counter()
