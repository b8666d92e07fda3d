"""The reference model: log-probabilities under the weights that training began with."""

from __future__ import annotations

import torch
from torch import Tensor

from seethink.models.loading import load_policy
from seethink.models.packing import Pack
from seethink.models.policy import PolicyModel
from seethink.train.adapters import ADAPTER
from seethink.train.sharding import is_sharded


class ReferenceModel:
    """Log-probabilities under the model as it is stored. It sees the pictures.

    If only adapters are trained, the trained model with its adapters off is the reference; otherwise a frozen
    copy is loaded at the first call. Where weights are sharded over processes, each holds a whole copy, so
    that no process waits for another's groups."""

    def __init__(self, name: str, policy: PolicyModel) -> None:
        self.name, self.policy = name, policy
        self.copy: PolicyModel | None = None

    @torch.no_grad()
    def __call__(self, pack: Pack, temperature: float = 1.0) -> Tensor:
        """(N,) log-probabilities of the pack's trained tokens."""
        model = self.policy.model
        adapted = all(ADAPTER in name for name, p in model.named_parameters() if p.requires_grad)
        if adapted and not is_sharded(model):
            model.disable_adapters()
            try:
                return self.policy(pack, temperature)
            finally:
                model.enable_adapters()
        if self.copy is None:
            load_in_4bit = bool(getattr(model, "is_loaded_in_4bit", False))
            self.copy = (
                load_policy(self.name, load_in_4bit)[0].to(pack.ids.device).eval().requires_grad_(False)
            )
        return self.copy(pack, temperature)
