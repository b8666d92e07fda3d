"""What a chain makes of an example, step by step, and how a step says no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from seethink.engines.teacher import Call, Reply
from seethink.types import Example


@dataclass(frozen=True)
class Formal:
    """A picture as text. kind: "caption", "boxes", "ocr", "table", "chart", "circuit", "flow", "ui", "score",
    "geometry" or "scene"."""

    kind: str
    text: str


@dataclass(frozen=True)
class Path:
    """One of several ways that a teacher went for a question. steps: what it did, in order. answer: where it
    ended, None where nobody can read it. correct: whether that is right, None where it is not judged. grade:
    1 to 100, beside its siblings. band: "high", "middling", "low" or "wrong". summary: what a summarising
    model should say of it."""

    steps: tuple[str, ...]
    answer: str | None = None
    correct: bool | None = None
    grade: int | None = None
    band: str | None = None
    summary: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a step found. passed: None where it could not judge."""

    passed: bool | None
    why: str


@dataclass(frozen=True)
class Stop:
    """One step of an example's walk, for those who look at it later. models: who was asked, in order. made:
    what is new after it, by the field's name. verdict: what it found, where it judges."""

    step: str
    version: str
    models: tuple[str, ...] = ()
    made: Mapping[str, Any] | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Draft:
    """An example on its way through a chain.

    example: with the question and answer as they are now. formal: its pictures as text. thought, final: the
    reasoning, and what is said after it, in which the answer stands. paths: several ways for one question.
    twin: a text of which a picture is a twin of this example, with the same response. verdict: of the last
    step; the chain moves it into the walk.
    """

    example: Example
    formal: tuple[Formal, ...] = ()
    thought: str | None = None
    final: str | None = None
    paths: tuple[Path, ...] = ()
    twin: str | None = None
    verdict: Verdict | None = None
    walk: tuple[Stop, ...] = ()

    def description(self) -> str:
        """All that the pictures were turned into, as a teacher reads it that cannot see."""
        return "\n\n".join(part.text for part in self.formal)

    def told(self, source: Example) -> dict[str, Any]:
        """As JSON: what the steps made, and of the example what is no longer as its source has it."""
        return changes(Draft(source), self) | {"walk": [_told(stop) for stop in self.walk]}

    @classmethod
    def of(cls, source: Example, told: Mapping[str, Any]) -> Draft:
        """The draft again, from its example as the source has it and what `told` gave."""
        given: Mapping[str, Any] = told.get("example", {})
        changed = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        changed["meta"] = {**source.meta, **given.get("meta", {})}
        return cls(
            example=replace(source, **changed),
            formal=tuple(Formal(**part) for part in told.get("formal", ())),
            thought=told.get("thought"),
            final=told.get("final"),
            paths=tuple(_path(path) for path in told.get("paths", ())),
            twin=told.get("twin"),
            walk=tuple(_stop(stop) for stop in told["walk"]),
        )


def changes(before: Draft, after: Draft) -> dict[str, Any]:
    """What `after` has that `before` has not, as JSON; of the example under "example", of its meta the new
    keys alone."""
    names = ("formal", "thought", "final", "paths", "twin")
    made = {name: _json(getattr(after, name)) for name in _differ(before, after, names)}
    old, new = before.example, after.example
    parts = ("question", "answer", "choices", "steps")
    changed = {name: _json(getattr(new, name)) for name in _differ(old, new, parts)}
    if new.meta != old.meta:
        changed["meta"] = {k: v for k, v in new.meta.items() if k not in old.meta or old.meta[k] != v}
    return made | ({"example": changed} if changed else {})


def _differ(before: Any, after: Any, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(part) for part in value]
    return asdict(value) if isinstance(value, Formal | Path) else value


def _path(told: Mapping[str, Any]) -> Path:
    return Path(**{**told, "steps": tuple(told["steps"])})


def _told(stop: Stop) -> dict[str, Any]:
    """As `asdict`, but without a copy of `made`, which is JSON already."""
    verdict = stop.verdict and vars(stop.verdict)
    return {**vars(stop), "models": [*stop.models], "verdict": verdict}


def _stop(told: Mapping[str, Any]) -> Stop:
    verdict = told["verdict"]
    return Stop(**{**told, "models": tuple(told["models"]), "verdict": verdict and Verdict(**verdict)})


@dataclass(frozen=True)
class Dropped:
    """A step's no. reason: short, one of few, since they are counted ("wrong answer", "leak", "not JSON",
    "refused"). why: a sentence about this example."""

    reason: str
    why: str


Ask = Callable[[Call], Awaitable[Reply]]
"""Puts a call to the teacher of its role; what was answered before is not asked again. Raises Unanswered."""


class Step(Protocol):
    """A frozen dataclass, so that `identity.digest` tells one from another.

    Pure but for what it asks: the same draft and the same replies give the same outcome, at any time and in
    any process.
    """

    @property
    def name(self) -> str: ...

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped: ...
