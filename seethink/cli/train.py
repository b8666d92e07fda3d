"""The commands that train a model on a user's data, one for each method."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from seethink.cli.options import (
    SETTINGS,
    DataOptions,
    ScoredDataOptions,
    own_setting,
    settings_of,
    takes,
    trained,
)
from seethink.cli.progress import execute, run_console
from seethink.cli.tables import say
from seethink.run.run import Run, Scale
from seethink.settings import described, override, unknown
from seethink.train.methods import METHODS, TrainingMethod
from seethink.train.notes import start_and_end
from seethink.types import InputError


class MethodGroup(TyperGroup):
    """A command for each training method, with the options that it uses."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.commands = {name: _command(method) for name, method in METHODS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise unknown("training method", args[0], self.commands)
        return super().resolve_command(ctx, args)


app = typer.Typer()
app.add_typer(
    typer.Typer(
        cls=MethodGroup,
        no_args_is_help=True,
        help="Train a model on your own data. One command for each method.",
        epilog="Example: seethink train grpo --model sprout --data my.jsonl max_steps=50",
    ),
    name="train",
)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(DataOptions):
    """Options of `seethink train` with a method that learns given replies."""

    settings: Annotated[
        list[str] | None, typer.Argument(metavar=SETTINGS, help="Settings: learning_rate=1e-6")
    ] = None
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML file of settings.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None

    def evaluated_alike(self) -> list[str]:
        """The options that were given and that `eval` has too, as they are typed."""
        own = {"model", "data", "out", "settings", "config", "seed"}
        options = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.name not in own}
        for group in [value for value, _ in options.values() if is_dataclass(value)]:
            options |= {f.name: (getattr(group, f.name), f.default) for f in fields(group)}
        given = {name: value for name, (value, usual) in options.items() if value != usual}
        return [
            word
            for name, value in given.items()
            if not is_dataclass(value)
            for word in [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        ]


@dataclass(frozen=True, kw_only=True)
class RewardedTrainingOptions(TrainingOptions, ScoredDataOptions):
    """Options of `seethink train` with a method that learns from rewards."""


def _command(method: TrainingMethod) -> Any:
    options = RewardedTrainingOptions if method.data == "task" else TrainingOptions
    own = typer.Typer(add_completion=False)
    settings = "\n".join(described(method.config()))

    @own.command(
        method.name,
        help=f"Train a model on your own data: {method.about}.\n\nThe checkpoint is an ordinary model "
        f"folder. Settings, each with its default (docs/names.md says what they are elsewhere):\n\n\b\n"
        f"{settings}",
        short_help=f"{method.about.capitalize()}.",
        epilog=f"Example: seethink train {method.name} --model sprout --data my.jsonl max_steps=50",
    )
    @takes(options)
    def command(job: TrainingOptions) -> None:
        _train(method, job)

    return typer.main.get_command(own)


def _train(method: TrainingMethod, job: TrainingOptions) -> None:
    config: Any = method.config()
    if job.config:
        config = override(config, _read_yaml(job.config, method.name), str(job.config))
    if job.seed is not None:
        config = config.replace(seed=job.seed)
    name = f"train-{method.name}"
    folder = job.out or Path("runs") / name
    overrides = settings_of(method.name, job.settings)
    run = Run(name, Scale("full"), folder, config.training.seed, overrides)
    data: Any = job.load_pairs() if method.data == "pairs" else job.load_task()
    if method.data == "examples":
        data = run.traces(data)

    console = run_console(run)
    model = trained(job.model, console)

    def recipe(run: Run) -> None:
        run.train(method.name, method.name, run.model(model), data, config)

    scored = isinstance(job, RewardedTrainingOptions)
    judged = job.judge.judged(data, folder / method.name, console) if scored else nullcontext(data)
    with judged as data:
        execute(run, recipe, console, notes=False)  # its last line has them
    for line in _figures_and_next(method, job, folder / method.name):
        say(console, line)
    notes = run.stages[method.name].notes()
    say(console, "; ".join((f"checkpoint: {folder / method.name / 'checkpoint'}", *notes)))


def _figures_and_next(method: TrainingMethod, job: TrainingOptions, folder: Path) -> list[str]:
    """The reward or loss at start and end, and the command that evaluates the checkpoint alike."""
    found = {name: both for name in ("reward", "loss") if (both := start_and_end(folder, name))}
    lines = [f"{name}: {a:.3f} at start, {b:.3f} at end" for name, (a, b) in [*found.items()][:1]]
    data = job.data if method.data != "pairs" else "QUESTIONS.jsonl"
    command = ["seethink", "eval", "--model", folder / "checkpoint", "--data", data, *job.evaluated_alike()]
    return [*lines, f"next: {shlex.join(map(str, command))}"]


def _read_yaml(file: Path, method: str) -> dict[str, Any]:
    """Settings by name; also where they are `grpo.max_steps: 4`, or stand under `grpo:`."""
    import yaml

    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{file} holds no settings; write lines such as learning_rate: 1e-6")
    under = settings.pop(method, {})
    if not isinstance(under, dict):
        raise InputError(f"{file}: {method}={under} is no setting; write them under {method}:, a line each")
    return {own_setting(method, str(name)): value for name, value in (settings | under).items()}
