"""Training of `sprout` at full speed: worker processes draw ahead, and a compiled step has one shape.

The general trainer (`seethink.train`) serves any model. For one of a few million parameters, drawing,
processing and launching kernels cost more than arithmetic; `bench/grow.py` compares both. Without a compiler
shapes may follow the data, and attention computes only what is seen. Losses and gradients are those of
ordinary rows under the model's own forward pass (tested). Under `torchrun` every process draws its share of a
batch's rows, and gradients are averaged.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, pad, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset
from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb_vision

from seethink import launch
from seethink.models.attention import branching, dense, segments
from seethink.models.encoder import Encoder
from seethink.systems.sprout import square_targets
from seethink.systems.sprout.curriculum import CurriculumExamples
from seethink.systems.sprout.growth_config import GrowthConfig
from seethink.systems.sprout.rows import IGNORED, Batch, BatchBuilder, group_of
from seethink.systems.sprout.updates import Updates
from seethink.train import ranks
from seethink.train.adapters import has_bfloat16
from seethink.train.methods import OnStep
from seethink.train.resumable import truncate
from seethink.types import Example, NotFinite

_LOG = logging.getLogger(__name__)
PICTURES_A_STEP = 1_000_000
"""Upper bound of the pictures in a process's share of a step."""


class PictureBatches(Dataset[Batch]):
    """This process's share of the batches of a course for the model in `folder`, one for each step.
    Subclasses draw them, each of as many of its `pages` as fit `shape`."""

    def __init__(self, course: CurriculumExamples, folder: Path, config: GrowthConfig) -> None:
        self.course, self.folder, self.config = course, folder, config
        self.shape = config.shape.share(launch.world_size())
        self._skeleton: tuple[Encoder, Any] | None = None

    def __len__(self) -> int:
        return self.config.max_steps

    def pages(self, step: int) -> Iterator[int]:
        """Numbers of the pictures that a step may show; no other step or process has them."""
        return itertools.count((step * launch.world_size() + launch.rank()) * PICTURES_A_STEP)

    def skeleton(self) -> tuple[Encoder, Any]:
        """What `skeleton` returns, made once in every process."""
        if self._skeleton is None:
            self._skeleton = skeleton(self.folder)
        return self._skeleton


