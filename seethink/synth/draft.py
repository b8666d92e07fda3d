"""The working state of one example in a chain, and the protocol of a step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from seethink.engines.base import Request
from seethink.types import Completion, Example


@dataclass(frozen=True)
class FormalDescription:
    """An image as text. kind: "caption", "boxes", "ocr", "table", "chart", "circuit", "flow", "ui", "score",
    "geometry" or "scene"."""

    kind: str
    text: str


@dataclass(frozen=True)
class ReasoningPath:
    """One of several solutions that a teacher wrote for a question.

    steps: the reasoning, in order. answer: the final answer, None if it cannot be read. correct: None if not
    judged. grade: 1 to 100, relative to the other paths of the question. band: "high", "middling", "low" or
    "wrong". summary: the target for the summary model.
    """

    steps: tuple[str, ...]
    answer: str | None = None
    correct: bool | None = None
    grade: int | None = None
    band: str | None = None
    summary: str | None = None


@dataclass(frozen=True)
class StepVerdict:
    """The finding of a step. passed: None if the step could not judge."""

    passed: bool | None
    why: str


@dataclass(frozen=True)
class StepRecord:
    """What one step did to an example. models: those that answered its requests, in order. changes: the
    fields that it set, by name, as JSON. verdict: its finding, if it judges."""

    step: str
    version: str
    models: tuple[str, ...] = ()
    changes: Mapping[str, Any] | None = None
    verdict: StepVerdict | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "version": self.version,
            "models": [*self.models],
            "made": self.changes,
            "verdict": self.verdict and vars(self.verdict),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> StepRecord:
        verdict = row["verdict"] and StepVerdict(**row["verdict"])
        return cls(row["step"], row["version"], tuple(row["models"]), row["made"], verdict)


@dataclass(frozen=True)
class Draft:
    """The state of an example between two steps of a chain.

    example: with its current question and answer. formal: its images as text. thought, final: the reasoning,
    and the text after it, which contains the answer. paths: several solutions of one question. twin: a text
    that is rendered as an image, to become a second row with the same response. verdict: of the last step;
    the chain moves it into the trace. trace: the records of the steps so far.
    """

    example: Example
    formal: tuple[FormalDescription, ...] = ()
    thought: str | None = None
    final: str | None = None
    paths: tuple[ReasoningPath, ...] = ()
    twin: str | None = None
    verdict: StepVerdict | None = None
    trace: tuple[StepRecord, ...] = ()

    def description(self) -> str:
        """All formal descriptions, as a text-only teacher reads them."""
        return "\n\n".join(part.text for part in self.formal)

    def to_json(self, source: Example) -> dict[str, Any]:
        """The draft as JSON: what differs from `source`, the example as it was read, and the trace."""
        return changes(Draft(source), self) | {"walk": [record.to_json() for record in self.trace]}

    @classmethod
    def from_json(cls, source: Example, row: Mapping[str, Any]) -> Draft:
        """The inverse of `to_json`, without the last verdict."""
        edits: Mapping[str, Any] = row.get("example", {})
        changed = {k: tuple(v) if isinstance(v, list) else v for k, v in edits.items()}
        changed["meta"] = {**source.meta, **edits.get("meta", {})}
        return cls(
            example=replace(source, **changed),
            formal=tuple(FormalDescription(**part) for part in row.get("formal", ())),
            thought=row.get("thought"),
            final=row.get("final"),
            paths=tuple(
                ReasoningPath(**{**path, "steps": tuple(path["steps"])}) for path in row.get("paths", ())
            ),
            twin=row.get("twin"),
            trace=tuple(map(StepRecord.from_json, row["walk"])),
        )


def changes(before: Draft, after: Draft) -> dict[str, Any]:
    """The fields in which `after` differs from `before`, as JSON. Changes of the example are under "example";
    of its meta only new or changed keys are listed."""
    names = ("formal", "thought", "final", "paths", "twin")
    changed = {name: _json(getattr(after, name)) for name in _differing(before, after, names)}
    old, new = before.example, after.example
    parts = ("question", "answer", "choices", "steps")
    edits = {name: _json(getattr(new, name)) for name in _differing(old, new, parts)}
    if new.meta != old.meta:
        edits["meta"] = {k: v for k, v in new.meta.items() if k not in old.meta or old.meta[k] != v}
    return changed | ({"example": edits} if edits else {})


def _differing(before: Any, after: Any, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(part) for part in value]
    return asdict(value) if isinstance(value, FormalDescription | ReasoningPath) else value


@dataclass(frozen=True)
class Dropped:
    """The result of a step that rejects an example. reason: one of a few short labels, which are counted
    ("wrong answer", "leak", "not JSON", "refused"). why: a sentence about this example."""

    reason: str
    why: str


AskTeacher = Callable[[Request], Awaitable[Completion]]
"""Sends a request to the teacher of its role, or finds its reply in the ledger. Raises RequestFailed."""


class Step(Protocol):
    """One step of a chain: a frozen dataclass, so that `identity.digest` identifies its settings.

    Steps are pure apart from their requests: the same draft and the same replies give the same result, at any
    time and in any process.
    """

    @property
    def name(self) -> str: ...

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped: ...
