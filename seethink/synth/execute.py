"""Run many examples through a chain concurrently, in one process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from seethink.media import fingerprint
from seethink.synth.chain import Chain, Outcome, run_example
from seethink.synth.dispatch import BudgetReached, RequestDispatcher
from seethink.synth.draft import Draft
from seethink.synth.ledger import ExampleRecord, Ledger
from seethink.types import Example

GC_THRESHOLD = 20_000
"""Number of new objects after which the garbage collector runs."""
OnOutcome = Callable[[str], None]
"""Called with the state of every example that has ended: "kept", "dropped" or "failed"."""


def pending(
    examples: Sequence[Example],
    ledger: Ledger,
    decontaminate: Container[str] = frozenset(),
    on_outcome: OnOutcome = lambda state: None,
) -> Iterator[int]:
    """The indices of the examples to run, in order, those that failed before included.

    Duplicates (same question, same media), and examples with a medium of the test data (`decontaminate`:
    fingerprints), are dropped here, before any request.
    """
    ended = ledger.ended()
    for index in range(len(examples)):
        if index in ended:
            continue
        example = examples[index]
        if rejection := _rejection(example, index, ledger, decontaminate):
            outcome = Outcome("dropped", Draft(example), "select", *rejection)
            ledger.add_example(example_record(index, example, outcome))
            on_outcome("dropped")
        else:
            yield index


def _rejection(
    example: Example, index: int, ledger: Ledger, decontaminate: Container[str]
) -> tuple[str, str] | None:
    """(reason, why) of an example that must not run."""
    fingerprints = [fingerprint(medium) for medium in example.media]
    if any(each in decontaminate for each in fingerprints):
        return "in the test data", "it contains an image or a video of the test data"
    first = ledger.first_index("\n".join([*fingerprints, " ".join(example.question.split())]), index)
    return None if first == index else ("duplicate", f"same question and media as example {first + 1}")


def examples_in_flight(max_concurrency: int) -> int:
    """How many examples to run concurrently, so that `max_concurrency` requests are always in flight: the
    extra ones wait for a free slot while others are being read or written."""
    return max_concurrency + max_concurrency // 2 + 1


@dataclass(frozen=True)
class Job:
    """A chain, its examples, and how many of them run concurrently."""

    chain: Chain
    examples: Sequence[Example]
    max_concurrency: int = 64


@contextmanager
def _infrequent_gc() -> Iterator[None]:
    """Freeze the objects that exist and collect seldom: full collections would pause every request."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


async def run_job(
    job: Job,
    indices: Iterable[int],
    dispatcher: RequestDispatcher,
    on_outcome: OnOutcome = lambda state: None,
) -> None:
    """Run the examples at `indices`. Every outcome is in the ledger before `on_outcome` is called.

    BudgetReached is raised after the examples in flight have ended; any other exception cancels them.
    """
    remaining: Iterator[int] = iter(indices)
    reached: list[BudgetReached] = []

    async def worker() -> None:
        for index in remaining:
            if reached:
                return
            try:
                outcome = await run_example(job.chain, job.examples[index], dispatcher.send)
            except BudgetReached as limit:
                reached.append(limit)
                return
            record = example_record(index, job.examples[index], outcome)
            await dispatcher.service.record_example(record)
            on_outcome(outcome.state)

    try:
        with _infrequent_gc():
            async with asyncio.TaskGroup() as group:
                for _ in range(job.max_concurrency):
                    group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    if reached:
        raise reached[0]


def example_record(index: int, source: Example, outcome: Outcome) -> ExampleRecord:
    draft = outcome.draft.to_json(source)
    return ExampleRecord(index, source.id, outcome.state, outcome.step, outcome.reason, outcome.why, draft)
