"""The reference model: log-probabilities under the weights that training began with, computed at every step
or once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seethink.models.loading import load_policy
from seethink.models.lora import ADAPTER
from seethink.models.packing import Group, Pack, pack_groups
from seethink.models.policy import PolicyModel
from seethink.train.adapters import mixed_precision
from seethink.train.configs import TrainingConfig
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


class ReferenceCache:
    """Log-probabilities of given replies under the reference, each computed once and kept in a folder: later
    epochs and a killed training read them, and no second model is in memory while the first one trains.

    known: {number of a row: those of its branches, each (trained tokens,)}."""

    def __init__(self, name: str, policy: PolicyModel, folder: Path) -> None:
        self.model, self.policy, self.folder = ReferenceModel(name, policy), policy, folder
        self.known: dict[int, list[Tensor]] = {}

    def load(self) -> None:
        """Read what the folder holds."""
        for file in sorted(self.folder.glob("*.safetensors")):
            for name, logps in sorted(load_file(file).items()):
                number, branch = map(int, name.split("."))
                self.known.setdefault(number, []).insert(branch, logps)

    @torch.no_grad()
    def compute(self, groups: Mapping[int, Group], untrained: bool, config: TrainingConfig) -> None:
        """Write a file with the log-probabilities of all branches of some rows, by number. untrained: the
        policy has the weights that training began with, and is the reference itself."""
        score = self.policy if untrained and not is_sharded(self.policy.model) else self.model
        device, found = next(self.policy.parameters()).device, dict[str, Tensor]()
        numbers = {
            id(branch): f"{n}.{k}" for n, group in groups.items() for k, branch in enumerate(group.branches)
        }
        self.policy.eval()
        for pack in pack_groups([*groups.values()], config.tokens_per_batch):
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed_precision(config)):
                logps = score(pack.to(device)).float().cpu()
            parts = logps.split([branch.n_trained for branch in pack.branches])
            found |= {
                numbers[id(branch)]: part.clone() for branch, part in zip(pack.branches, parts, strict=True)
            }
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{min(groups)}.safetensors"
        save_file(found, file.with_suffix(".part"))
        os.replace(file.with_suffix(".part"), file)

    def __call__(self, pack: Pack) -> Tensor:
        """(N,) log-probabilities of the pack's trained tokens, which its branches carry."""
        kept = [branch.reference for branch in pack.branches if branch.reference is not None]
        return torch.cat(kept).to(pack.ids.device)
