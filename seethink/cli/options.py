"""Options of commands as fields of dataclasses, and the options that several commands share."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from rich.console import Console

from seethink import formats, hub, verify
from seethink.cli.judge import JudgeOptions
from seethink.cli.tables import say
from seethink.models.names import is_model, whole
from seethink.sequences import LazySequence
from seethink.solve import SOLVERS
from seethink.tasks import REWARD_WEIGHTS, ReadOptions, load_pairs, load_task, parse_reward_weights
from seethink.types import Example, InputError, PreferencePair, Task, Verifier

T = TypeVar("T")

MODELS = "sprout (bundled, tiny), a model folder, the folder of a run or stage that trained one, or a hub id."
OWN = "or your own, as ./FILE.py:NAME (docs/own.md)"
FORMATS = f"{', '.join(formats.FORMATS)}; {OWN}."
PROMPT_MODES = f"Where the format's instruction goes: {', '.join(formats.PROMPT_MODES)}."
SOLVER = f"How to answer: {', '.join(SOLVERS)}, with options as best_of_n:n=8,select=judge."
DEFAULT_WEIGHTS = ",".join(f"{part}={weight:g}" for part, weight in REWARD_WEIGHTS.items())
SETTINGS = "[FIELD=VALUE]..."

MediaRoot = Annotated[
    Path | None, typer.Option(help="Folder to which paths of media are relative; the data's by default.")
]
Seed = Annotated[int, typer.Option(help="Random seed.")]


def takes(options: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Decorator of a command that gets an instance of the dataclass `options`, whose fields are its options.

    A field whose type is a dataclass is a group: its own fields are options of the command.
    """
    parameters = _parameters(options)
    signature = inspect.Signature(list(parameters.values()))

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        def call(**values: Any) -> None:
            command(_instance(options, values))

        call.__doc__ = command.__doc__
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__annotations__ = {name: part.annotation for name, part in parameters.items()}
        return call

    return decorate


def _parameters(options: type) -> dict[str, inspect.Parameter]:
    """{name: keyword parameter} of every option, those of groups included."""
    hints = get_type_hints(options, include_extras=True)  # each in the module of the class that defines it
    parameters: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(options).parameters.items():
        hint: Any = hints[name]
        if isinstance(hint, type) and is_dataclass(hint):
            parameters |= _parameters(hint)
        else:
            parameters[name] = parameter.replace(annotation=hint)
    return parameters


def _instance(options: type[T], values: Mapping[str, Any]) -> T:
    hints = get_type_hints(options)
    return options(
        **{
            field.name: _instance(hints[field.name], values)
            if is_dataclass(hints[field.name])
            else values[field.name]
            for field in fields(options)  # type: ignore[arg-type]
        }
    )


def refuse_given(options: Any, why: str, *names: str) -> None:
    """Raises InputError, with the reason, where an option without effect was given. options: an instance of a
    dataclass of options."""
    defaults = {field.name: field.default for field in fields(options)}
    if useless := [name for name in names if getattr(options, name) != defaults[name]]:
        listed = " and ".join(f"--{name.replace('_', '-')}" for name in useless)
        raise InputError(f"{why}; leave out {listed}")


