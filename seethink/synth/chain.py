"""A chain: steps in order, and the rows of a kept example. `run_example` runs one example; `execute.py` runs
many concurrently."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from seethink import identity
from seethink.engines.base import Request, RequestFailed
from seethink.synth.draft import Draft, Dropped, Step, StepRecord, StepVerdict, changes
from seethink.types import Completion, Example

BuildRows = Callable[[Draft], Iterable[tuple[str, Example]]]
"""Returns the rows of a kept draft as (part of the data set, row); parts are "data", "summary", ..."""
SendRequest = Callable[[Request], Awaitable[tuple[Completion, str]]]
"""Sends a request; returns the reply and the name of the model that wrote it."""
State = Literal["kept", "dropped", "failed"]


@dataclass(frozen=True)
class Chain:
    """name: as on the command line. about: one sentence. world: the drawn world of `--data drawn:N`."""

    name: str
    about: str
    steps: tuple[Step, ...]
    build_rows: BuildRows
    world: str = "exams"

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len({*names}) != len(names):
            raise ValueError(f"two steps of {self.name} have the same name: {', '.join(names)}")

    @cached_property
    def key(self) -> str:
        """Digest of the steps' settings, source code and order."""
        return identity.digest([self.name, [[s.name, self.versions[s.name], _source(s)] for s in self.steps]])

    @cached_property
    def versions(self) -> dict[str, str]:
        """`step_version` of each step, by name."""
        return {step.name: step_version(step) for step in self.steps}


@dataclass(frozen=True)
class Outcome:
    """The result of a chain for one example. step, reason, why: where and why it was dropped, or which
    request failed."""

    state: State
    draft: Draft
    step: str = ""
    reason: str = ""
    why: str = ""


def step_version(step: Step) -> str:
    """Digest of a step's prompts and settings. It is part of every request's key, so that a reply to another
    prompt is never reused."""
    return identity.digest([type(step).__name__, identity.plain(step)])[:12]


async def run_example(chain: Chain, example: Example, send: SendRequest) -> Outcome:
    """Run one example through all steps, or up to the one that drops it."""
    draft = Draft(example)
    for step in chain.steps:
        models: list[str] = []
        version = chain.versions[step.name]

        async def ask(request: Request, models: list[str] = models, version: str = version) -> Completion:
            completion, model = await send(replace(request, version=version))
            models.append(model)
            return completion

        try:
            after = await step(draft, ask)
        except RequestFailed as error:
            return Outcome("failed", draft, step.name, error.kind, str(error))
        except Exception as error:
            error.add_note(f"in the step {step.name}, for example {example.id}")
            raise
        if isinstance(after, Dropped):
            record = StepRecord(step.name, version, _unique(models), None, StepVerdict(False, after.why))
            dropped = replace(draft, trace=(*draft.trace, record))
            return Outcome("dropped", dropped, step.name, after.reason, after.why)
        record = StepRecord(step.name, version, _unique(models), changes(draft, after), after.verdict)
        draft = replace(after, verdict=None, trace=(*draft.trace, record))
    return Outcome("kept", draft)


def _unique(models: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(models))


def _source(step: Step) -> str:
    module = inspect.getmodule(type(step))
    return identity.digest(inspect.getsource(module)) if module else ""
