"""Trained and frozen parts of a model, low-rank adapters, and merging them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from seethink.models.policy import PolicyModel
from seethink.train.configs import TrainingConfig
from seethink.types import InputError, NotFinite

ADAPTER = ".lora_"


def mixed_precision(config: TrainingConfig) -> bool:
    """Whether forward passes are autocast to bf16."""
    return torch.cuda.is_available() if config.bf16 is None else config.bf16


def prepare(policy: PolicyModel, config: TrainingConfig) -> None:
    """Add adapters and freeze parts as `config` says; what is frozen already stays frozen.

    Raises ValueError where nothing would be trained, and InputError where a part is named that the model
    does not tell from others.
    """
    model, parts = policy.model, policy.parts
    if not parts.known and (config.lora_rank or config.names_a_part):
        raise InputError(
            f"{type(model).__name__} names no vision tower and language model, so its parts cannot be told "
            f"apart; leave out lora_rank and the learning rates of parts"
        )
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    if config.lora_rank and not _adapters(model):
        from peft import LoraConfig

        alpha = config.lora_alpha or 2 * config.lora_rank
        adapters = LoraConfig(r=config.lora_rank, lora_alpha=alpha, target_modules=_linear(policy))
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model.add_adapter(adapters)
    for name, parameter in model.named_parameters():
        part = parts.of(name)
        base = bool(config.lora_rank) and part == "language" and ADAPTER not in name
        parameter.requires_grad_(name not in frozen and not base and config.rate(part) > 0)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("every part is frozen: nothing would be trained")


def _linear(policy: PolicyModel) -> list[str]:
    """Names of all linear layers of the language model, except the output layer."""
    return [
        name
        for name, module in policy.model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and policy.parts.of(f"{name}.") == "language"
        and not name.startswith("lm_head")
    ]


def _adapters(model: Any) -> dict[str, Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}


@torch.no_grad()
def merge(model: Any) -> None:
    """Merge adapters into the weights and remove them: an ordinary model again, in full precision. 4-bit
    weights are dequantised first, so that the merged model equals the trained one."""
    for name, layer in _adapters(model).items():
        base = layer.get_base_layer()
        plain = torch.nn.Linear(base.in_features, base.out_features, base.bias is not None, device="meta")
        plain.weight, plain.bias = torch.nn.Parameter(_merged(layer)), base.bias
        model.set_submodule(name, plain)
    if not torch.stack([p.isfinite().all() for p in model.parameters()]).all():
        raise NotFinite("the merged weights are not numbers")
    model._hf_peft_config_loaded = False
    if getattr(model, "hf_quantizer", None) is not None:
        model.hf_quantizer.remove_quantization_config(model)


def _merged(layer: Any) -> Tensor:
    from peft.utils.integrations import dequantize_module_weight

    return dequantize_module_weight(layer.get_base_layer()).float() + layer.get_delta_weight("default")


@torch.no_grad()
def merged_weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """(name, weight) pairs that `merge` would leave, one by one; the model is not changed."""
    adapters = _adapters(model)
    for name, value in model.named_parameters(remove_duplicate=False):
        if ADAPTER in name:
            continue
        owner, _, leaf = name.rpartition(".base_layer.")
        if owner in adapters and leaf == "weight":
            value = _merged(adapters[owner])
        yield (f"{owner}.{leaf}" if owner else name), value
