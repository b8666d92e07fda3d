"""Ordinary rows `[prompt | branch]`, one after another, as the model computes them by itself: for families
that cannot share rows, and to verify that those that do get the same numbers."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from seethink.models import vision_cache
from seethink.models.batching import cross_mask, join_media
from seethink.models.packing import Branch, Group, Pack


def hidden_states(model: Any, pack: Pack) -> Tensor:
    """(N, H) hidden states that predict the pack's trained tokens. Masks and positions are the model's
    own."""
    rows = []
    for group in pack.groups:
        for branch in group.branches:
            hidden = _row(model, group, branch, pack.ids.device)
            trained = torch.tensor(branch.trained or [True] * len(branch.ids)).nonzero()[:, 0]
            rows.append(hidden[len(group.prompt.ids) - 1 + trained.to(hidden.device)])
    return torch.cat(rows)


def _row(model: Any, group: Group, branch: Branch, device: torch.device) -> Tensor:
    """(P + C, H)"""
    ids = torch.tensor([[*group.prompt.ids, *branch.ids]], device=device)
    kinds = pad(torch.tensor([group.prompt.kinds], device=device), (0, len(branch.ids)))
    known = inspect.signature(model.model.forward).parameters
    kind_names = [name for name in ("mm_token_type_ids", "token_type_ids") if name in known]
    media = join_media([group.prompt]) | cross_mask([group.prompt], ids.shape[1], left=False)
    return model.model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        use_cache=False,
        **vision_cache.inputs({name: value.to(device) for name, value in media.items()}),
        **dict.fromkeys(kind_names, kinds),
    ).last_hidden_state[0]
