"""Prompts of families built by `shrunk.py`: words with pictures and clips of noise, as a processor would
encode them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from seethink.models.encoder import Prompt
from seethink.models.families import Family, family_of
from tests.shrunk import BEGIN, END

# Pictures --------------------------------------------------------------------------------------------------


def _noise(number: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))


def _vision(model: Any) -> Any:
    return getattr(model.config, "vision_config", model.config)


def _square(model: Any, number: int) -> dict[str, Tensor]:
    vision = _vision(model)
    size = getattr(vision, "sam_config", vision).image_size
    size = size if isinstance(size, int) else size[0]
    return {"pixel_values": _noise(number, 1, 3, size, size)}


def _patches(
    model: Any, number: int, square: bool = False, grid: str = "image_grid_thw"
) -> dict[str, Tensor]:
    """Rows of patches, and how many there are in height and width: more in the second picture."""
    vision, (height, width) = _vision(model), (4, 8 if number else 4)
    channels = getattr(vision, "in_channels", None) or getattr(vision, "num_channels", 3)
    side, times = vision.patch_size, getattr(vision, "temporal_patch_size", 1)
    shape = (channels, side, side) if square else (channels * times * side * side,)
    sizes = [[1, height, width]] if grid.endswith("thw") else [[height, width]]
    return {"pixel_values": _noise(number, height * width, *shape), grid: torch.tensor(sizes)}


def _sized(model: Any, number: int) -> dict[str, Tensor]:
    size = _vision(model).image_size
    return _square(model, number) | {"image_sizes": torch.tensor([[size, size]])}


def _nested(model: Any, number: int) -> dict[str, Tensor]:
    size = _vision(model).image_size
    seen = torch.ones(1, 1, size, size, dtype=torch.bool)
    return {"pixel_values": _noise(number, 1, 1, 3, size, size), "pixel_attention_mask": seen}


def _tiles(model: Any, number: int) -> dict[str, Tensor]:
    size = _vision(model).image_size
    return {"pixel_values": _noise(number, 1, 2, 3, size, size), "image_sizes": torch.tensor([[size, size]])}


def _strip(model: Any, number: int) -> dict[str, Tensor]:
    """Patches side by side."""
    side = _vision(model).patch_size
    size = {"target_sizes": torch.tensor([[8, 8]], dtype=torch.int32)}
    return {"pixel_values": _noise(number, 1, 3, side, 64 * side)} | size


def _flat(model: Any, number: int) -> dict[str, Tensor]:
    """Padded rows of patches with their shapes."""
    shape = {"spatial_shapes": torch.tensor([[4, 4]]), "pixel_attention_mask": torch.ones(1, 16, dtype=int)}
    return {"pixel_values": _noise(number, 1, 16, 3 * _vision(model).patch_size ** 2)} | shape


MEDIA: Mapping[str, Callable[[Any, int], dict[str, Tensor]]] = {
    "fuyu": lambda model, number: {"pixel_values": _noise(number, 1, 16, 3 * 8 * 8)},
    "gemma3n": lambda model, number: {"pixel_values": _noise(number, 1, 3, 32, 32)},
    "granite4_vision": _tiles,
    "idefics2": _nested,
    "kimi_k25": lambda model, number: _patches(model, number, square=True),
    "lfm2_vl": _flat,
    "lighton_ocr": _sized,
    "llava_next_video": _tiles,
    **dict.fromkeys(("minicpm_ocr", "minicpmv4_6", "minicpmv4_7"), _strip),
    "mistral_large4": _sized,
    "nemotron_h_omni": lambda model, number: _patches(model, number, grid="image_grid_hw"),
    "paddleocr_vl": lambda model, number: _patches(model, number, square=True),
    "video_llama_3": lambda model, number: _patches(model, number) | {"image_merge_sizes": torch.tensor([2])},
}
"""{model type: (model, number of the picture) -> tensors}, where a picture is neither a square nor, for
models that take a grid, a row of patches."""


def _tower(model: Any, kind: str = "image") -> Any:
    name = f"get_{kind}_features"
    return getattr(model, name, None) or getattr(model.model, name)


def _media(model: Any, number: int) -> dict[str, Tensor]:
    by_grid = "image_grid_thw" in inspect.signature(_tower(model)).parameters
    return MEDIA.get(model.config.model_type, _patches if by_grid else _square)(model, number)


@torch.no_grad()
def _n_features(model: Any, media: Mapping[str, Tensor], kind: str = "image") -> int:
    """How many tokens the model makes of a picture or a clip."""
    out = _tower(model, kind)(**media, return_dict=True)
    features = out.last_hidden_state if out.pooler_output is None else out.pooler_output
    if features is None:  # Granite 4 Vision adds features to several layers, and embeds none
        _, features = out.deepstack_features[0]
    rows = features if isinstance(features, list | tuple) else [features]
    return sum(row.numel() // row.shape[-1] for row in rows)


def prompt(model: Any, pictures: int, family: Family | None = None) -> Prompt:
    """A prompt of words and `pictures`, as a processor would encode it."""
    ids, kinds, shown = [1, *range(40, 50)], [0] * 11, []
    for number in range(pictures):
        shown.append(_media(model, number))
        tokens = _n_features(model, shown[-1])
        ids += [*[model.config.image_token_id] * tokens, 60 + number, 61]
        kinds += [*[1] * tokens, 0, 0]
    ids, kinds = [*ids, *range(70, 82)], [*kinds, *[0] * 12]
    names = dict.fromkeys(name for one in shown for name in one)
    strips = MEDIA.get(model.config.model_type) is _strip
    axes = {name: 3 if strips and name == "pixel_values" else 0 for name in names}
    media = {name: torch.cat([one[name] for one in shown], axes[name]) for name in names}
    family = family or family_of(model.config)
    return Prompt(ids, kinds, media, f"{pictures} pictures", family=family, loaded=(0,) * pictures)


# Clips -----------------------------------------------------------------------------------------------------


def _frames(model: Any, frames: int, seconds: float) -> dict[str, Tensor]:
    """A square for each frame."""
    size = _vision(model).image_size
    return {"pixel_values_videos": _noise(0, 1, frames, 3, size, size)}


def _patched_frames(model: Any, frames: int, seconds: float) -> dict[str, Tensor]:
    """Rows of patches, and how many there are in time, height and width: four tokens for each time."""
    vision = _vision(model)
    merge, per_time = getattr(vision, "spatial_merge_size", 2), getattr(vision, "temporal_patch_size", 1)
    times, side = frames // per_time, 2 * merge
    channels = getattr(vision, "in_channels", None) or getattr(vision, "num_channels", 3)
    patches = _noise(0, times * side * side, channels * per_time * vision.patch_size**2)
    return {"pixel_values_videos": patches, "video_grid_thw": torch.tensor([[times, side, side]])}


def _timed_frames(model: Any, frames: int, seconds: float) -> dict[str, Tensor]:
    media = _patched_frames(model, frames, seconds)
    return media | {"video_second_per_grid": torch.tensor([seconds / int(media["video_grid_thw"][0, 0])])}


CLIPS: Mapping[str, Callable[[Any, int, float], dict[str, Tensor]]] = {
    **dict.fromkeys(("llava_next_video", "video_llava"), _frames),
    "video_llama_3": lambda *given: _patched_frames(*given) | {"video_merge_sizes": torch.tensor([2])},
    **dict.fromkeys(("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"), _timed_frames),
}
"""{model type: (model, frames, seconds) -> tensors} of families whose clips are one run of tokens, which no
function of theirs places by the kinds of tokens."""


def _run_prompt(model: Any, frames: int, seconds: float) -> Prompt:
    """A prompt with a clip in one run of tokens."""
    config = model.config
    media = CLIPS[config.model_type](model, frames, seconds)
    seen = {name: value for name, value in media.items() if name != "video_second_per_grid"}
    tokens = _n_features(model, seen, "video")
    mark = getattr(config, "video_token_id", None) or config.video_token_index
    ids = [1, *range(40, 50), BEGIN, *[mark] * tokens, END, *range(70, 82)]
    kinds = [*[0] * 12, *[2] * tokens, *[0] * 13]
    key = f"{frames} frames in {seconds} s"
    return Prompt(ids, kinds, media, key, family=family_of(config), loaded=(0,))


def takes_clips(model: Any) -> bool:
    """Whether clips of the model are built here: of all that place them by their grids, as M-RoPE needs."""
    if model.config.model_type in CLIPS:
        return True
    if "video_grid_thw" not in inspect.signature(model.forward).parameters:
        return False
    place = getattr(getattr(model, "model", None), "get_rope_index", None)
    return place is not None and "mm_token_type_ids" in inspect.signature(place).parameters


def clip_prompt(model: Any, frames: int, seconds: float) -> Prompt:
    """A prompt with a clip: its tokens in one run, or a run for each of its times where the model's own
    positions want a text, the time, between."""
    if model.config.model_type in CLIPS:
        return _run_prompt(model, frames, seconds)
    vision, family = _vision(model), family_of(model.config)
    timed = "video_second_per_grid" in inspect.signature(model.forward).parameters
    media = (_timed_frames if timed else _patched_frames)(model, frames, seconds)
    times = int(media["video_grid_thw"][0, 0])
    pictures = model.config.model_type.startswith("glm")  # whose frames are pictures, told by their kind
    token = model.config.image_token_id if pictures else model.config.video_token_id
    for runs in (1, times):
        ids, kinds = [1, *range(40, 50)], [0] * 11
        for run in range(runs):
            tokens = times * 4 // runs // getattr(vision, "temporal_merge_size", 1)
            ids += [100 + run, *[token] * tokens]
            kinds += [0, *[2] * tokens]
        ids, kinds = [*ids, *range(70, 82)], [*kinds, *[0] * 12]
        if runs == times or _places(model, ids, kinds, media["video_grid_thw"]):
            break
    key = f"{frames} frames in {seconds} s"
    return Prompt(ids, kinds, media, key, family=family, loaded=(0,))


def _places(model: Any, ids: list[int], kinds: list[int], grid: Tensor) -> bool:
    """Whether the model's positions fit a clip in one run."""
    try:
        model.model.get_rope_index(
            torch.tensor([ids]), mm_token_type_ids=torch.tensor([kinds]), video_grid_thw=grid
        )
    except (RuntimeError, IndexError, StopIteration, ValueError) as error:
        return not str(error)
    return True
