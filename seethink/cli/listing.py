"""The command that lists what has a name here, a line each: recipes, verifiers, formats and the like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args

import typer
from rich.console import Console

from seethink import formats, solve, systems, verify
from seethink.cli.tables import say
from seethink.settings import described

Listed = Literal["recipes", "verifiers", "formats", "solvers", "chains", "worlds", "families"]
app = typer.Typer()


@app.command("list", epilog="Example: seethink list verifiers")
def list_names(
    kind: Annotated[Listed, typer.Argument(metavar="KIND", help=f"{', '.join(get_args(Listed))}.")],
) -> None:
    """List recipes, verifiers, formats, solvers, chains, worlds or families."""
    lines = LISTS[kind]()
    width = max(map(len, lines))
    for name, about in lines.items():
        say(Console(), f"{name:<{width}}  {about}")


def _recipes() -> dict[str, str]:
    headers = {name: systems.header(name) for name in systems.names("recipe")}
    return {name: f"{header['title']} Claim: {header['claim']}." for name, header in headers.items()}


def _verifiers() -> dict[str, str]:
    published = {
        f"{name}@{system}": verifier
        for system, verifiers in systems.rewards().items()
        for name, verifier in verifiers.items()
    }
    return {name: first_sentence(verifier) for name, verifier in (verify.VERIFIERS | published).items()}


def _formats() -> dict[str, str]:
    no_words = "No instruction: the conversation as it stands, and the whole reply as the answer."
    return {name: form.instruction or no_words for name, form in formats.FORMATS.items()}


def _solvers() -> dict[str, str]:
    return {
        name: f"{first_sentence(cls)} Options: {', '.join(map(_option, described(cls())))}"
        for name, cls in solve.SOLVERS.items()
    }


def _option(line: str) -> str:
    return line.split("  (")[0]


def _chains() -> dict[str, str]:
    return {name: first_sentence(chain) for name, chain in systems.chains().items()}


def _worlds() -> dict[str, str]:
    from seethink.sources.drawn import WORLDS

    return {name: world.about for name, world in WORLDS.items()}


def _families() -> dict[str, str]:
    from seethink.models.families import FAMILIES

    return {family.name: f"model_type {', '.join(family.model_types)}" for family in FAMILIES}


LISTS: Mapping[Listed, Callable[[], Mapping[str, str]]] = {
    "recipes": _recipes,
    "verifiers": _verifiers,
    "formats": _formats,
    "solvers": _solvers,
    "chains": _chains,
    "worlds": _worlds,
    "families": _families,
}
"""{kind: function that gives {name: one line}}"""


def first_sentence(documented: Any) -> str:
    """The first paragraph of a docstring, up to its first full stop."""
    paragraph = (inspect.getdoc(documented) or "").split("\n\n")[0]
    return f"{' '.join(paragraph.split()).partition('. ')[0].removesuffix('.')}."
