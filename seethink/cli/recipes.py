"""Commands on recipes: run, show."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console

from seethink import systems
from seethink.cli.options import Seed, takes
from seethink.cli.progress import execute, run_console
from seethink.cli.tables import say, show_plan
from seethink.run.run import Run, Scale
from seethink.types import InputError

app = typer.Typer()

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help=f"{', '.join(systems.names('recipe'))}.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STAGE.FIELD=VALUE]...", help="Settings to override: grpo.beta=0.04"),
]
ScaleName = Annotated[str, typer.Option(help="smoke, tiny, one_gpu or full.")]
RunFolder = Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE-SCALE by default.")]

MOST_CARDS = 512
"""Of an estimate: beyond, nothing was looked at."""

RECIPES = "\n".join(f"{name}  {title}" for name, title in systems.recipes().items())


@app.command(
    "run",
    help="Run a recipe; finished stages are skipped, interrupted ones resumed.\n\n\b\n" + RECIPES,
    epilog="Example: seethink run r1v --scale tiny grpo.max_steps=50",
)
def run_recipe(
    recipe: RecipeName,
    overrides: Overrides = None,
    scale: ScaleName = "tiny",
    out: RunFolder = None,
    seed: Seed = 0,
    only: Annotated[list[str] | None, typer.Option(help="Run this stage only; may be repeated.")] = None,
) -> None:
    """Run a recipe; finished stages are skipped, interrupted ones resumed."""
    module, run = _recipe_run(recipe, scale, out, seed, overrides)
    execute(replace(run, only=only or ()), module.recipe, run_console(run))


@dataclass(frozen=True)
class ShowOptions:
    """Options of `show`; an estimate is printed for scales that need an accelerator, or where cards are
    given."""

    recipe: RecipeName
    overrides: Overrides = None
    scale: ScaleName = "tiny"
    out: RunFolder = None
    seed: Seed = 0
    nodes: Annotated[int | None, typer.Option(min=1, max=512, help="Machines of the estimate.")] = None
    gpus: Annotated[int | None, typer.Option(min=1, max=512, help="Cards of each of them; 1 by default.")] = (
        None
    )


@app.command("show", epilog="Example: seethink show r1v --scale full --nodes 8 --gpus 8")
@takes(ShowOptions)
def show_recipe(job: ShowOptions) -> None:
    """Print a recipe's stages, settings and derived numbers; for --scale full also what it would take.

    Nothing is trained or written; one example of each stage is read.
    """
    from seethink.cli.estimates import show_estimates
    from seethink.run.plan import plan_stage

    console = Console()
    module, run = _recipe_run(job.recipe, job.scale, job.out, job.seed, job.overrides)
    cards = (job.nodes or 1) * (job.gpus or 1)
    if cards > MOST_CARDS:
        raise InputError(f"--nodes {job.nodes} --gpus {job.gpus} are {cards:,} cards; {MOST_CARDS} at most")
    stages = list(run.dry_run(module.recipe).values())
    plans = [plan_stage(stage) for stage in stages]
    for note in run.notes:
        say(console, note)
    say(console, f"scale {run.scale}, seed {run.seed}, in {run.out}")
    show_plan(console, plans)
    if job.nodes or job.gpus or run.scale in ("one_gpu", "full"):
        show_estimates(console, list(zip(stages, plans, strict=True)), cards)


def _recipe_run(
    name: str, scale: str, out: Path | None, seed: int, overrides: list[str] | None
) -> tuple[ModuleType, Run]:
    module = systems.recipe(name)
    name = systems.named(name, "recipe")
    folder = out or Path("runs") / f"{name}-{scale}"
    return module, Run(name, Scale(scale), folder, seed, overrides or (), notes=_notes(module))


def _notes(module: ModuleType) -> tuple[str, ...]:
    """The title and the fields of a recipe's docstring, one line each; indented lines continue a field."""
    lines = re.split(r"\n+(?=\S)", inspect.getdoc(module) or "")
    return tuple(" ".join(line.split()) for line in lines)