class CourseBatches(PictureBatches):
    """Pictures with their examples. Where `config.name_squares` is set, the tokens of pictures are to name
    what their squares hold."""

    def __getitem__(self, step: int) -> Batch:
        encoder, model = self.skeleton()
        names = self._square_names if self.config.name_squares else None
        builder = BatchBuilder(self.shape, model.config.vision_config)
        pictures = 0
        for page in self.pages(step):
            if builder.add(group_of(encoder, model, self.course.about(page), names)):
                pictures += 1
            elif pictures:
                break
            else:
                _LOG.warning("picture %d of %s is too large for a batch: left out", page, self.course.name)
        return builder.batch() | {"pictures": torch.tensor(pictures)}

    def _square_names(self, example: Example, media: Mapping[str, Tensor]) -> list[int]:
        encoder, model = self.skeleton()
        merge = model.config.vision_config.spatial_merge_size
        rng = random.Random(example.id)
        return [
            name
            for targets in square_targets.of_example(example, media, merge, encoder.tokenizer)
            for name in square_targets.token_names(targets, rng)
        ]


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
    """The vision tower on rows of patches of bytes; each frame attends to itself alone.

    fixed_shape: whether nothing may depend on the data but values, for `torch.compile`. If not, padding is
    left out, and frames of equal size share a call of attention.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, tower: Any, processor: Any, fixed_shape: bool) -> None:
        super().__init__()
        self.tower, self.fixed_shape = tower, fixed_shape
        of = processor.image_processor
        pixels = of.temporal_patch_size * of.patch_size**2  # of each of the three colours
        for name, values in (("mean", of.image_mean), ("std", of.image_std)):
            self.register_buffer(name, 255 * torch.tensor(values).repeat_interleave(pixels), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """(T * V / merge**2, hidden) features; of padding without meaning."""
        frame, patches, places = batch["frame"], batch["patches"].flatten(0, 1), batch["places"].flatten(0, 1)
        if self.fixed_shape:
            mask = (frame[:, :, None] == frame[:, None, :])[:, None]
            return self._features(patches, places, partial(_masked_attention, mask=mask))
        real = (frame > 0).flatten().nonzero()[:, 0]
        if not len(real):  # examples in words alone
            of = self.tower.config
            return torch.zeros(len(patches) // of.spatial_merge_size**2, of.hidden_size, device=real.device)
        of_row = frame * len(frame) + torch.arange(len(frame), device=frame.device)[:, None]
        _, sizes = of_row.flatten()[real].unique_consecutive(return_counts=True)
        ends = pad(sizes.cumsum(0), (1, 0))
        seen = self._features(patches[real], places[real], partial(_segment_attention, ends=ends))
        merge = len(real) // len(seen)
        return seen.new_zeros(len(patches) // merge, seen.shape[1]).index_copy(
            0, real[::merge] // merge, seen
        )

    def _features(self, patches: Tensor, places: Tensor, attention: Callable[..., Tensor]) -> Tensor:
        tower = self.tower
        patches = (patches.float() - self.mean) / self.std
        # one product: convolution over exactly one patch, whose gradient is slow on a CPU
        x = linear(patches, tower.patch_embed.proj.weight.flatten(1))
        cos, sin = tower.rotary_pos_emb(x, places.long())
        for block in tower.blocks:
            normed = block.norm1(x)
            query, key, value = block.attn.qkv(normed).unflatten(-1, (3, block.attn.num_heads, -1)).unbind(1)
            query, key = apply_rotary_pos_emb_vision(query, key, cos, sin)
            seen = attention(query.to(value.dtype), key.to(value.dtype), value)
            x = x + block.attn.proj(seen.flatten(1))
            x = x + block.mlp(block.norm2(x))
        return tower.merger(x)


class Losses(nn.Module):
    """A module that maps a batch to (L,) losses, whose sum is minimised. names: of the losses."""

    names: tuple[str, ...]


class PackedLoss(Losses):
    """The mean cross-entropy of a batch's targets under a Qwen2-VL model. fixed_shape: as in
    `PackedTower`."""

    names = ("loss",)

    def __init__(self, model: Any, processor: Any, fixed_shape: bool) -> None:
        super().__init__()
        self.model, self.tower = model, PackedTower(model.model.visual, processor, fixed_shape)
        self.fixed_shape = fixed_shape
        model.set_attn_implementation({"text_config": "sdpa" if fixed_shape else branching.NAME})

    def forward(self, batch: Batch) -> Tensor:
        """(1,)"""
        hidden, labels = self._hidden(batch, self.tower(batch)).flatten(0, 1), batch["labels"].flatten()
        if not self.fixed_shape:
            predicts = (labels != IGNORED).nonzero()[:, 0]
            hidden, labels = hidden[predicts], labels[predicts]
        return cross_entropy(self.model.lm_head(hidden).float(), labels, ignore_index=IGNORED)[None]

    def _hidden(self, batch: Batch, features: Tensor) -> Tensor:
        """(R, W, hidden) last hidden states; features (N, hidden) of the media."""
        words = self.model.model.get_input_embeddings()(batch["ids"])
        at = batch["feature"].long()
        media = features.index_select(0, (at - 1).clamp(min=0).flatten()).view_as(words).to(words.dtype)
        return self.model.model.language_model(
            inputs_embeds=torch.where(at[..., None] > 0, media, words),
            position_ids=batch["positions"].long(),
            use_cache=False,
            **self._visible(batch["group"], batch["branch"]),
        ).last_hidden_state

    def _visible(self, group: Tensor, branch: Tensor) -> dict[str, Any]:
        """What says which tokens see which: a dense mask, or a layout with a mask that is ignored."""
        if not self.fixed_shape:
            return {"attention_mask": group.new_ones(1, 1, 1, 1), "packed": _layout(group, branch)}
        place = torch.arange(group.shape[1], device=group.device)
        mask = (group[:, :, None] == group[:, None, :]) & (place[:, None] >= place[None, :])
        mask &= (branch[:, None, :] == 0) | (branch[:, :, None] == branch[:, None, :])
        return {"attention_mask": mask[:, None]}


def _layout(group: Tensor, branch: Tensor) -> branching.BranchLayout:
    """The layout of (R, W) groups, numbered from 1 in each row, and their branches: that of rows with one
    group each, with places in the rows given."""
    number = torch.where(
        group > 0, group * len(group) + torch.arange(len(group), device=group.device)[:, None], 0
    ).flatten()
    places = pad_sequence([(number == n).nonzero()[:, 0] for n in number.unique().tolist() if n], True, -1)
    numbers = branch.flatten()[places]
    packed = branching.layout(torch.where(places < 0, -2, torch.where(numbers == 0, -1, numbers)))
    for part in (packed, *packed.batches):
        part.tokens = places.flatten()[part.tokens]
    packed.computed = places.flatten()[packed.computed]
    return packed


def _masked_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """(T * V, heads, size) of each; mask: (T, 1, V, V)."""
    rows = (mask.shape[0], mask.shape[-1])
    q, k, v = (x.unflatten(0, rows).transpose(1, 2) for x in (query, key, value))
    return scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(0, 1)


def _segment_attention(query: Tensor, key: Tensor, value: Tensor, ends: Tensor) -> Tensor:
    """(N, heads, size) of each; ends: (segments + 1,), from 0."""
    q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
    scaling = query.shape[-1] ** -0.5
    return segments.attend(None, q, k, v, None, cu_seq_lens_q=ends, scaling=scaling)[0][0]


def grow(
    out: Path, model: Any, course: CurriculumExamples, config: GrowthConfig, on_step: OnStep | None = None
) -> None:
    """Write to `out` the model in the folder `model.path` after `config.max_steps` updates of its language
    model on a course."""
    policy, processor = load(model.path)
    policy.model.visual.requires_grad_(False)
    batches = CourseBatches(course, Path(model.path), config)
    train(PackedLoss(policy, processor, config.compile), batches, config, out, on_step)
    save(policy, processor, out)


def load(folder: str | Path) -> tuple[Any, Any]:
    """(model in fp32 whose table of tokens is not trained, processor)."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    model.get_input_embeddings().requires_grad_(False)
    return model, AutoProcessor.from_pretrained(folder)


