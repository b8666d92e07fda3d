"""A model for others: half the size."""

from __future__ import annotations

from pathlib import Path

from seethink.run.stage import Model


def write_bf16(folder: Path, model: Model) -> None:
    """Write a model in bf16, half the size, to a folder."""
    from seethink.models.loading import pretrained
    from seethink.models.saving import save_model_folder

    weights, processor = pretrained(str(model.path))
    save_model_folder(weights.bfloat16(), processor, folder)
