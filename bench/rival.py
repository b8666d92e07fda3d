"""TRL's GRPOTrainer on the questions of a shape: its own rollout, its own loss and backward.

At its best for these shapes: on-policy, so that it needs no second pass for old log-probabilities; no
reference model, no gradient checkpointing, answers of one length, so that nothing is padded. What it does
whatever one says: its fused head computes entropies, and without Triton scores the prompt's tokens too. It
has nothing that shares a prompt with pictures: `trl.experimental.async_grpo.packing` shares token ids alone,
freezes all but the language model, and needs FlashAttention 3.
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
from seethink.engines.batch import join_media
from seethink.families import SPROUT, Prompt
from seethink.train.groups import Group


def config(shape: Shape, out: Path, **more: Any) -> GRPOConfig:
    fixed: dict[str, Any] = dict(
        output_dir=str(out), per_device_train_batch_size=shape.questions * shape.group,
        num_generations=shape.group, max_completion_length=shape.response, beta=0.0, loss_type="grpo",
        temperature=1.0, top_k=0, top_p=1.0, gradient_checkpointing=False, report_to=[],
        save_strategy="no", disable_tqdm=True, use_cpu=True, bf16=False,
    )  # fmt: skip
    return GRPOConfig(**fixed | more)


class Quiet(GRPOTrainer):
    """TRL's trainer as it is, but nothing about this machine is sent to anybody."""

    def _send_telemetry(self) -> None: ...


class Rival(Quiet):
    """TRL's trainer, asked for one update or one rollout of given questions instead of a training."""

    def __init__(self, model: Any, shape: Shape, out: Path, **more: Any) -> None:
        self.policy = model.train()
        self.heard: list[Tensor] = []
        super().__init__(
            model,
            lambda completions, **_: [0.0] * len(completions),
            args=config(shape, out, **more),
            train_dataset=Dataset.from_dict({"prompt": ["?"] * shape.questions}),
            processing_class=AutoProcessor.from_pretrained(str(SPROUT)),
        )

    def update(self, batches: Sequence[list[Group]]) -> Tensor:
        """Leaves gradients in the model, one backward for each batch of groups; (B * G, C)
        log-probabilities."""
        self.heard.clear()
        self.current_gradient_accumulation_steps = len(batches)
        for groups in batches:
            self.compute_loss(self.policy, inputs(groups, self.policy.device)).backward()
        return torch.cat(self.heard)

    def rollout(self, prompts: list[Prompt], group: int) -> list[list[int]]:
        """Token ids of `group` answers to each prompt."""
        copies = [prompt for prompt in prompts for _ in range(group)]
        fields = {**join_media(copies), "mm_token_type_ids": [prompt.kinds for prompt in copies]}
        ids, _ = self._generate_single_turn([prompt.ids for prompt in copies], None, fields, group)
        return ids

    def _get_per_token_logps_and_entropies(self, *given: Any, **named: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*given, **named)
        self.heard.append(found[0].detach())
        return found


def inputs(groups: list[Group], device: torch.device) -> dict[str, Any]:
    """What TRL makes of a batch before its loss: a row for every answer, its picture with it."""
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
