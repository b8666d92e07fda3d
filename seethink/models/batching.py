"""Batches of prompts: concatenated media, position ids, cross-attention masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from seethink.models.encoder import Prompt
from seethink.models.families import Family

CROSS = "cross_attention_mask"
FEATURES = ("_features", "_deepstack")
"""Suffixes of media that are features already (`vision_cache.py`)."""
ROPE = ("image_grid_thw", "video_grid_thw", "second_per_grid_ts")


def join_media(prompts: Sequence[Prompt]) -> dict[str, Tensor]:
    """Media of all prompts, concatenated in order along the family's axis; other axes are padded with
    zeros."""
    names = dict.fromkeys(name for prompt in prompts for name in prompt.media if name != CROSS)
    own = prompts[0].family.media_axis
    axes = {name: 0 if name.endswith(FEATURES) else own for name in names}
    return {name: _cat([p.media[name] for p in prompts if name in p.media], axes[name]) for name in names}


def _cat(tensors: Sequence[Tensor], axis: int) -> Tensor:
    sizes = [max(t.shape[i] for t in tensors) for i in range(tensors[0].dim())]
    grown = []
    for tensor in tensors:
        missing = [0 if i == axis else size - tensor.shape[i] for i, size in enumerate(sizes)]
        grown.append(pad(tensor, [x for m in reversed(missing) for x in (0, m)]) if any(missing) else tensor)
    return torch.cat(grown, axis if tensors[0].dim() > axis else 0)


def cross_mask(prompts: Sequence[Prompt], width: int, left: bool) -> dict[str, Tensor]:
    """{name: (B, width, pictures, tiles)} which tiles each token attends to, for families with
    cross-attention; empty for others.

    left: prompts are padded on the left; otherwise the tokens after a prompt see what its last token sees.
    """
    masks = [prompt.media[CROSS] for prompt in prompts if CROSS in prompt.media]
    if not masks:
        return {}
    rows = []
    for mask in masks:
        missing = width - mask.shape[1]
        fill = torch.zeros_like(mask[:, :1]) if left else mask[:, -1:]
        more = fill.expand(-1, missing, -1, -1)
        rows.append(torch.cat([more, mask] if left else [mask, more], 1))
    return {CROSS: torch.cat(rows)}


def positions(
    model: Any, family: Family, ids: Tensor, kinds: Tensor, seen: Tensor, media: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Position ids of (B, P) prompts, (3, B, P) for M-RoPE, else (B, P); and (B, 1) the first position of an
    answer. seen (B, P): attention mask.

    The first position is that of one more text token, by the model's own function. It is not the highest
    position plus one: text after a clip begins after the larger side of a frame, and the clip's times may run
    further."""
    after = seen.shape[1] - seen.flip(-1).long().argmax(-1, keepdim=True)  # (B, 1): behind the last token
    ids, kinds, seen = pad(ids, (0, 1)), pad(kinds, (0, 1)), pad(seen.long(), (0, 1)).scatter(1, after, 1)
    found = (seen.cumsum(-1) - 1).clamp(min=0)
    if family.mrope:
        grids = {name: media[name] for name in ROPE if name in media}
        found, _ = model.model.get_rope_index(ids, mm_token_type_ids=kinds, attention_mask=seen, **grids)
    first = found.gather(-1, after.expand(*found.shape[:-1], 1))
    return found[..., :-1], first if found.dim() == 2 else first[0]


def continued(
    prompt: Prompt, ids: Sequence[int], kinds: Sequence[int], shown: Sequence[Prompt], key: str = ""
) -> Prompt:
    """A prompt with more tokens, of which `shown` are observations with media, in order."""
    parts = [prompt, *shown]
    return replace(
        prompt,
        ids=[*prompt.ids, *ids],
        kinds=[*prompt.kinds, *(kinds or [0] * len(ids))],
        media=join_media(parts) if shown else prompt.media,
        key=f"{prompt.key}{key}",
        prefill="",
        text="",
        loaded=tuple(medium for part in parts for medium in part.loaded),
        media_keys=tuple(one for part in parts for one in part.media_keys),
    )


def positions_after(model: Any, prompt: Prompt, row: Prompt) -> Tensor:
    """(3, n) M-RoPE position ids of the tokens of `row`, on the CPU, that come after those of `prompt`, which
    it continues."""
    ids, kinds = torch.tensor([row.ids]), torch.tensor([row.kinds])
    grids = {name: value.cpu() for name, value in row.media.items() if name in ROPE}
    found, _ = positions(model, row.family, ids, kinds, torch.ones_like(ids), grids)
    return found[:, 0, len(prompt.ids) :]


def text_follows_highest(model: Any, prompt: Prompt) -> bool:
    """Whether all text of a prompt, and the answer, stands right after the highest position before it, as
    vLLM and transformers' cached decoding place it. Not so under M-RoPE after a clip of more times than a
    frame is wide and high."""
    ids, kinds = torch.tensor([prompt.ids]), torch.tensor([prompt.kinds])
    media = {name: value.cpu() for name, value in prompt.media.items() if name in ROPE}
    found, first = positions(model, prompt.family, ids, kinds, torch.ones_like(ids), media)
    places = torch.cat([found.flatten(0, -2).amax(0), first[0]])
    follows = places == pad(places.cummax(0).values[:-1] + 1, (1, 0))
    return bool(follows[pad(kinds[0] == 0, (0, 1), value=True)].all())


def batches(prompts: Sequence[Prompt], n: int, max_tokens: int, limit: int) -> Iterator[list[int]]:
    """Indices of prompts whose media can be concatenated, longest first, in batches of at most `limit` tokens
    if each prompt gets `n` rows and each row `max_tokens` more."""
    alike = [prompt.family.alike(prompt.media) for prompt in prompts]
    batch: list[int] = []
    for i in sorted(range(len(prompts)), key=lambda i: (repr(alike[i]), -len(prompts[i].ids))):
        longest = len(prompts[batch[0] if batch else i].ids) + max_tokens
        if batch and ((len(batch) + 1) * n * longest > limit or alike[i] != alike[batch[0]]):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
