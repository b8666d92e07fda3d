"""Registry of systems: each folder of this package is one, found by its name.

recipe.py    `recipe(run)`, under a docstring with source, claim, needs and differs
rewards.py   `REWARDS`: {name of the verifier without its defects: reward as published}
chain.py     `CHAINS`: {name: function that builds the chain}, the pipelines that synthesise its data
README.md    source, claim, what is faithful, what differs, known defects

README.md and an empty `__init__.py` are required, the other files are optional. A folder may hold further
modules that are parts of recipe, rewards or chain, such as `vlm_r1/box_rewards.py`. To add a system, add a
folder; no other file changes. Wherever a system is named, case, hyphens and underscores are ignored: R1-V,
r1_v and r1v are one system.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, make_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_type_hints

from seethink import own, verify
from seethink.settings import override, unknown
from seethink.synth.chain import Chain
from seethink.types import Example, InputError, Verifier

Part = Literal["recipe", "rewards", "chain"]


def names(part: Part | None = None) -> list[str]:
    """The names of all systems, or of those with a `part`: "recipe", "rewards" or "chain"."""
    folders = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
    return [name for name in folders if part is None or find_spec(f"{__name__}.{name}.{part}")]


def named(name: str, part: Part) -> str:
    """The folder name of a system that has `part`, by any spelling of its name. Raises InputError for an
    unknown name."""
    known = {_normalised(system): system for system in names(part)}
    if _normalised(name) not in known:
        raise unknown(_KINDS[part], name, known.values())
    return known[_normalised(name)]


_KINDS = {"recipe": "recipe", "rewards": "system with published rewards", "chain": "system with a chain"}


def _normalised(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def recipe(name: str) -> ModuleType:
    """The recipe module of a system. Raises InputError where there is none."""
    return import_module(f"{__name__}.{named(name, 'recipe')}.recipe")


def recipes() -> dict[str, str]:
    """{system: first paragraph of its recipe's docstring}; no recipe is imported."""
    return {name: header(name)["title"] for name in names("recipe")}


_FIELD = re.compile(r"^(source|claim|needs|differs) {2,}(.*?)(?=^\w+ {2,}|\Z)", re.MULTILINE | re.DOTALL)


def header(system: str) -> dict[str, str]:
    """{"title", "source", "claim", "needs", "differs"} of the docstring of a system's recipe, which is not
    imported."""
    file = find_spec(f"{__name__}.{system}.recipe").origin  # type: ignore[union-attr]
    text = ast.get_docstring(ast.parse(Path(str(file)).read_text(encoding="utf-8"))) or ""
    parts = {"title": text.split("\n\n")[0], **dict(_FIELD.findall(text))}
    return {name: " ".join(said.split()) for name, said in parts.items()}


# Rewards ----------------------------------------------------------------------------------------------------


def rewards() -> dict[str, dict[str, Verifier]]:
    """{system: {name of the verifier without its defects: reward as published}}"""
    return {system: _rewards(system) for system in names("rewards")}


def verifier(name: str) -> Verifier:
    """A verifier of `verify.VERIFIERS` by name, a published reward as `name@system`, such as `same_math@r1v`,
    or your own by its address. Raises InputError for an unknown name."""
    reward, at, system = name.partition("@")
    if own.is_address(name) or not at:
        return verify.by_name(name)
    folder = named(system, "rewards")
    published = _rewards(folder)
    if reward not in published:
        raise unknown(f"reward of {folder}:", reward, published)
    return published[reward]


def _rewards(system: str) -> dict[str, Verifier]:
    return import_module(f"{__name__}.{system}.rewards").REWARDS


# Chains -----------------------------------------------------------------------------------------------------


def chains() -> dict[str, Callable[..., Chain]]:
    """{name: function that builds the chain}, of all systems."""
    modules = (import_module(f"{__name__}.{system}.chain") for system in names("chain"))
    return {name: chain for module in modules for name, chain in module.CHAINS.items()}


def chain(
    name: str, settings: Mapping[str, object] = {}, read: Callable[[str], Sequence[Example]] | None = None
) -> Chain:
    """The chain with some parameters set, as text: `{"paths": "8"}`.

    read: loads the examples of a parameter of type `Sequence[Example]`, whose value is a file. Raises
    InputError for an unknown chain or parameter, or a value of another type.
    """
    if name not in chains():
        raise unknown("chain", name, chains())
    values = dict(settings)
    examples = {
        parameter: read(str(values.pop(parameter)))
        for parameter, kind in _parameters(name).items()
        if kind == Sequence[Example] and parameter in values and read is not None
    }
    defaults = _defaults(name)
    given = asdict(override(defaults, values, name))
    for parameter, default in asdict(defaults).items():
        if type(default) is int and given[parameter] < min(default, 1):
            least = min(default, 1)  # counts, of which a chain may need one
            raise InputError(f"{name}: {parameter}={given[parameter]}: it must be at least {least}")
    return chains()[name](**given, **examples)


def chain_settings(name: str) -> list[str]:
    """The parameters of a chain, each as `parameter=default`, or `parameter=FILE` where it takes examples."""
    defaults = [f"{parameter}={value}" for parameter, value in asdict(_defaults(name)).items()]
    files = [parameter for parameter, kind in _parameters(name).items() if kind == Sequence[Example]]
    return [*defaults, *(f"{parameter}=FILE" for parameter in files)]


def _parameters(name: str) -> dict[str, Any]:
    """{parameter: type} of the function that builds the chain."""
    hints = get_type_hints(chains()[name])
    return {parameter: kind for parameter, kind in hints.items() if parameter != "return"}


def _defaults(name: str) -> Any:
    """A dataclass instance with the chain's parameters, without examples, at their defaults."""
    kinds = {parameter: kind for parameter, kind in _parameters(name).items() if kind != Sequence[Example]}
    signature = inspect.signature(chains()[name]).parameters
    return make_dataclass(name, kinds.items())(**{name: signature[name].default for name in kinds})
