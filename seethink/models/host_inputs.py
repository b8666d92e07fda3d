"""What depends on the data of a pack but not on the weights, computed on the host beforehand, so that no pass
waits for an accelerator's results.

transformers takes what a tower would compute from the sizes of its pictures as `image_cu_seqlens` and the
like. Families whose tower takes all pictures as one row of patches (`Family.segments`) need it; other towers
are called as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import vision_utils

from seethink.models import vision_cache
from seethink.models.families import Family
from seethink.models.packing import Pack

_KINDS = {"image": (1, "pixel_values"), "video": (2, "pixel_values_videos")}
"""Number of a medium's tokens in `Pack.kinds`, and the name of its pixels."""


def places(which: Sequence[bool], lengths: Sequence[int]) -> Tensor:
    """Where the trained tokens of some branches are among those of all, on the host: masks would have to be
    counted on the accelerator. lengths: trained tokens of each branch."""
    return torch.tensor(which).repeat_interleave(torch.tensor(lengths)).nonzero()[:, 0]


def moved(value: Any, device: torch.device) -> Any:
    """A layout of attention, made on the host, on another device: tensors, also in lists and dataclasses."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, list):
        return [moved(item, device) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{name: moved(part, device) for name, part in vars(value).items()})
    return value


def model_inputs(model: Any, family: Family, pack: Pack, more: tuple[int, int]) -> dict[str, Any]:
    """Tokens and media of the pack, padded by `more`, as arguments of the model's forward.

    Where transformers would read numbers back from the accelerator (`Family.segments`), the tower is called
    here, grids and bounds of segments stay on the host, and features are put at their tokens. Raises
    ValueError where their numbers differ."""
    ids, host = pad(pack.ids, more, value=pack.groups[0].prompt.pad_token_id), pack.host or pack
    if not family.segments:
        return {"input_ids": ids, **vision_cache.inputs(pack.media)}
    embeds = model.get_input_embeddings()(ids)
    for kind, (number, pixels) in _KINDS.items():
        at = pad(host.kinds == number, more).flatten().nonzero()[:, 0]
        grid = host.media.get(f"{kind}_grid_thw")
        merged = model.config.vision_config.spatial_merge_size**2
        n_features = 0 if grid is None else int(grid.prod(-1).sum()) // merged
        if len(at) != n_features:
            raise ValueError(f"{len(at)} {kind} tokens for {n_features} features, in {host.groups[0].name}")
        if grid is not None:
            known = pack.media.get(f"{kind}_features")
            features = known if known is not None else _features(model, kind, pack.media[pixels], grid)
            rows = embeds.flatten(0, 1).index_copy(0, at.to(ids.device), features.to(embeds.dtype))
            embeds = rows.unflatten(0, ids.shape)
    return {"inputs_embeds": embeds}


def _features(model: Any, kind: str, pixels: Tensor, grid: Tensor) -> Tensor:
    """(tokens of all media, H)"""
    given = _tower(grid, model.config.vision_config, pixels.device)
    tower = getattr(model.model, f"get_{kind}_features")
    found = tower(pixels, grid, return_dict=True, **{f"{kind}_{name}": x for name, x in given.items()})
    return torch.cat(list(found.pooler_output))


def _tower(grid: Tensor, vision: Any, device: torch.device) -> dict[str, Any]:
    positions = vision_utils.get_vision_position_ids(grid, vision.spatial_merge_size)
    bounds = vision_utils.get_vision_cu_seqlens(grid)
    found = {"position_ids": positions.to(device), "cu_seqlens": bounds, "max_seqlen": _longest(bounds)}
    if getattr(vision, "fullatt_block_indexes", None) is not None:
        order, bounds = vision_utils.get_vision_window_index(
            grid, vision.spatial_merge_size, vision.window_size, vision.patch_size
        )
        found |= {"window_index": order.to(device), "cu_window_seqlens": bounds}
        found |= {"max_window_seqlen": _longest(bounds)}
    return found


def _longest(bounds: Tensor) -> int:
    return int(bounds.diff().max())
