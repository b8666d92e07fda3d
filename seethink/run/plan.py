"""Plans: what each stage of a recipe would take, computed from its settings without running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seethink.run.run import Run
from seethink.run.stage import Model, Stage, Status
from seethink.settings import leaves
from seethink.sources.published.dataset import MediaView
from seethink.train.methods import METHODS
from seethink.types import GREEDY, InputError, Sampling

if TYPE_CHECKING:
    from seethink.train.memory import MemoryEstimate


@dataclass(frozen=True)
class StagePlan:
    """Numbers of one stage.

    settings: every setting, by the name that `stage.name=value` overrides. counts: numbers that follow from
    the settings and the size of the data, {what: how many}. parameters: of the model. prompt_tokens: of the
    first prompt, media included. memory: estimate in bytes for one process. unknown: {"parameters" or
    "memory": why it is None}. media: {"frames of a clip": how many, in words} and the like, of published
    data.
    """

    name: str
    status: Status
    settings: Mapping[str, Any]
    counts: Mapping[str, int] = field(default_factory=dict)
    parameters: int | None = None
    prompt_tokens: int | None = None
    memory: MemoryEstimate | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[str, str] = field(default_factory=dict)


def plan(run: Run, recipe: Callable[[Run], None]) -> list[StagePlan]:
    """The plans of all stages, in order. Loads no weights, writes nothing, and reads one example of each
    stage.

    Raises InputError for overrides or selected stages that the recipe does not have.
    """
    return [plan_stage(stage) for stage in run.dry_run(recipe).values()]


def plan_stage(stage: Stage) -> StagePlan:
    """The plan of one stage; stages without a model have no numbers."""
    settings = leaves(stage.config) if stage.config else {}
    models = [need for need in stage.needs if isinstance(need, Model)]
    if not (stage.trains or stage.kind == "evaluate") or not models:
        return StagePlan(stage.name, stage.status(), settings)
    size, media = _size(stage, models[0]), _shown_at(stage)
    return StagePlan(stage.name, stage.status(), settings, _counts(stage), media=media, **size)


SHOWN_AT = {
    "max_image_px": "pixels of a picture, at most",
    "num_frames": "frames of a clip",
    "max_frame_px": "pixels of a frame, at most",
}
"""Numbers of a `MediaView`, in words; those of the default are not shown."""


def _shown_at(stage: Stage) -> dict[str, str]:
    view, default = stage.examples.view, asdict(MediaView())
    said = {name: view[name] for name in SHOWN_AT if name in view and view[name] != default[name]}
    return {SHOWN_AT[name]: _listed(value) for name, value in said.items()}


def _listed(value: Any) -> str:
    """One value or several; None sets no limit."""
    values = value if isinstance(value, list) else [value]
    return ", ".join("no limit" if one is None else f"{one:,}" for one in values)


def _counts(stage: Stage) -> dict[str, int]:
    n = stage.examples.count
    if stage.trains:
        return {"examples": n, **METHODS[stage.kind].counts(n, stage.config)}
    sampling = _sampling(stage.config)
    if not isinstance(stage.config, Sampling):  # how often a solver asks is known when it has answered
        return {"examples": n, "tokens of each, at most": sampling.max_tokens}
    completions = n * sampling.n
    tokens = completions * sampling.max_tokens
    return {"examples": n, "completions": completions, "completion tokens, at most": tokens}


def _sampling(config: Any) -> Sampling:
    """Of an evaluation; of a solver, its longest completions."""
    if isinstance(config, Sampling):
        return config
    known = leaves(config)
    return Sampling(n=known.get("n", 1), max_tokens=known.get("max_tokens", GREEDY.max_tokens))


def _size(stage: Stage, model: Model) -> dict[str, Any]:
    """Parameters, prompt tokens and memory, or why they are unknown."""
    if isinstance(model.base, Path) and not model.base.exists():
        return {"unknown": {"parameters": f"known when {model.base} is made"}}
    name = str(model.base)
    parameters = _parameters(name)
    if parameters is None:
        return {"unknown": {"parameters": f"unknown: the configuration of {name} is not on this machine"}}
    from seethink.train.memory import estimate, prompt_shape

    try:
        config = stage.config if stage.trains else _sampling(stage.config)
        shape = prompt_shape(name, *stage.examples.first(), config)
    except (InputError, OSError) as error:
        why = f"unknown, the first example cannot be read: {error}"
        return {"parameters": parameters, "unknown": {"memory": why}}
    memory = estimate(name, shape, config, stage.examples.count)
    return {"parameters": parameters, "prompt_tokens": len(shape.prompt.ids), "memory": memory}


@cache
def _parameters(name: str) -> int | None:
    from seethink.models.loading import count_parameters

    return count_parameters(name)
