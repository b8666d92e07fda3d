"""Models made ready for training: loaded, partly frozen, with adapters; and their reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from seethink.engines.local import pretrained
from seethink.families import Encoder, resolve
from seethink.train.configs import Optimiser
from seethink.train.groups import Pack
from seethink.train.shared_prefix import Scorer

ADAPTER = ".lora_"


def load(name: str) -> tuple[Scorer, Encoder]:
    """A model by alias, folder or hub id, wrapped for training, and what turns conversations into its
    prompts."""
    model, processor = pretrained(name)
    return Scorer(model), Encoder(processor, model.config)


def mixed_precision(config: Optimiser) -> bool:
    """Whether forward passes are autocast to bf16."""
    return torch.cuda.is_available() if config.bf16 is None else config.bf16


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


def merge(model: Any) -> None:
    """Add adapters to the weights they stand beside and take them out: an ordinary model again."""
    for name, layer in _adapters(model).items():
        layer.merge(safe_merge=True)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, layer.get_base_layer())
    model._hf_peft_config_loaded = False


@torch.no_grad()
def weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """The weights that `merge` would leave, by their names there, one by one; the model is not touched."""
    adapters = _adapters(model)
    for name, value in model.state_dict().items():
        if ADAPTER in name:
            continue
        owner, _, leaf = name.rpartition(".base_layer.")
        if owner in adapters and leaf == "weight":
            layer = adapters[owner]
            value = value + sum(layer.get_delta_weight(adapter) for adapter in layer.active_adapters)
        yield (f"{owner}.{leaf}" if owner else name), value


class Reference:
    """Log-probabilities under the model as it is stored: what KL is measured against. It sees the pictures.

    A model of which adapters alone are trained is its own reference, with the adapters off; otherwise a
    frozen copy is loaded when it is first asked.
    """

    def __init__(self, name: str, scorer: Scorer) -> None:
        self.name, self.scorer = name, scorer
        self.copy: Scorer | None = None

    @torch.no_grad()
    def __call__(self, pack: Pack, temperature: float = 1.0) -> Tensor:
        """(N,) log-probabilities of the pack's trained tokens."""
        model = self.scorer.model
        if all(ADAPTER in name for name, p in model.named_parameters() if p.requires_grad):
            model.disable_adapters()
            try:
                return self.scorer(pack, temperature)
            finally:
                model.enable_adapters()
        if self.copy is None:
            self.copy = load(self.name)[0].to(pack.ids.device).eval().requires_grad_(False)
        return self.copy(pack, temperature)


def parameters(name: str) -> int | None:
    """Parameter count from the config alone; None where the config is not on this machine."""
    try:
        config = AutoConfig.from_pretrained(resolve(name), local_files_only=True)
    except OSError:
        return None
    with torch.device("meta"):
        return sum(p.numel() for p in AutoModelForImageTextToText.from_config(config).parameters())
