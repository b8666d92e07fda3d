"""LoRA adapters of the local engine's model, switched in place: one base in memory for several agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seethink.engines.prefill import Prefill
from seethink.models.parts import Parts
from seethink.types import InputError


class Adapters:
    """The adapters that were loaded into a model. current: the folder of the one in use; "" for none.

    Only `prefill` needs to know of a change: keys, values and features of other weights are others."""

    def __init__(self, model: Any, prefill: Prefill) -> None:
        self.model, self.prefill = model, prefill
        self.current = ""
        self.loaded: dict[str, str] = {}

    def use(self, folder: str) -> None:
        """Use the adapter of a folder, or none for "". Raises InputError where there is no adapter of this
        model."""
        if folder == self.current:
            return
        if folder:
            if folder not in self.loaded:
                self._load(folder)
            self.model.enable_adapters()
            self.model.set_adapter(self.loaded[folder])
        else:
            self.model.disable_adapters()
        self.current = self.prefill.adapter = folder
        self.prefill.sees = bool(folder) and self._sees(self.loaded[folder])

    def _load(self, folder: str) -> None:
        if not (Path(folder) / "adapter_config.json").is_file():
            raise InputError(f"{folder} holds no adapter_config.json; name the folder of a PEFT adapter")
        name = f"adapter_{len(self.loaded)}"
        try:
            self.model.load_adapter(str(Path(folder).expanduser()), adapter_name=name)
        except (ValueError, RuntimeError, KeyError, OSError) as error:
            why = " ".join(str(error).split())[:300]
            raise InputError(f"{folder} is no adapter of this model: {why}") from error
        self.loaded[folder] = name

    def _sees(self, name: str) -> bool:
        """Whether the adapter changes vision tower or projector."""
        parts = Parts(self.model)
        own = [path for path, _ in self.model.named_parameters() if f".{name}." in path]
        return any(parts.of(path) in ("vision", "projector", None) for path in own)
