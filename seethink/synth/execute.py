"""Many examples through a chain at once, in one process: as many on their way as the teacher takes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from seethink.media import fingerprint
from seethink.synth.asker import Asker, BudgetReached
from seethink.synth.chain import Chain, Outcome, walk
from seethink.synth.draft import Draft
from seethink.synth.ledger import Finished, Ledger
from seethink.types import Example

GARBAGE = 20_000
"""New objects after which it is looked for."""
Watch = Callable[[str], None]
"""Told the state of every example that has ended: "kept", "dropped" or "failed"."""


def pending(
    examples: Sequence[Example],
    ledger: Ledger,
    against: Container[str] = frozenset(),
    watch: Watch = lambda state: None,
) -> Iterator[int]:
    """The places of the examples that are yet to walk, in order. One that is there twice (question and
    pictures), or shows a picture of the test data (`against`: fingerprints), is dropped before any call.

    Examples that failed walk again.
    """
    ended = ledger.ended()
    for at in range(len(examples)):
        if at in ended:
            continue
        example = examples[at]
        if fault := _unwanted(example, at, ledger, against):
            ledger.finish(finished(at, example, Outcome("dropped", Draft(example), "select", *fault)))
            watch("dropped")
        else:
            yield at


def _unwanted(example: Example, at: int, ledger: Ledger, against: Container[str]) -> tuple[str, str] | None:
    shown = [fingerprint(medium) for medium in example.media]
    if any(each in against for each in shown):
        return "in the test data", "a picture of the test data"
    first = ledger.first("\n".join([*shown, " ".join(example.question.split())]), at)
    return (
        None
        if first == at
        else ("duplicate", f"the same question about the same pictures as example {first + 1}")
    )


def ahead(calls: int) -> int:
    """How many examples are on their way, so that `calls` always are: while one is written down or read, the
    next already waits for its place at the teacher."""
    return calls + calls // 2 + 1


@dataclass(frozen=True)
class Job:
    """What is walked, and how: `at_once` examples are on their way at any time."""

    chain: Chain
    examples: Sequence[Example]
    at_once: int = 64


@contextmanager
def _undisturbed() -> Iterator[None]:
    """To look for garbage again and again through all that was there before would halt every call."""
    often = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(GARBAGE, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()


async def work(job: Job, places: Iterable[int], asker: Asker, watch: Watch = lambda state: None) -> None:
    """The examples at `places` through the chain; every outcome at the desk before `watch` is told of it.

    A BudgetReached lets what is on its way arrive; any other exception cancels it. Either is raised.
    """
    left: Iterator[int] = iter(places)
    reached: list[BudgetReached] = []

    async def walker() -> None:
        for at in left:
            if reached:
                return
            try:
                outcome = await walk(job.chain, job.examples[at], asker.put)
            except BudgetReached as limit:
                reached.append(limit)
                return
            await asker.desk.finish(finished(at, job.examples[at], outcome))
            watch(outcome.state)

    try:
        with _undisturbed():
            async with asyncio.TaskGroup() as group:
                for _ in range(job.at_once):
                    group.create_task(walker())
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    if reached:
        raise reached[0]


def finished(at: int, source: Example, outcome: Outcome) -> Finished:
    told = outcome.draft.told(source)
    return Finished(at, source.id, outcome.state, outcome.step, outcome.reason, outcome.why, told)
