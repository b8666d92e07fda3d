"""TRL's GRPOTrainer on the questions of a shape: its own rollout, loss and backward.

In its best case for these shapes: on-policy, so that no second pass for old log-probabilities is needed; no
reference model; no gradient checkpointing; answers of equal length, so that nothing is padded. What cannot
be switched off: its fused head computes entropies, and without Triton it also scores the prompt's tokens.
TRL cannot share a prompt that contains images: `trl.experimental.async_grpo.packing` shares token ids only,
freezes everything but the language model, and needs FlashAttention 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoProcessor
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from bench.shape import Shape
from seethink.models.batching import join_media
from seethink.models.encoder import Prompt
from seethink.models.names import SPROUT
from seethink.models.packing import Group


def trl_config(shape: Shape, out: Path, **more: Any) -> GRPOConfig:
    """TRL's settings for all rows of a shape in one batch; `more` overrides them."""
    fixed: dict[str, Any] = dict(
        output_dir=str(out), per_device_train_batch_size=shape.questions * shape.group,
        num_generations=shape.group, max_completion_length=shape.response, beta=0.0, loss_type="grpo",
        temperature=1.0, top_k=0, top_p=1.0, gradient_checkpointing=False, report_to=[],
        save_strategy="no", disable_tqdm=True, use_cpu=True, bf16=False,
    )  # fmt: skip
    return GRPOConfig(**fixed | more)


class UntrackedGRPOTrainer(GRPOTrainer):
    """TRL's trainer without its telemetry."""

    def _send_telemetry(self) -> None: ...


class Rival(UntrackedGRPOTrainer):
    """TRL's trainer for single updates and rollouts of given questions instead of a training."""

    def __init__(self, model: Any, shape: Shape, out: Path, **more: Any) -> None:
        self.policy = model.train()
        self.logps: list[Tensor] = []
        super().__init__(
            model,
            lambda completions, **_: [0.0] * len(completions),
            args=trl_config(shape, out, **more),
            train_dataset=Dataset.from_dict({"prompt": ["?"] * shape.questions}),
            processing_class=AutoProcessor.from_pretrained(str(SPROUT)),
        )

    def update(self, batches: Sequence[list[Group]]) -> Tensor:
        """(B * G, C) log-probabilities. One backward per batch of groups leaves gradients in the model."""
        self.logps.clear()
        self.current_gradient_accumulation_steps = len(batches)
        for groups in batches:
            self.compute_loss(self.policy, inputs(groups, self.policy.device)).backward()
        return torch.cat(self.logps)

    def rollout(self, prompts: list[Prompt], group: int) -> list[list[int]]:
        """Token ids of `group` sampled answers to each prompt."""
        copies = [prompt for prompt in prompts for _ in range(group)]
        fields = {**join_media(copies), "mm_token_type_ids": [prompt.kinds for prompt in copies]}
        ids, _ = self._generate_single_turn([prompt.ids for prompt in copies], None, fields, group)
        return ids

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        logps_and_entropies = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self.logps.append(logps_and_entropies[0].detach())
        return logps_and_entropies


def inputs(groups: list[Group], device: torch.device) -> dict[str, Any]:
    """The inputs of TRL's loss: one row per answer, each with its own copy of the image."""
    rows = [(group.prompt, branch) for group in groups for branch in group.branches]
    prompts, branches = zip(*rows, strict=True)
    prompt_ids = torch.tensor([prompt.ids for prompt in prompts])
    completion_ids = torch.tensor([branch.ids for branch in branches])
    kinds = torch.tensor([prompt.kinds for prompt in prompts])
    tensors = {
        "prompt_ids": prompt_ids,
        "prompt_mask": torch.ones_like(prompt_ids),
        "completion_ids": completion_ids,
        "completion_mask": torch.ones_like(completion_ids),
        "mm_token_type_ids": torch.cat([kinds, torch.zeros_like(completion_ids)], 1),
        "advantages": torch.tensor([branch.advantage for branch in branches]),
        **join_media(prompts),
    }
    return {name: x.to(device) for name, x in tensors.items()} | {"num_images": [1] * len(rows)}
