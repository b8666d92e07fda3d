"""Ordinary rows `[prompt | branch]`, one after another, as the model computes them by itself: for families
that cannot share rows, and to verify that those that do get the same numbers.

Masks, positions, token types and logits are the model's own: nothing here knows a family."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers.utils.generic import ModelOutput

from seethink.models import vision_cache
from seethink.models.batching import continued, cross_mask, join_media
from seethink.models.encoder import Prompt
from seethink.models.packing import Branch, Group, Pack
from seethink.types import InputError


def inputs(model: Any, prompt: Prompt, rows: int, device: torch.device) -> dict[str, Any]:
    """Arguments of the model's forward, or of its `generate`, for `rows` equal rows of a prompt."""
    ids = torch.tensor([prompt.ids] * rows, device=device)
    kinds = torch.tensor([prompt.kinds] * rows, device=device)
    media = join_media([prompt] * rows) | cross_mask([prompt] * rows, ids.shape[1], left=False)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        **vision_cache.inputs({name: value.to(device) for name, value in media.items()}),
        **{name: kinds for name in ("mm_token_type_ids", "token_type_ids") if name in parameters(model)},
    }


def parameters(model: Any) -> Any:
    """The parameters of the model's forward."""
    return inspect.signature(model.forward).parameters


def logits(model: Any, pack: Pack) -> Tensor:
    """(N, V) logits that predict the pack's trained tokens."""
    return torch.cat([rows for group in pack.groups for rows in _of_group(model, group, pack.ids.device)])


def _of_group(model: Any, group: Group, device: torch.device) -> Iterator[Tensor]:
    """(trained tokens, V) of each branch."""
    for branch in group.branches:
        yield row(model, group.prompt, branch, len(group.prompt.ids) - 1 + branch.places(device))


def row(model: Any, prompt: Prompt, branch: Branch | None, places: Tensor) -> Tensor:
    """(len(places), V) logits at those places of the row; without a branch, of the prompt alone.

    Raises InputError where the model cannot compute the row at all."""
    try:
        if branch is not None and branch.shown:
            prompt, branch = continued(prompt, branch.ids, branch.kinds, branch.shown), None
        row = inputs(model, prompt, 1, places.device)
        row = row if branch is None else _continued(model, row, branch)
        keep = {"logits_to_keep": places} if "logits_to_keep" in parameters(model) else {}
        out = model(**row, use_cache=False, **keep).logits[0]
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise InputError(
            f"{type(model).__name__} cannot compute a prompt and its response as one row, so it cannot be "
            f"trained here: {type(error).__name__}: {str(error).strip()[:300]}"
        ) from error
    return out if keep else out[places]


def _continued(model: Any, row: dict[str, Any], branch: Branch) -> dict[str, Any]:
    """The inputs of a prompt, continued by a response. What masks and token types say of it is what the
    model's own `generate` would: by the function with which it extends them after each token."""
    response = torch.tensor([branch.ids], device=row["input_ids"].device)
    extended = model._update_model_kwargs_for_generation(ModelOutput(), dict(row), is_encoder_decoder=False)
    for name, value in extended.items():
        if isinstance(value, Tensor) and value.shape != row[name].shape:
            last = value[:, -1:].repeat(1, len(branch.ids), *[1] * (value.dim() - 2))
            extended[name] = torch.cat([row[name], last], 1)
    return extended | {"input_ids": torch.cat([row["input_ids"], response], 1)}
