"""Models made ready for training: loaded, partly frozen, with adapters; and their reference."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, BitsAndBytesConfig

from seethink.engines.local import pretrained
from seethink.families import Encoder, family_of, resolve
from seethink.train.configs import Optimiser
from seethink.train.groups import Pack
from seethink.train.sharded import divided
from seethink.train.shared_prefix import Scorer
from seethink.types import InputError, NotFinite

ADAPTER = ".lora_"


def load(name: str, four_bit: bool = False) -> tuple[Scorer, Encoder]:
    """A model by alias, folder or hub id, wrapped for training, and what turns conversations into its
    prompts. four_bit: the language model's linear layers are held in 4 bits (QLoRA, Dettmers et al. 2023:
    NF4, constants quantised too); they compute in bf16 on an accelerator, in fp32 on a CPU."""
    model, processor = pretrained(name, _four_bits(name) if four_bit else None)
    for module in model.modules():
        # Some CPUs would repack such a layer at the first rollout, for good: other numbers, and no gradient.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return Scorer(model), Encoder(processor, model.config)


def mixed_precision(config: Optimiser) -> bool:
    """Whether forward passes are autocast to bf16."""
    return torch.cuda.is_available() if config.bf16 is None else config.bf16


def _four_bits(name: str) -> BitsAndBytesConfig:
    if find_spec("bitsandbytes") is None:
        raise InputError("four_bit=true needs bitsandbytes; pip install 'seethink[quant]', or leave it out")
    parts = family_of(AutoConfig.from_pretrained(resolve(name))).parts
    whole = [begin.rstrip(".") for part, names in parts.items() if part != "language" for begin in names]
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
        llm_int8_skip_modules=[*whole, "lm_head"],
    )


def prepare(scorer: Scorer, config: Optimiser) -> None:
    """Add adapters and freeze what `config` says, beside what is frozen already.

    Raises ValueError where nothing would be trained.
    """
    model, family = scorer.model, scorer.family
    still = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    if config.lora_rank and not _adapters(model):
        from peft import LoraConfig

        alpha = config.lora_alpha or 2 * config.lora_rank
        adapters = LoraConfig(r=config.lora_rank, lora_alpha=alpha, target_modules=_linear(scorer))
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model.add_adapter(adapters)
    for name, parameter in model.named_parameters():
        part = family.part_of(name)
        base = bool(config.lora_rank) and part == "language" and ADAPTER not in name
        parameter.requires_grad_(name not in still and not base and config.rate(part) > 0)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("every part is frozen: nothing would be trained")


def _linear(scorer: Scorer) -> list[str]:
    """The names of all linear layers of the language model, its head left out."""
    return [
        name
        for name, module in scorer.model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and scorer.family.part_of(f"{name}.") == "language"
        and not name.startswith("lm_head")
    ]


def _adapters(model: Any) -> dict[str, Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}


@torch.no_grad()
def merge(model: Any) -> None:
    """Add adapters to the weights they stand beside and take them out: an ordinary model again, in full
    precision. Weights in 4 bits become what those bits stand for, so the model says what it said in training.
    """
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
def weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """The weights that `merge` would leave, by their names there, one by one; the model is not touched."""
    adapters = _adapters(model)
    for name, value in model.named_parameters(remove_duplicate=False):
        if ADAPTER in name:
            continue
        owner, _, leaf = name.rpartition(".base_layer.")
        if owner in adapters and leaf == "weight":
            value = _merged(adapters[owner])
        yield (f"{owner}.{leaf}" if owner else name), value


class Reference:
    """Log-probabilities under the model as it is stored: what KL is measured against. It sees the pictures.

    A model of which adapters alone are trained is its own reference, with the adapters off; otherwise a
    frozen copy is loaded when it is first asked. Where weights are divided among processes, each still holds
    a whole copy, so that none waits for another's question.
    """

    def __init__(self, name: str, scorer: Scorer) -> None:
        self.name, self.scorer = name, scorer
        self.copy: Scorer | None = None

    @torch.no_grad()
    def __call__(self, pack: Pack, temperature: float = 1.0) -> Tensor:
        """(N,) log-probabilities of the pack's trained tokens."""
        model = self.scorer.model
        adapted = all(ADAPTER in name for name, p in model.named_parameters() if p.requires_grad)
        if adapted and not divided(model):
            model.disable_adapters()
            try:
                return self.scorer(pack, temperature)
            finally:
                model.enable_adapters()
        if self.copy is None:
            four_bit = bool(getattr(model, "is_loaded_in_4bit", False))
            self.copy = load(self.name, four_bit)[0].to(pack.ids.device).eval().requires_grad_(False)
        return self.copy(pack, temperature)


def parameters(name: str) -> int | None:
    """Parameter count from the config alone; None where the config is not on this machine."""
    try:
        config = AutoConfig.from_pretrained(resolve(name), local_files_only=True)
    except OSError:
        return None
    with torch.device("meta"):
        return sum(p.numel() for p in AutoModelForImageTextToText.from_config(config).parameters())
