"""The parts of a model, vision tower, projector and language model, found by its structure."""

from __future__ import annotations

import re
from typing import Any

_INSIDE_TOWER = re.compile(r"merger|projector|connector|resampler|aligner")
"""Modules inside some vision towers that map its features to the language model."""


class Parts:
    """Which part a parameter belongs to: "vision" for the tower that the model names as its encoder of
    pictures, "language" for its decoder and embeddings, "projector" for what is left.

    known: whether the model names a tower and a decoder; otherwise its parameters belong to no part."""

    def __init__(self, model: Any) -> None:
        names = {id(module): name for name, module in model.named_modules()}
        tower, decoder = model.get_encoder(modality="image"), model.get_decoder()
        whole = (model, model.base_model)
        self.known = not any(module is one for module in (tower, decoder) for one in whole)
        self._prefixes: list[tuple[str, str]] = []
        if not self.known:
            return
        inside = [
            name
            for name, module in tower.named_modules(prefix=names[id(tower)])
            if module is not tower and _INSIDE_TOWER.search(name.rpartition(".")[2])
        ]
        language = [decoder, model.get_input_embeddings(), model.get_output_embeddings()]
        spoken = [names[id(module)] for module in language if module is not None]
        named = (("vision", [names[id(tower)]]), ("projector", inside), ("language", spoken))
        self._prefixes = [(f"{prefix}.", part) for part, prefixes in named for prefix in prefixes]

    def of(self, parameter: str) -> str | None:
        """The part that a parameter belongs to, by the longest prefix of its name."""
        matches = [(len(prefix), part) for prefix, part in self._prefixes if parameter.startswith(prefix)]
        return max(matches)[1] if matches else "projector" if self.known else None