def trained(model: str, console: Console) -> str:
    """The model that an option names; of the folder of a run or a stage, its checkpoint: of several the one
    trained last, which is then said. Raises InputError for a run that has finished no training, and for a hub
    id that the hub does not give."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        hub.refuse_unreachable(whole(model))
        return model
    if is_model(folder):
        return model
    found = [file for depth in ("", "*/", "*/*/") for file in folder.glob(f"{depth}stage.json")]
    stages = [file for file in found if ".stale" not in file.relative_to(folder).parts]
    if not stages:
        return model
    finished = [file for file in stages if is_model(file.parent / "checkpoint")]
    if not finished:
        raise InputError(f"{model} has no checkpoint, for no training in it is finished; finish one first")
    last = max(finished, key=_time_of).parent / "checkpoint"
    others = f", the last of {len(finished)}" if len(finished) > 1 else ""
    say(console, f"model: {last}{others}")
    return str(last)


def _time_of(stage: Path) -> tuple[str, int]:
    """When a stage was started, by its stage.json, and when that was written."""
    try:
        started = json.loads(stage.read_text(encoding="utf-8"))["started"]
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{stage} is no record of a stage ({error!r}); name the checkpoint itself"
        ) from error
    return started, stage.stat().st_mtime_ns


def settings_of(stage: str, settings: list[str] | None) -> list[str]:
    """`field=value` arguments of a command as overrides of its one stage, which they may name, as those of
    `seethink run` do."""
    return [f"{stage}.{own_setting(stage, setting)}" for setting in settings or ()]


def own_setting(stage: str, setting: str) -> str:
    """`field=value` of `field=value` or `stage.field=value`. Raises InputError for another stage."""
    named, dot, rest = setting.partition("=")[0].rpartition(".")
    if dot and named != stage:
        raise InputError(
            f"{setting!r} names the stage {named!r}, and there is {stage} alone; write {rest}=VALUE"
        )
    return setting.removeprefix(f"{stage}.") if dot else setting


@dataclass(frozen=True, kw_only=True)
class MediaGroup:
    """Where media are, and which frames of a clip are taken."""

    media_root: MediaRoot = None
    num_frames: Annotated[int, typer.Option(min=1, help="Frames of each clip, unless its row says.")] = 8
    frame_interval: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds between frames, instead of --num-frames.")
    ] = None

    def __post_init__(self) -> None:
        if self.frame_interval is not None:
            refuse_given(self, "--frame-interval says how many frames there are", "num_frames")

    def refuse_unused(self, examples: Iterable[Example]) -> None:
        """Raises InputError where frames of clips were chosen and no example has a clip."""
        if not any(medium.kind == "video" for example in examples for medium in example.media):
            refuse_given(self, "the data have no clip", "num_frames", "frame_interval")

    def arguments(self) -> ReadOptions:
        """As keyword arguments of `seethink.tasks`."""
        return {
            "media_root": self.media_root,
            "num_frames": self.num_frames,
            "frame_interval": self.frame_interval,
        }


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options of every command that runs a model on a user's data."""

    model: Annotated[str, typer.Option(help=MODELS)]
    data: Annotated[Path, typer.Option(help="File of questions (docs/data.md), or drawn:WORLD:N.")]
    format: Annotated[str, typer.Option(help=FORMATS)] = "think_answer"
    prompt_mode: Annotated[str, typer.Option(help=PROMPT_MODES)] = "suffix"
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/COMMAND by default.")] = None
    media: MediaGroup

    def load_task(self, answered: bool = True) -> Task:
        """The task; everything that can be wrong with the data is found here, before any work. answered: as
        in `tasks.ReadOptions`."""
        task = self.task_of(self.data, answered)
        if isinstance(task.examples, LazySequence):
            refuse_given(self.media, "drawn worlds have their own media", *vars(self.media))
        else:
            self.media.refuse_unused(task.examples)
        return task

    def task_of(self, data: Path, answered: bool = True) -> Task:
        """The task of other data, asked and scored alike; options that these do not need are no error."""
        options = self.media.arguments() | {"answered": answered}
        return load_task(data, self.format, self.prompt_mode, *self._scoring(), **options)

    def load_pairs(self) -> tuple[PreferencePair, ...]:
        """Preference pairs, checked as `load_task` does."""
        pairs = load_pairs(self.data, self.format, self.prompt_mode, **self.media.arguments())
        self.media.refuse_unused(pair.example for pair in pairs)
        return pairs

    def _scoring(self) -> tuple[str | Verifier, Mapping[str, float]]:
        """Verifier and reward weights; where nothing is scored, those that would be."""
        return "auto", REWARD_WEIGHTS


@dataclass(frozen=True, kw_only=True)
class ScoredDataOptions(DataOptions):
    """Options of every command that also scores the answers."""

    verifier: Annotated[
        str,
        typer.Option(help=f"{', '.join(verify.VERIFIERS)}; NAME@SYSTEM, as that system published it; {OWN}."),
    ] = "auto"
    reward_weights: Annotated[
        str, typer.Option(help="Weights of the reward's parts; a part of weight 0 is a metric.")
    ] = DEFAULT_WEIGHTS
    judge: JudgeOptions

    def _scoring(self) -> tuple[str | Verifier, Mapping[str, float]]:
        from seethink import systems

        return systems.verifier(self.verifier), parse_reward_weights(self.reward_weights)
