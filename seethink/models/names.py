"""Model names: the bundled `sprout`, a folder, or a hub id."""

from __future__ import annotations

import json
from pathlib import Path

from seethink import identity
from seethink.types import InputError

ADAPTER_FILE = "adapter_config.json"
"""In the folder of a LoRA adapter, as PEFT writes it."""
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
        if not is_model(folder):
            raise InputError(
                f"{name} holds neither config.json nor {ADAPTER_FILE}, so it is not a model folder"
            )
        return str(folder)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise InputError(
            f"there is no model at {name}; give 'sprout', a folder, or a hub id such as owner/name"
        )
    return name


def model_key(name: str) -> str:
    """The identity of a model: the bundled one by its content, a folder by the sizes and times of its files,
    a hub id by itself, an adapter by its base too. Raises InputError as `resolve` does."""
    folder = Path(resolve(name))
    if not folder.is_dir():
        return name
    base = adapter_base(str(folder))
    key = f"{name if is_bundled(folder) else folder.name}:{identity.of_folder(folder, is_bundled(folder))}"
    return f"{model_key(base)}+{key}" if base else key


def is_model(folder: Path) -> bool:
    """Whether a folder holds a whole model, or an adapter of one."""
    return any((folder / name).is_file() for name in ("config.json", ADAPTER_FILE))


def whole(name: str) -> str:
    """The folder or hub id that has the config, and most often the weights, of a model: of an adapter that of
    its base. Raises InputError as `resolve` does, and for an adapter that names no base."""
    base = adapter_base(path := resolve(name))
    return whole(base) if base else path


def adapter_base(path: str) -> str:
    """The model that a folder is an adapter of; "" for a whole model and for a hub id. Raises InputError for
    an adapter that names none."""
    file = Path(path) / ADAPTER_FILE
    if not file.is_file():
        return ""
    base = json.loads(file.read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not base:
        raise InputError(f"{file} names no base_model_name_or_path; write the model that it is an adapter of")
    return str(base)


def is_bundled(folder: Path) -> bool:
    """Whether a model folder ships with SeeThink."""
    return folder.is_relative_to(Path(__file__).parents[1])


def refuse_adapter(name: str, who: str) -> str:
    """The folder or hub id of a whole model. Raises InputError for an adapter, which `who` does not take."""
    if base := adapter_base(path := resolve(name)):
        raise InputError(
            f"{name} is an adapter of {base}, and {who} takes whole models here; train without keep_adapter"
        )
    return path
