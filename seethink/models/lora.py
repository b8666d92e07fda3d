"""LoRA adapters: merged into their model's weights, written as a folder of PEFT, and read as the whole model
that such a folder and its base make.

A kept adapter names the model that its first training began with as its base. Trained on top of another one,
it holds both: B1 A1 + B2 A2 is one product of stacked matrices, so that one base in memory serves all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seethink.models.names import ADAPTER_FILE, adapter_base
from seethink.models.saving import follow_umask, save_processor
from seethink.types import InputError, NotFinite

ADAPTER = ".lora_"
_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_MORE = ("use_dora", "modules_to_save", "fan_in_fan_out", "layer_replication", "target_parameters")
"""Settings of PEFT by which an adapter is more than two factors for each linear layer."""


def layers(model: Any) -> dict[str, Any]:
    """{name: layer} of all layers with adapters."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}


# Merging --------------------------------------------------------------------------------------------------


@torch.no_grad()
def merge(model: Any) -> None:
    """Merge adapters into the weights and remove them: an ordinary model again, in full precision. 4-bit
    weights are dequantised first, so that the merged model equals the trained one."""
    for name, layer in layers(model).items():
        base = layer.get_base_layer()
        plain = torch.nn.Linear(base.in_features, base.out_features, base.bias is not None, device="meta")
        plain.weight, plain.bias = torch.nn.Parameter(_merged(layer)), base.bias
        model.set_submodule(name, plain)
    if not torch.stack([p.isfinite().all() for p in model.parameters()]).all():
        raise NotFinite("the merged weights are not numbers")
    model._hf_peft_config_loaded = False
    vars(model).pop("peft_config", None)  # PEFT would take the next adapter for a second one
    if getattr(model, "hf_quantizer", None) is not None:
        model.hf_quantizer.remove_quantization_config(model)


def _merged(layer: Any) -> Tensor:
    from peft.utils.integrations import dequantize_module_weight

    return dequantize_module_weight(layer.get_base_layer()).float() + layer.get_delta_weight("default")


@torch.no_grad()
def merged_weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """(name, weight) pairs that `merge` would leave, one by one; the model is not changed."""
    adapters = layers(model)
    for name, value in model.named_parameters(remove_duplicate=False):
        if ADAPTER in name:
            continue
        owner, _, leaf = name.rpartition(".base_layer.")
        if owner in adapters and leaf == "weight":
            value = _merged(adapters[owner])
        yield (f"{owner}.{leaf}" if owner else name), value


# Folders --------------------------------------------------------------------------------------------------


@torch.no_grad()
def merge_folder(model: Any, folder: str) -> None:
    """Add the adapter of a folder to the weights of the model that is its base. Raises InputError for what is
    no plain LoRA of linear layers, and for an adapter of another model."""
    modules: dict[str, Any] = dict(model.named_modules())
    for name, (a, b) in _factors(folder).items():
        layer = modules.get(name)
        if not isinstance(layer, torch.nn.Linear) or layer.weight.shape != (len(b), a.shape[1]):
            raise InputError(
                f"{folder} is no adapter of the linear layers of {model.name_or_path}, without such a {name}"
            )
        layer.weight += (b @ a).to(layer.weight)


def save_adapter_folder(model: Any, processor: Any, folder: Path) -> None:
    """The model's adapter as PEFT writes it, with the processor beside it. Of a model
    that was loaded from such a folder, the adapter of both."""
    from peft import LoraConfig

    loaded = model.name_or_path
    base = adapter_base(loaded)
    earlier = _factors(loaded) if base else {}
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    for name, layer in layers(model).items():
        a, b = (getattr(layer, f"lora_{letter}")["default"].weight.detach().float().cpu() for letter in "AB")
        parts = [*([earlier.pop(name)] if name in earlier else []), (a, b * layer.scaling["default"])]
        factors[name] = torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts], 1)
    factors |= earlier
    ranks = {name: len(a) for name, (a, _) in factors.items()}
    rank = max(ranks.values())
    own = {name: n for name, n in ranks.items() if n != rank}
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=sorted(factors), rank_pattern=own, alpha_pattern=own,
        inference_mode=True, base_model_name_or_path=base or loaded,
    )  # fmt: skip
    config.save_pretrained(str(folder))
    tensors = {
        f"{_PREFIX}{name}.lora_{letter}.weight": factor.contiguous()
        for name, both in factors.items()
        for letter, factor in zip("AB", both, strict=True)
    }
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise NotFinite("the adapter's weights are not numbers")
    save_file(tensors, folder / _WEIGHTS, {"format": "pt"})
    save_processor(processor, folder)
    follow_umask(folder)


def _factors(folder: str) -> dict[str, tuple[Tensor, Tensor]]:
    """{layer: (A (r, in), B (out, r)), the scale in B} of a folder. Raises InputError for what is no plain
    LoRA."""
    settings = json.loads(Path(folder, ADAPTER_FILE).read_text(encoding="utf-8"))
    odd = [name for name in _MORE if settings.get(name)]
    odd += ["bias"] if settings.get("bias", "none") != "none" else []
    odd += [] if settings.get("peft_type") == "LORA" else ["peft_type"]
    if odd:
        what = f"more than a plain LoRA ({', '.join(odd)})"
        raise InputError(f"{folder} is {what}; merge it into its model with PEFT")
    if not Path(folder, _WEIGHTS).is_file():
        raise InputError(f"{folder} holds no {_WEIGHTS}; save the adapter with PEFT again")
    tensors = load_file(Path(folder, _WEIGHTS))
    names = {name.removeprefix(_PREFIX).rpartition(".lora_")[0] for name in tensors}
    if len(tensors) != 2 * len(names):
        raise InputError(f"{folder} is more than a plain LoRA; merge it into its model with PEFT")
    return {name: _scaled(name, tensors, settings) for name in sorted(names)}


def _scaled(name: str, tensors: dict[str, Tensor], settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    from peft.utils.other import get_pattern_key

    a, b = (tensors[f"{_PREFIX}{name}.lora_{letter}.weight"].float() for letter in "AB")
    alphas = settings.get("alpha_pattern") or {}
    alpha = alphas.get(get_pattern_key([*alphas], name), settings["lora_alpha"])
    return a, b * (alpha / len(a) ** (0.5 if settings.get("use_rslora") else 1))
