"""Trained and frozen parts of a model, and low-rank adapters."""

from __future__ import annotations

from functools import cache
from time import perf_counter

import torch

from seethink.models.lora import ADAPTER, layers
from seethink.models.policy import PolicyModel
from seethink.train.configs import TrainingConfig
from seethink.types import InputError


def mixed_precision(config: TrainingConfig) -> bool:
    """Whether forward passes are autocast to bf16."""
    return torch.cuda.is_available() if config.bf16 is None else config.bf16


def has_bfloat16(device: torch.device) -> bool:
    """Whether a GPU or a CPU multiplies faster in bfloat16 than in fp32.

    A CPU with instructions for it is timed: with those of AVX-512 alone, products took twice as long as in
    fp32 on an Intel Xeon, and half as long on an AMD EPYC.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    there = any(there for name, there in torch.cpu.get_capabilities().items() if name.endswith("bf16"))
    return there and _product_s(torch.bfloat16) < 0.75 * _product_s(torch.float32)


@cache
def _product_s(dtype: torch.dtype) -> float:
    """The shortest of five times of a product of two matrices on this CPU, in seconds."""
    a, times = torch.ones(1024, 512, dtype=dtype), []
    b = torch.ones(512, 512, dtype=dtype)
    for _ in range(5):
        began = perf_counter()
        torch.mm(a, b)
        times.append(perf_counter() - began)
    return min(times)


def prepare(policy: PolicyModel, config: TrainingConfig) -> None:
    """Add adapters and freeze parts as `config` says; what is frozen already stays frozen.

    Raises ValueError where nothing would be trained, and InputError where a part is named that the model
    does not tell from others.
    """
    model, parts = policy.model, policy.parts
    if not parts.known and (config.adapter.lora_rank or config.names_a_part):
        raise InputError(
            f"{type(model).__name__} names no vision tower and language model, so its parts cannot be told "
            f"apart; leave out lora_rank and the learning rates of parts"
        )
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    if config.adapter.lora_rank and not layers(model):
        from peft import LoraConfig

        alpha = config.adapter.lora_alpha or 2 * config.adapter.lora_rank
        adapters = LoraConfig(r=config.adapter.lora_rank, lora_alpha=alpha, target_modules=_linear(policy))
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model.add_adapter(adapters)
    for name, parameter in model.named_parameters():
        part = parts.of(name)
        base = bool(config.adapter.lora_rank) and part == "language" and ADAPTER not in name
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
