"""How good the filters of a chain are, where the truth is known: examples of drawn worlds walk through it
with an oracle that says what it planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seethink.engines.scripted import LEAKS
from seethink.engines.teacher import Call, Reply, Teacher
from seethink.formats import read_any
from seethink.sources.drawn import WORLDS
from seethink.synth.chain import Chain, Outcome, version_of, walk
from seethink.synth.draft import Stop
from seethink.synth.judging import is_right, verdict, verdict_anyhow
from seethink.types import Example

FOR: Mapping[str, frozenset[str]] = {
    "wrong answer": frozenset({"wrong"}),
    "leak": frozenset({"leak"}),
    "not JSON": frozenset({"json"}),
    "refused": frozenset({"refusal"}),
    "invalid": frozenset({"wrong", "step", "leak"}),
}
"""The faults that a filter is for, by the reason with which it drops."""
ANSWERING = ("prefix", "reason", "question", "distill")
"""Calls whose replies hold the answer and the thought of an example."""
WRITING = (*ANSWERING, "rewrite")
OF_PATHS = ("steps", "sample", "direct", "summary")
"""Calls of which an example has several: what they lose is a path, and not the example."""


class Planting(Teacher, Protocol):
    """A teacher that says which faults its reply to a call has, by the names of `scripted.Rates`."""

    def planted(self, call: Call) -> frozenset[str]: ...


@dataclass(frozen=True)
class Filter:
    """One reason of one step, over all that reached the step.

    of: "examples" or "paths". faulty: how many had a fault that this filter is for. dropped: how many it
    dropped (of paths: marked as wrong); hits: the faulty ones among them.
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
        """None where nothing was dropped."""
        return self.hits / self.dropped if self.dropped else None

    @property
    def recall(self) -> float | None:
        """None where there was nothing to find."""
        return self.hits / self.faulty if self.faulty else None


@dataclass(frozen=True)
class Kept:
    """The rows of what was kept, but those of the part "general". wrong: whose final words give a wrong
    answer; unjudged: where that cannot be told; leaking: with a phrase of `LEAKS`."""

    examples: int
    rows: int
    wrong: int
    unjudged: int
    leaking: int

    @property
    def wrong_share(self) -> float | None:
        judged = self.rows - self.unjudged
        return self.wrong / judged if judged else None


@dataclass(frozen=True)
class Measured:
    """dropped: examples by reason. failed: those with a call that nobody answered."""

    chain: str
    examples: int
    failed: int
    dropped: Mapping[str, int]
    filters: tuple[Filter, ...]
    kept: Kept


@dataclass(frozen=True)
class _Walked:
    """An example's walk. said: of every reply, in order, the number of the step that asked, the call's name,
    and its faults."""

    source: Example
    outcome: Outcome
    said: tuple[tuple[int, str, frozenset[str]], ...]

    @property
    def stops(self) -> tuple[Stop, ...]:
        return self.outcome.draft.walk

    def faults(self, at: int) -> set[str]:
        """Those that the example has when the step with this number has asked all that it asks."""
        said = [(step, name, found) for step, name, found in self.said if step <= at]
        last = {name: found for step, name, found in said if step == at and _form(name) not in OF_PATHS}
        answered = [found for _, name, found in said if _form(name) in ANSWERING]
        written = [found for _, name, found in said if _form(name) in WRITING]
        return {
            *({"json", "refusal"} & frozenset().union(*last.values())),
            *({"wrong", "step"} & frozenset().union(*answered[-1:])),
            *({"leak"} & frozenset().union(*written[-1:])),
        }


async def measure(chain: Chain, examples: Iterable[Example], oracle: Planting) -> Measured:
    """Walks the examples through the chain, one after another, and counts.

    What an example's faults are when it reaches a filter, by the faults that were planted in replies:
    - wrong, step: those of the last reply that made an answer (`ANSWERING`): a step that asks anew replaces
      the reply before.
    - leak: that of the last reply that wrote or rewrote the thought (`WRITING`): a rewrite without a leak
      repairs one with it. What a step changes without asking is no repair here.
    - json, refusal: those of the last reply to each kind of call that the step itself has asked: a retry that
      can be read repairs one that could not.

    Filters are told by what they do: every reason of `FOR` with which a step drops at least one example;
    where examples have paths, every step that marks paths as right or wrong, and every one that takes
    unmarked paths away, as one that finds leaks. A reply belongs to no path by name, so a path is faulty if
    its answer is wrong by the world's verifier, or if it has a phrase of `LEAKS`; it is dropped with its
    example as well. Steps that ask for paths, or about them (`OF_PATHS`), are no filters: an example is
    dropped there when the last of its paths is lost.

    Kept rows are judged by that verifier too, on what they say at last: `final`, the preferred response, or
    the thought, and only where none of them gives an answer on the answer itself.
    """
    numbers = {version_of(step): i for i, step in enumerate(chain.steps)}
    walks: list[_Walked] = []
    for example in examples:
        said: list[tuple[int, str, frozenset[str]]] = []

        async def put(call: Call, said: list[Any] = said) -> tuple[Reply, str]:
            said.append((numbers[call.version], call.step, oracle.planted(call)))
            return await oracle.answer(call, _unheard), oracle.name

        walks.append(_Walked(example, await walk(chain, example, put), tuple(said)))
    outcomes = [walked.outcome for walked in walks]
    return Measured(
        chain=chain.name,
        examples=len(walks),
        failed=sum(outcome.state == "failed" for outcome in outcomes),
        dropped=dict(Counter(o.reason for o in outcomes if o.state == "dropped").most_common()),
        filters=tuple(found for i, step in enumerate(chain.steps) for found in _filters(i, step.name, walks)),
        kept=_kept(chain, walks),
    )


