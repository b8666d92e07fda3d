"""The command line: `main` and the table of commands, each of which is imported when it is called."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from seethink.types import InputError

UsageError: Any = typer.BadParameter.__base__
"""click's, of the copy that this release of typer uses."""
ALIKE = 0.85
"""Similarity of names of which one is a slip of the pen."""


class CommandEntry(NamedTuple):
    """module: in `seethink.cli`, with a Typer `app` that has the command. about: its line in `seethink
    --help`."""

    module: str
    about: str


COMMANDS = {
    "init": CommandEntry(
        "init", "Write a folder to start from: pictures, questions, a verifier and a format."
    ),
    "run": CommandEntry("recipes", "Run a recipe; finished stages are skipped, interrupted ones resumed."),
    "show": CommandEntry(
        "recipes",
        "Print a recipe's stages, settings and derived numbers; for --scale full also what it would take.",
    ),
    "train": CommandEntry("train", "Train a model on your own data."),
    "eval": CommandEntry("evaluate", "Evaluate a model on your own data or on a published benchmark."),
    "rescore": CommandEntry("rescore", "Score answers that another tool collected, without a model."),
    "compare": CommandEntry("compare", "Compare evaluations on the questions that all of them were asked."),
    "synth": CommandEntry("synth", "Generate reasoning data: one command for each chain."),
    "check": CommandEntry("data", "Check data before training: every row, every fault."),
    "convert": CommandEntry("data", "Write data in another dialect."),
    "export": CommandEntry(
        "export",
        "Write questions as a task of lmms-eval, or the results of an evaluation as its samples.",
    ),
    "ask": CommandEntry("look", "Ask a model about one or more pictures."),
    "serve": CommandEntry("serve", "Serve a model, with any solver, behind OpenAI's API."),
    "look": CommandEntry(
        "look",
        "Write an HTML page of attempts, synthesis traces or unanswered questions; or follow a training.",
    ),
    "list": CommandEntry("listing", "List recipes, verifiers, formats, solvers, chains, worlds or families."),
    "gallery": CommandEntry("look", "Draw one sheet of examples for each drawn world."),
}


class LazyGroup(TyperGroup):
    """Command group that imports a command's module when the command is called, so that `--help` is quick."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The name and help line alone; `resolve_command` gives the command itself."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name].about) if cmd_name in COMMANDS else None

    def invoke(self, ctx: Any) -> Any:
        given = [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except UsageError as error:
            _refuse_setting_with_dashes(error, given)
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name else command, rest


def _refuse_setting_with_dashes(error: Any, given: Sequence[str]) -> None:
    """Raises InputError for an unknown option of a command that takes settings, unless an option has nearly
    its name. given: the words of the command line."""
    option = getattr(error, "option_name", "")
    parameters = error.ctx.command.params if option.startswith("--") and error.ctx else ()
    if not any(name in ("settings", "overrides") for name in (part.name for part in parameters)):
        return
    names = [name for part in parameters for name in part.opts]
    if difflib.get_close_matches(option.replace("_", "-"), names, cutoff=ALIKE):
        return
    place = next(i for i, word in enumerate(given) if word.partition("=")[0] == option)
    _, equals, value = given[place].partition("=")
    following = "".join(given[place + 1 : place + 2])
    value = value if equals or following.startswith("--") else following
    raise InputError(
        f"there is no option {option}; a setting is written without dashes: "
        f"{option.lstrip('-').replace('-', '_')}={value or 'VALUE'}"
    )


def load_command(name: str) -> Any:
    """The command (or group) `name` of `COMMANDS`."""
    module = import_module(f"seethink.cli.{COMMANDS[name].module}")
    return typer.main.get_group(module.app).commands[name]


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        typer.echo(f"seethink {version('seethink')}")
        raise typer.Exit


@app.callback()
def seethink(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Teach vision-language models to reason, and measure what they learned."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. InputError becomes one message on stderr and exit code 2, NotFinite exit code 1."""
    from seethink.types import NotFinite

    try:
        app(arguments, prog_name="seethink")
    except InputError as error:
        _print_error(f"error: {error}")
        sys.exit(2)
    except NotFinite as error:
        _print_error(f"stopped: {error}")
        sys.exit(1)


def _print_error(text: str) -> None:
    from rich.console import Console

    from seethink.cli.tables import say

    say(Console(stderr=True), text)
