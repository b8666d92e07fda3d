"""What the trainer makes of answers that vLLM gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seethink.families import Encoder, Prompt
from seethink.train.groups import Branch, Group, pack_groups
from seethink.train.shared_prefix import Scorer
from seethink.types import Completion


def differences(
    model: Any,
    encoder: Encoder,
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[Completion]],
    temperature: float = 1.0,
) -> Tensor:
    """(N,) by how much each token's log-probability in vLLM is off that in shared rows of `model`.

    vLLM never samples media tokens, and tells the probabilities of what is left. A trained model gives such
    tokens no probability worth a name; random ones do, so they are taken from the model too.
    """
    media = torch.tensor(encoder.media_token_ids)
    hook = model.lm_head.register_forward_hook(lambda _, __, logits: logits.index_fill(-1, media, -torch.inf))
    groups = [
        Group(prompt, [Branch(c.token_ids, sampled=c.logps) for c in completions])
        for prompt, completions in zip(prompts, answers, strict=True)
    ]
    found = []
    try:
        with torch.no_grad():
            for pack in pack_groups(groups, 4096):
                sampled = torch.tensor([logp for branch in pack.branches for logp in branch.sampled])
                found.append(Scorer(model)(pack, temperature) - sampled)
    finally:
        hook.remove()
    return torch.cat(found)
