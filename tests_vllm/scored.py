"""The trainer's log-probabilities of vLLM's completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seethink.models.encoder import Encoder, Prompt
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.types import Completion


def differences(
    model: Any,
    encoder: Encoder,
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[Completion]],
    temperature: float = 1.0,
) -> Tensor:
    """(N,) differences of the tokens' log-probabilities: `model` in shared rows minus vLLM.

    vLLM never samples media tokens, and normalises without them. A trained model gives them next to no
    probability; random ones do not, so the tokens are masked in the model too.
    """
    media = torch.tensor(encoder.media_token_ids)
    hook = model.lm_head.register_forward_hook(lambda _, __, logits: logits.index_fill(-1, media, -torch.inf))
    groups = [
        Group(
            prompt,
            [Branch(c.token_ids, sampled=c.logps, sampling_mask=c.sampling_mask) for c in completions],
        )
        for prompt, completions in zip(prompts, answers, strict=True)
    ]
    off = []
    try:
        with torch.no_grad():
            for pack in pack_groups(groups, 4096):
                sampled = torch.tensor([logp for branch in pack.branches for logp in branch.sampled])
                off.append(PolicyModel(model)(pack, temperature) - sampled)
    finally:
        hook.remove()
    return torch.cat(off)
