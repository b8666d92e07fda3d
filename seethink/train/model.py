"""Models made ready for training: loaded, partly frozen, with adapters; and their reference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from seethink.engines.local import pretrained
from seethink.families import Encoder, resolve
from seethink.train.configs import Optimiser
from seethink.train.groups import Pack
from seethink.train.sharded import divided
from seethink.train.shared_prefix import Scorer

ADAPTER = ".lora_"


def load(name: str) -> tuple[Scorer, Encoder]:
    """A model by alias, folder or hub id, wrapped for training, and what turns conversations into its
    prompts."""
    model, processor = pretrained(name)
    return Scorer(model), Encoder(processor, model.config)


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
