"""Model names: the bundled `sprout`, a folder, or a hub id."""

from __future__ import annotations

from pathlib import Path

from seethink import identity
from seethink.types import InputError

SPROUT = Path(__file__).parents[1] / "systems" / "sprout" / "model"


def is_server(name: object) -> bool:
    """Whether a model is named by the address of the server that has it."""
    return str(name).startswith(("http://", "https://"))


def resolve(name: str) -> str:
    """The folder or hub id that `from_pretrained` takes. Raises InputError for a folder that does not
    exist."""
    if name == "sprout":
        if not (SPROUT / "config.json").exists():
            raise InputError(
                "the bundled model is not in this installation; `seethink run sprout` rebuilds it"
            )
        return str(SPROUT)
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise InputError(f"{name} holds no config.json, so it is not a model folder")
        return str(folder)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise InputError(
            f"there is no model at {name}; give 'sprout', a folder, or a hub id such as owner/name"
        )
    return name


def model_key(name: str) -> str:
    """The identity of a model: the bundled one by its content, a folder by the sizes and times of its files,
    a hub id by itself. Raises InputError as `resolve` does."""
    folder = Path(resolve(name))
    if not folder.is_dir():
        return name
    return f"{name if is_bundled(folder) else folder.name}:{identity.of_folder(folder, is_bundled(folder))}"


def is_bundled(folder: Path) -> bool:
    """Whether a model folder ships with SeeThink."""
    return folder.is_relative_to(Path(__file__).parents[1])
