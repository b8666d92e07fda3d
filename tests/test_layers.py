"""Imports point down, and heavy libraries stay where they belong."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.package_source import MODULES, PACKAGE, ROOT, SOURCES, imports, module

ROWS = (
    ("boxes", "markup", "sequences"),
    ("types",),
    ("media", "identity", "settings", "lock", "hub", "launch"),
    ("own",),
    ("formats", "verify"),
    ("environment", "models", "sources"),
    ("attempt", "engines"),
    ("benchmarks", "tasks", "evaluate"),
    ("check",),
    ("train", "solve", "synth"),
    ("report",),
    ("run", "serve"),
    ("systems",),
    ("cli",),
    ("__init__", "__main__"),
)
"""Rooms, lowest row first. A module may import rooms of lower rows and its own room, never a neighbour."""

HEAVY = {"torch", "torchvision", "transformers", "accelerate", "peft", "deepspeed", "bitsandbytes", "vllm"}
MAY_BE_HEAVY = {
    "models",
    "train",
    *(f"engines.{m}" for m in ("local", "own_generate", "sampling", "kv_cache", "vllm", "vllm_server")),
    *(f"engines.{m}" for m in ("adapters", "beam_search", "continuous", "prefill")),
    *(f"systems.sprout.{m}" for m in ("growth", "perception", "rows", "square_targets", "updates", "wiring")),
}
LIGHT = {"train.configs", "train.dimensions", "train.methods", "train.other_names", "models.names"}
"""Exceptions to MAY_BE_HEAVY: what the command line reads before any training starts."""

NOT_FOR_HELP = {
    *HEAVY,
    *("aiohttp", "av", "datasets", "jinja2", "math_verify", "matplotlib", "numpy", "pandas"),
    *("psutil", "pyarrow", "ray", "safetensors", "scipy", "sklearn", "sympy", "yaml"),
}
"""Libraries that `import seethink` and `seethink --help` do not load."""

SHARED_NAMES: dict[str, str] = {
    **dict.fromkeys(("evaluate", "serve", "synth", "train"), "a room, and in cli/ its commands"),
    "preferences": "preference pairs for DPO: read from files in sources/, built by a step of synth/",
}
"""Module names that occur at different depths, each with the part that all its bearers play."""


def _room(name: str) -> str:
    """`verify` of `seethink.verify.text`; the package itself is `__init__`."""
    return name.split(".")[1] if "." in name else "__init__"


def test_every_room_has_one_row() -> None:
    rooms = [room for row in ROWS for room in row]
    assert len(rooms) == len(set(rooms))
    assert {_room(name) for name in MODULES} == set(rooms)


def test_imports_point_down() -> None:
    level = {room: i for i, row in enumerate(ROWS) for room in row}
    own = [
        (f"{module(path)}, line {line}: {name}", level[_room(module(path))], level[_room(name)])
        for path in SOURCES
        for line, name in imports(path)
        if name.split(".")[0] == "seethink" and _room(name) != _room(module(path))
    ]
    assert len(own) > len(SOURCES)
    assert [place for place, above, below in own if below >= above] == []


def _may_be_heavy(path: Path) -> bool:
    name = module(path).removeprefix("seethink.")
    return name not in LIGHT and (name in MAY_BE_HEAVY or name.split(".")[0] in MAY_BE_HEAVY)


def test_heavy_libraries_are_imported_where_models_are() -> None:
    """Elsewhere a heavy import stands inside the function that needs it."""
    heavy = [
        (path, f"{module(path)}, line {line}: {name}")
        for path in SOURCES
        for line, name in imports(path, top_level=True)
        if name.split(".")[0] in HEAVY
    ]
    assert any(_may_be_heavy(path) for path, _ in heavy)
    assert [place for path, place in heavy if not _may_be_heavy(path)] == []


@pytest.mark.parametrize("arguments", [["-c", "import seethink"], ["-m", "seethink", "--help"]])
def test_the_package_and_its_help_load_no_heavy_library(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {
        line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line
    }
    assert "seethink" in loaded
    assert not loaded & NOT_FOR_HELP


def test_torch_and_torchvision_are_a_pair() -> None:
    """A torchvision of another build fails at import, and takes the processors with it."""
    code = "import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_name_is_used_once_unless_its_bearers_play_the_same_part() -> None:
    """At different depths, that is. `systems/<name>/` holds files of the same names by design, and a room may
    have a file of its own name."""
    bearers = defaultdict(list)
    for name in MODULES:
        parts = name.split(".")
        if parts[1:2] != ["systems"] and parts[-2:-1] != parts[-1:]:
            bearers[parts[-1]].append(name)
    repeated = {stem: names for stem, names in bearers.items() if len({n.count(".") for n in names}) > 1}
    assert {stem: names for stem, names in repeated.items() if stem not in SHARED_NAMES} == {}
    assert set(SHARED_NAMES) <= set(repeated), "a name on the list is no longer shared; take it off"


def test_the_families_of_models_are_named_where_their_differences_are_known() -> None:
    """A quirk of a model family belongs to `models/families.py`, and how a family spells boxes to `boxes.py`,
    which reads them; recipes, examples and estimates of their cost name checkpoints."""
    allowed = {"boxes.py", "models/families.py", "models/attention/segments.py", "sources/handwritten.py"}
    allowed |= {"run/cost/known_models.py"}
    named = {str(p.relative_to(PACKAGE)) for p in SOURCES if "qwen" in p.read_text(encoding="utf-8").lower()}
    assert {name for name in named if not name.startswith("systems/")} <= allowed
