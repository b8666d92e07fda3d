"""Models made ready for training."""

from __future__ import annotations

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from seethink.engines.local import pretrained
from seethink.families import Encoder, resolve
from seethink.train.shared_prefix import Scorer


def load(name: str) -> tuple[Scorer, Encoder]:
    """A model by alias, folder or hub id, wrapped for training, and what turns conversations into its
    prompts."""
    model, processor = pretrained(name)
    return Scorer(model), Encoder(processor, model.config)


def reference(name: str, device: torch.device) -> Scorer:
    """A frozen copy of a model as it is stored: what KL is measured against. It sees the pictures too."""
    scorer, _ = load(name)
    return scorer.to(device).eval().requires_grad_(False)


def parameters(name: str) -> int | None:
    """Parameter count from the config alone; None where the config is not on this machine."""
    try:
        config = AutoConfig.from_pretrained(resolve(name), local_files_only=True)
    except OSError:
        return None
    with torch.device("meta"):
        return sum(p.numel() for p in AutoModelForImageTextToText.from_config(config).parameters())
