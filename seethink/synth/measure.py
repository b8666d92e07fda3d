"""Precision and recall of a chain's filters, on drawn examples with an oracle that plants known faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seethink.engines.base import AsyncEngine, Request
from seethink.engines.oracle import LEAKS
from seethink.formats import read_any
from seethink.sources.drawn import WORLDS
from seethink.synth.chain import Chain, Outcome, run_example, step_version
from seethink.synth.draft import StepRecord
from seethink.synth.judging import is_correct, score_answer, score_leniently
from seethink.types import Completion, Example

FAULTS_BY_REASON: Mapping[str, frozenset[str]] = {
    "wrong answer": frozenset({"wrong"}),
    "leak": frozenset({"leak"}),
    "not JSON": frozenset({"json"}),
    "refused": frozenset({"refusal"}),
    "invalid": frozenset({"wrong", "step", "leak"}),
}
"""The planted faults that a filter should find, by the reason with which it drops."""
ANSWERING = ("prefix", "reason", "question", "distill")
"""Calls whose replies contain the answer and the thought of an example."""
WRITING = (*ANSWERING, "rewrite")
"""Calls whose replies contain the thought of an example."""
OF_PATHS = ("steps", "sample", "direct", "summary")
"""Calls of which an example has several: a bad reply loses a path, not the example."""


class FaultInjectingEngine(AsyncEngine, Protocol):
    """An engine that knows which faults its reply to a request has, by the names of `oracle.Rates`."""

    def planted(self, request: Request) -> frozenset[str]: ...


@dataclass(frozen=True)
class FilterQuality:
    """Counts for one reason of one step.

    of: "examples" or "paths". reached: how many came to the step. faulty: how many of them had a fault that
    this filter should find. dropped: how many it dropped (paths: marked as wrong, or removed). hits: the
    faulty ones among those.
    """

    step: str
    reason: str
    of: str
    reached: int
    faulty: int
    dropped: int
    hits: int

    @property
    def precision(self) -> float | None:
        """None if nothing was dropped."""
        return self.hits / self.dropped if self.dropped else None

    @property
    def recall(self) -> float | None:
        """None if nothing was faulty."""
        return self.hits / self.faulty if self.faulty else None


@dataclass(frozen=True)
class KeptRowQuality:
    """Counts of the kept rows, those of the part "general" excluded. wrong: rows with a wrong answer.
    unjudged: rows whose answer could not be judged. leaking: rows with a phrase of `LEAKS`."""

    examples: int
    rows: int
    wrong: int
    unjudged: int
    leaking: int

    @property
    def wrong_share(self) -> float | None:
        """Share of wrong rows among judged ones."""
        judged = self.rows - self.unjudged
        return self.wrong / judged if judged else None


@dataclass(frozen=True)
class ChainQuality:
    """dropped: number of examples by reason. failed: number of examples with a failed request."""

    chain: str
    examples: int
    failed: int
    dropped: Mapping[str, int]
    filters: tuple[FilterQuality, ...]
    kept: KeptRowQuality


@dataclass(frozen=True)
class _Run:
    """One example's way through the chain. replies: (number of the step, name of the call, planted faults) of
    every reply, in order."""

    source: Example
    outcome: Outcome
    replies: tuple[tuple[int, str, frozenset[str]], ...]

    @property
    def trace(self) -> tuple[StepRecord, ...]:
        return self.outcome.draft.trace

    def faults(self, at: int) -> set[str]:
        """The faults of the example after all requests of the step with number `at`."""
        replies = [(step, name, faults) for step, name, faults in self.replies if step <= at]
        last = {
            name: faults for step, name, faults in replies if step == at and _call_kind(name) not in OF_PATHS
        }
        answered = [faults for _, name, faults in replies if _call_kind(name) in ANSWERING]
        written = [faults for _, name, faults in replies if _call_kind(name) in WRITING]
        return {
            *({"json", "refusal"} & frozenset().union(*last.values())),
            *({"wrong", "step"} & frozenset().union(*answered[-1:])),
            *({"leak"} & frozenset().union(*written[-1:])),
        }


async def measure(chain: Chain, examples: Iterable[Example], oracle: FaultInjectingEngine) -> ChainQuality:
    """Run the examples through the chain, one after another, and count.

    The faults of an example at a filter follow from the faults planted in its replies:
    - wrong, step: those of the last reply that contains an answer (`ANSWERING`), since a step that asks again
      replaces the earlier reply.
    - leak: that of the last reply that wrote or rewrote the thought (`WRITING`), since a rewrite without a
      leak repairs one with it. Changes that a step makes without a request do not count as repairs.
    - json, refusal: those of the last reply to each kind of call of the step itself, since a readable retry
      repairs an unreadable reply.

    Filters are found by what they do: every reason of `FAULTS_BY_REASON` with which a step drops at least one
    example; if examples have paths, every step that marks paths as right or wrong, and every step that
    removes unmarked paths, which counts as a filter of leaks. Replies are not assigned to paths, so a path is
    faulty if its answer is wrong by the world's verifier, or if it has a phrase of `LEAKS`; it also counts as
    dropped if its example is. Steps that request paths, or something about each of them (`OF_PATHS`), are not
    filters: they drop an example when its last path is lost.

    Kept rows are judged by the same verifier, on the last text with an answer: `final`, the preferred
    response, or the thought; on the answer itself if none of them has one.
    """
    numbers = {step_version(step): i for i, step in enumerate(chain.steps)}
    runs: list[_Run] = []
    for example in examples:
        replies: list[tuple[int, str, frozenset[str]]] = []

        async def send(request: Request, replies: list[Any] = replies) -> tuple[Completion, str]:
            replies.append((numbers[request.version], request.step, oracle.planted(request)))
            return await oracle.complete(request, _ignore_fault), oracle.name

        runs.append(_Run(example, await run_example(chain, example, send), tuple(replies)))
    outcomes = [run.outcome for run in runs]
    return ChainQuality(
        chain=chain.name,
        examples=len(runs),
        failed=sum(outcome.state == "failed" for outcome in outcomes),
        dropped=dict(Counter(o.reason for o in outcomes if o.state == "dropped").most_common()),
        filters=tuple(
            quality for i, step in enumerate(chain.steps) for quality in _filters(i, step.name, runs)
        ),
        kept=_kept(chain, runs),
    )


def _ignore_fault(kind: str, message: str) -> None:
    """The oracle has no faults of transport."""


def _filters(at: int, name: str, runs: Sequence[_Run]) -> Iterable[FilterQuality]:
    reached = [run for run in runs if len(run.trace) > at]
    reasons = {id(run): run.outcome.reason for run in reached if run.outcome.step == name}
    of_paths = any(
        step == at and _call_kind(call) in OF_PATHS for run in reached for step, call, _ in run.replies
    )
    for reason, faults in FAULTS_BY_REASON.items():
        if reason in reasons.values() and not of_paths and not any(_paths(run, at) for run in reached):
            pairs = [(bool(faults & run.faults(at)), reasons.get(id(run)) == reason) for run in reached]
            yield _counted(name, reason, "examples", pairs)
    if any(_marks_paths(run, at) for run in reached):
        pairs = [
            (_is_wrong(run.source, path["answer"]), removed)
            for run in reached
            for path, removed in _filtered_paths(run, at)
        ]
        yield _counted(name, "wrong answer", "paths", pairs)
    elif any(removed for run in reached if _passed(run, at) for _, removed in _filtered_paths(run, at)):
        pairs = [
            (_leaks("\n".join(path["steps"])), removed)
            for run in reached
            for path, removed in _filtered_paths(run, at)
        ]
        yield _counted(name, "leak", "paths", pairs)


def _counted(step: str, reason: str, of: str, pairs: Sequence[tuple[bool, bool]]) -> FilterQuality:
    """pairs: (faulty, dropped) of each example or path."""
    faulty, dropped = (sum(side) for side in zip(*pairs, strict=True))
    return FilterQuality(step, reason, of, len(pairs), faulty, dropped, sum(f and d for f, d in pairs))


def _paths(run: _Run, until: int) -> list[Mapping[str, Any]]:
    """The paths before the step with number `until`."""
    versions = [
        record.changes["paths"]
        for record in run.trace[:until]
        if record.changes and "paths" in record.changes
    ]
    return versions[-1] if versions else []


def _marks_paths(run: _Run, at: int) -> bool:
    before, after = _paths(run, at), _paths(run, at + 1)
    return bool(before) and _n_marked(after) > _n_marked(before)


def _n_marked(paths: Sequence[Mapping[str, Any]]) -> int:
    return sum(path["correct"] is not None for path in paths)


def _passed(run: _Run, at: int) -> bool:
    """Whether the example was not dropped by the step with number `at`."""
    return run.outcome.state != "dropped" or len(run.trace) > at + 1


def _filtered_paths(run: _Run, at: int) -> Iterable[tuple[Mapping[str, Any], bool]]:
    """Every unmarked path before a step, and whether the step marked it as wrong or removed it."""
    after = _paths(run, at + 1) if _passed(run, at) else []
    marks = {_path_key(path): path["correct"] for path in after}
    for path in _paths(run, at):
        if path["correct"] is None:
            yield path, marks.get(_path_key(path), False) is False


def _path_key(path: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(path["steps"]), path["answer"]


def _is_wrong(source: Example, answer: str | None) -> bool:
    return answer is None or is_correct(score_answer(_verifier(source), source, answer)) is False


def _leaks(text: str) -> bool:
    return any(leak in text.lower() for leak in LEAKS)


# Kept rows --------------------------------------------------------------------------------------------------


def _kept(chain: Chain, runs: Sequence[_Run]) -> KeptRowQuality:
    kept = [run for run in runs if run.outcome.state == "kept"]
    rows = [
        (run.source, row)
        for run in kept
        for part, row in chain.build_rows(run.outcome.draft)
        if part != "general"
    ]
    marks = [is_correct(score_leniently(_verifier(source), source, last_words(row))) for source, row in rows]
    leaking = sum(any(map(_leaks, _texts(row))) for _, row in rows)
    return KeptRowQuality(len(kept), len(rows), marks.count(False), marks.count(None), leaking)


def last_words(row: Example) -> str:
    """The text of a row that contains its answer."""
    answering = [text for text in _texts(row) if read_any(text).answer is not None]
    return answering[0] if answering else str(row.answer)


def _texts(row: Example) -> list[str]:
    """All texts that a row trains on, those after the thought first."""
    preferred = row.meta.get("pref") or {}
    texts = (row.meta.get("final"), preferred.get("chosen"), "\n\n".join(row.steps))
    return [text for text in texts if text]


def _verifier(source: Example) -> str:
    """Name of the world's verifier; `ShapeGrids` and `Pages` name no world, and are judged as exams are."""
    return WORLDS[source.meta.get("world", "exams")].verifier


def _call_kind(name: str) -> str:
    return name.partition("/")[0]
