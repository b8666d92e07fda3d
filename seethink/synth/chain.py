"""A chain: steps in order, and what a kept example becomes. Here one example walks it; who lets many walk at
once is `execute.py`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from seethink import identity
from seethink.engines.teacher import Call, Reply, Unanswered
from seethink.synth.draft import Draft, Dropped, Step, Stop, Verdict, changes
from seethink.types import Example

Emit = Callable[[Draft], Iterable[tuple[str, Example]]]
"""The rows of a kept draft, each with its part of the data set: "data", "summary", ..."""
Put = Callable[[Call], Awaitable[tuple[Reply, str]]]
"""Has a call answered; the reply, and the name of the model that gave it."""
State = Literal["kept", "dropped", "failed"]


@dataclass(frozen=True)
class Chain:
    """name: as on the command line. about: one sentence. world: the drawn world of `--data drawn:N`."""

    name: str
    about: str
    steps: tuple[Step, ...]
    emit: Emit
    world: str = "exams"

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len({*names}) != len(names):
            raise ValueError(f"two steps of {self.name} have one name: {', '.join(names)}")

    @cached_property
    def key(self) -> str:
        """Another key is another chain: what its steps say, how they read, and in what order."""
        return identity.digest([self.name, [[s.name, self.versions[s.name], _source(s)] for s in self.steps]])

    @cached_property
    def versions(self) -> dict[str, str]:
        """Of each step by name; see `version_of`."""
        return {step.name: version_of(step) for step in self.steps}


@dataclass(frozen=True)
class Outcome:
    """What became of an example. step, reason, why: where, and for what, it was dropped, or which call nobody
    answered."""

    state: State
    draft: Draft
    step: str = ""
    reason: str = ""
    why: str = ""


def version_of(step: Step) -> str:
    """Of a step's wording and settings: it changes with any of them, so a reply to other words is not taken
    for one to these."""
    return identity.digest([type(step).__name__, identity.plain(step)])[:12]


async def walk(chain: Chain, example: Example, put: Put) -> Outcome:
    """One example through all steps, or up to the one that drops it."""
    draft = Draft(example)
    for step in chain.steps:
        models: list[str] = []
        version = chain.versions[step.name]

        async def ask(call: Call, models: list[str] = models, version: str = version) -> Reply:
            reply, model = await put(replace(call, version=version))
            models.append(model)
            return reply

        try:
            after = await step(draft, ask)
        except Unanswered as error:
            return Outcome("failed", draft, step.name, error.kind, str(error))
        except Exception as error:
            error.add_note(f"in the step {step.name}, about example {example.id}")
            raise
        if isinstance(after, Dropped):
            stop = Stop(step.name, version, _once(models), None, Verdict(False, after.why))
            dropped = replace(draft, walk=(*draft.walk, stop))
            return Outcome("dropped", dropped, step.name, after.reason, after.why)
        stop = Stop(step.name, version, _once(models), changes(draft, after), after.verdict)
        draft = replace(after, verdict=None, walk=(*draft.walk, stop))
    return Outcome("kept", draft)


def _once(models: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(models))


def _source(step: Step) -> str:
    module = inspect.getmodule(type(step))
    return identity.digest(inspect.getsource(module)) if module else ""