def save(model: Any, processor: Any, out: Path) -> None:
    """Write a model folder, in one of the processes."""
    if launch.rank() == 0:
        model.save_pretrained(out)
        processor.save_pretrained(out)


def train(
    module: Losses,
    batches: Dataset[Batch],
    config: GrowthConfig,
    out: Path,
    on_step: OnStep | None = None,
) -> None:
    """Minimise the sum of the losses, averaged over the processes.

    Resumes from `<out>.state`, which it writes every `config.save_steps` steps. Means of every ten steps go
    to `metrics.jsonl` in the same folder, and to `on_step`. Raises NotFinite for values that are not finite,
    before they are saved.
    """
    ranks.join()
    processes, main = launch.world_size(), launch.rank() == 0
    device = torch.device("cuda", launch.local_rank()) if torch.cuda.is_available() else torch.device("cpu")
    module.to(device).train()
    bfloat16 = has_bfloat16(device)
    updates = Updates(module, config, torch.bfloat16 if bfloat16 else torch.float32)
    state = out.with_suffix(".state")
    done = _resume(state, module, updates)
    losses = torch.compile(module, dynamic=False) if config.compile else module
    metrics = out.parent / "metrics.jsonl"
    if main:
        truncate(metrics, done)
    with metrics.open("a", encoding="utf-8") if main else nullcontext() as log:
        meter = _Meter(log, module.names, config.max_steps, on_step)
        for step, batch in _loaded(batches, done, config, device):
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16), dense.rounded_scores():
                values = losses(batch)
            (values.sum() / processes).backward()
            ranks.add_gradients(module.parameters())
            norm = nn.utils.clip_grad_norm_(module.parameters(), config.max_grad_norm)
            updates.step()
            meter.add(step + 1, values.detach() / processes, norm, batch)
            saves = (step + 1) % config.save_steps == 0
            if (saves or step + 1 == config.max_steps) and not norm.isfinite():  # once not, it stays so
                raise NotFinite(f"step {step + 1}: the gradient is not finite; the run stops unsaved")
            if saves and main:
                _save(state, step + 1, module, updates)


def _loaded(
    batches: Dataset[Batch], done: int, config: GrowthConfig, device: torch.device
) -> Iterator[tuple[int, Batch]]:
    """(step, batch on the device) of all steps after `done`."""
    steps = range(done, config.max_steps)
    ahead: dict[str, Any] = {}
    if config.workers:
        ahead = {"prefetch_factor": 2, "multiprocessing_context": "spawn", "worker_init_fn": _one_thread}
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


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def _save(path: Path, step: int, module: nn.Module, updates: Updates) -> None:
    part = path.with_name(f"{path.name}.part")
    torch.save({"step": step, "model": module.state_dict(), "updates": updates.state_dict()}, part)
    os.replace(part, path)


def _resume(path: Path, module: nn.Module, updates: Updates) -> int:
    """Load a state that `_save` wrote, if there is one. Returns the number of steps done."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["model"])
    updates.load_state_dict(state["updates"])
    return state["step"]


class _Meter:
    """Means of every ten steps, as a line of JSON in `log` and for `on_step`; in a process without a log, its
    part of them."""

    def __init__(self, log: Any, names: Sequence[str], steps: int, on_step: OnStep | None) -> None:
        self.log, self.names, self.steps, self.on_step, self.rows = log, names, steps, on_step, []
        self.began = time.perf_counter()

    def add(self, step: int, losses: Tensor, norm: Tensor, batch: Batch) -> None:
        """losses: this process's part of the means. norm: of the gradient, equal in all."""
        counts = [(batch["group"] > 0).sum(), batch["pictures"]]
        self.rows.append(torch.cat([losses, torch.stack([norm / launch.world_size(), *counts])]).float())
        if step % 10:
            return
        *means, grad_norm, tokens, pictures = ranks.added(torch.stack(self.rows).mean(0)).tolist()
        seconds = (time.perf_counter() - self.began) / len(self.rows)
        by_name = dict(zip(self.names, means, strict=True))
        rates = {"tokens_per_s": tokens / seconds, "pictures_per_s": pictures / seconds}
        row = {"step": step, **by_name, "grad_norm": grad_norm, **rates}
        if self.log:
            self.log.write(json.dumps(row) + "\n")
            self.log.flush()
        if self.on_step:
            said = ", ".join(f"{name} {value:.3f}" for name, value in by_name.items())
            detail = f"{said}, {rates['tokens_per_s']:,.0f} tokens/s"
            self.on_step(row | {"steps": self.steps, "detail": detail})
        self.rows, self.began = [], time.perf_counter()
