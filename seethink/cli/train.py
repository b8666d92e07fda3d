"""The command that trains a model on a user's data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from seethink.cli.options import SETTINGS, DataOptions, refuse_given, settings_of, takes
from seethink.cli.progress import execute, run_console
from seethink.cli.tables import say
from seethink.run.run import Run, Scale
from seethink.settings import override, unknown
from seethink.train.methods import METHODS, TrainingMethod
from seethink.types import InputError

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(DataOptions):
    """Options of `seethink train`."""

    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD", help=f"{'; '.join(f'{name}: {m.about}' for name, m in METHODS.items())}."
        ),
    ]
    settings: Annotated[
        list[str] | None, typer.Argument(metavar=SETTINGS, help="Settings: learning_rate=1e-6")
    ] = None
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML file of settings.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None

    def load_data(self, method: TrainingMethod) -> Any:
        """Pairs, or the task that the method trains on or takes its examples from."""
        if method.data != "task":
            refuse_given(self, f"{method.name} uses no rewards", "verifier", "reward_weights")
        return self.load_pairs() if method.data == "pairs" else self.load_task()


@app.command("train", epilog="Example: seethink train grpo --model sprout --data my.jsonl max_steps=50")
@takes(TrainingOptions)
def train(job: TrainingOptions) -> None:
    """Train a model on your own data.

    The checkpoint is an ordinary model folder.
    """
    if job.method not in METHODS:
        raise unknown("training method", job.method, METHODS)
    method = METHODS[job.method]
    config: Any = method.config()
    if job.config:
        config = override(config, _read_yaml(job.config), str(job.config))
    if job.seed is not None:
        config = config.replace(seed=job.seed)
    name = f"train-{method.name}"
    folder = job.out or Path("runs") / name
    overrides = settings_of(method.name, job.settings)
    run = Run(name, Scale("full"), folder, config.training.seed, overrides)
    data = job.load_data(method)
    if method.data == "examples":
        data = run.traces(data)

    def recipe(run: Run) -> None:
        run.train(method.name, method.name, run.model(job.model), data, config)

    console = run_console(run)
    with job.judge.judged(data, folder / method.name, console) as data:
        execute(run, recipe, console, notes=False)  # its last line has them
    notes = run.stages[method.name].notes()
    say(console, "; ".join((f"checkpoint: {folder / method.name / 'checkpoint'}", *notes)))


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{file} holds no settings; write lines such as learning_rate: 1e-6")
    return settings
