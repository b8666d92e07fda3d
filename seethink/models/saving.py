"""Checkpoints: ordinary model folders that every library of the field reads, and everybody whom the umask
admits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_PROCESSORS = ("image_processor", "video_processor")


def save_model_folder(model: Any, processor: Any, folder: Path) -> None:
    """Weights, configuration and processor of a model for `from_pretrained`.

    The processor of pictures is written twice: in `processor_config.json`, as transformers 5 reads it, and in
    `preprocessor_config.json`, as vLLM and transformers 4 do.
    """
    model.save_pretrained(folder)
    save_processor(processor, folder)
    follow_umask(folder)


def save_processor(processor: Any, folder: Path) -> None:
    """The processor, that of pictures twice as `save_model_folder` says."""
    processor.save_pretrained(folder)
    for name in _PROCESSORS:
        if (part := getattr(processor, name, None)) is not None:
            part.save_pretrained(folder)


def follow_umask(path: Path) -> None:
    """Give a file, or every file of a folder, the permissions of a new one: safetensors lets nobody but the
    owner read."""
    probe = path.with_name(f".{path.name}.new")
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            file.chmod(mode)