def _unheard(kind: str, told: str) -> None:
    """The oracle has no faults of transport."""


def _filters(at: int, name: str, walks: Sequence[_Walked]) -> Iterable[Filter]:
    reached = [walked for walked in walks if len(walked.stops) > at]
    ends = {id(w): w.outcome.reason for w in reached if w.outcome.step == name}
    of_paths = any(step == at and _form(call) in OF_PATHS for w in reached for step, call, _ in w.said)
    for reason, faults in FOR.items():
        if reason in ends.values() and not of_paths and not any(_paths(w, at) for w in reached):
            pairs = [(bool(faults & w.faults(at)), ends.get(id(w)) == reason) for w in reached]
            yield _counted(name, reason, "examples", pairs)
    if any(_marks(walked, at) for walked in reached):
        judged = ((_is_wrong(w.source, path["answer"]), out) for w in reached for path, out in _sifted(w, at))
        yield _counted(name, "wrong answer", "paths", list(judged))
    elif any(out for w in reached if _went_on(w, at) for _, out in _sifted(w, at)):
        linted = ((_leaks("\n".join(path["steps"])), out) for w in reached for path, out in _sifted(w, at))
        yield _counted(name, "leak", "paths", list(linted))


def _counted(step: str, reason: str, of: str, pairs: Sequence[tuple[bool, bool]]) -> Filter:
    """pairs: (faulty, dropped) of each."""
    faulty, dropped = (sum(side) for side in zip(*pairs, strict=True))
    return Filter(step, reason, of, len(pairs), faulty, dropped, sum(f and d for f, d in pairs))


def _paths(walked: _Walked, until: int) -> list[Mapping[str, Any]]:
    """The paths after the steps before number `until`."""
    made = [stop.made["paths"] for stop in walked.stops[:until] if stop.made and "paths" in stop.made]
    return made[-1] if made else []


def _marks(walked: _Walked, at: int) -> bool:
    before, after = _paths(walked, at), _paths(walked, at + 1)
    return bool(before) and _n_marked(after) > _n_marked(before)


def _n_marked(paths: Sequence[Mapping[str, Any]]) -> int:
    return sum(path["correct"] is not None for path in paths)


def _went_on(walked: _Walked, at: int) -> bool:
    return walked.outcome.state != "dropped" or len(walked.stops) > at + 1


def _sifted(walked: _Walked, at: int) -> Iterable[tuple[Mapping[str, Any], bool]]:
    """Every path that came to the step without a mark, and whether it left marked as wrong, or not at all."""
    after = _paths(walked, at + 1) if _went_on(walked, at) else []
    marks = {_told(path): path["correct"] for path in after}
    for path in _paths(walked, at):
        if path["correct"] is None:
            yield path, marks.get(_told(path), False) is False


def _told(path: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(path["steps"]), path["answer"]


def _is_wrong(source: Example, answer: str | None) -> bool:
    return answer is None or is_right(verdict(_verifier(source), source, answer)) is False


def _leaks(text: str) -> bool:
    return any(leak in text.lower() for leak in LEAKS)


# What was kept ----------------------------------------------------------------------------------------------


def _kept(chain: Chain, walks: Sequence[_Walked]) -> Kept:
    kept = [walked for walked in walks if walked.outcome.state == "kept"]
    rows = [
        (walked.source, row)
        for walked in kept
        for part, row in chain.emit(walked.outcome.draft)
        if part != "general"
    ]
    found = [is_right(verdict_anyhow(_verifier(source), source, last_words(row))) for source, row in rows]
    leaking = sum(any(map(_leaks, _texts(row))) for _, row in rows)
    return Kept(len(kept), len(rows), found.count(False), found.count(None), leaking)


def last_words(row: Example) -> str:
    """What a row says at last, in which its answer stands."""
    spoken = [text for text in _texts(row) if read_any(text).answer is not None]
    return spoken[0] if spoken else str(row.answer)


def _texts(row: Example) -> list[str]:
    """All that a row teaches to say: what comes after the thought first."""
    preferred = row.meta.get("pref") or {}
    told = (row.meta.get("final"), preferred.get("chosen"), "\n\n".join(row.steps))
    return [text for text in told if text]


def _verifier(source: Example) -> str:
    """The name of the world's own; `Counting` and `Pages` have none, and are judged as exams are."""
    return WORLDS[source.meta.get("world", "exams")].verifier


def _form(name: str) -> str:
    return name.partition("/")[0]
