"""A whole synthesis: examples through a chain into a folder that holds the ledger and the rows of what was
kept. The same call continues one that was stopped, and asks nothing that was answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from seethink import identity
from seethink.engines.teacher import Role, Teacher
from seethink.lock import alone_in
from seethink.synth.asker import Asker, Budget, BudgetReached, LocalDesk, Price
from seethink.synth.chain import Chain
from seethink.synth.cluster import Cluster, Shared, Teachers, work_on_cluster
from seethink.synth.execute import Job, pending, work
from seethink.synth.ledger import Ledger
from seethink.synth.status import LEDGER, About, Status, read_status
from seethink.synth.write import Written, write
from seethink.types import Example

Progress = Callable[[Mapping[str, int]], None]
"""Told how many examples are kept, dropped, failed and pending, after each of them."""


@dataclass(frozen=True)
class Synthesis:
    """What is to be made, and by whom.

    data: where the examples are from, as the data card tells it; address, images: the same for `seethink
    look`, see `synth.data`. teachers: opens one for each role; a worker of a cluster opens its own. against:
    fingerprints of test pictures. at_once: examples on their way at one time, in each process. cluster: None
    works in this process.
    """

    chain: Chain
    examples: Sequence[Example]
    data: str
    teachers: Teachers
    out: Path
    against: Container[str] = frozenset()
    at_once: int = 64
    budget: Budget = field(default=Budget())
    prices: Mapping[Role, Price] = field(default_factory=dict)
    cluster: Cluster | None = None
    views: tuple[str, ...] = ()
    address: str = ""
    images: Path | None = None


def synthesise(job: Synthesis, watch: Progress = lambda counts: None) -> tuple[Status, Written]:
    """Everything that is pending walks; then the rows are written.

    Raises BudgetReached, after the rows of what was kept are written; InputError for what no call survives.
    Whatever is raised, what was answered stands in the ledger.
    """
    reached: BudgetReached | None = None
    with alone_in(job.out):
        try:
            (_here if job.cluster is None else _there)(job, watch)
        except BudgetReached as limit:
            reached = limit
        with Ledger(job.out / LEDGER) as ledger:
            written = write(ledger, job.chain, job.examples, job.out, job.views)
            status = read_status(ledger)
    if reached:
        raise reached
    return status, written


class _Counts:
    """What became of the examples so far, told to a watcher."""

    def __init__(self, job: Synthesis, ledger: Ledger, watch: Progress) -> None:
        self.left, self.watch = len(job.examples), watch
        self.ends = Counter[str](dict.fromkeys(("kept", "dropped", "failed"), 0))
        for state, n in ledger.counted(
            "SELECT state, count(*) FROM examples WHERE state != 'failed' GROUP BY 1"
        ):
            self.ends[state] = n
            self.left -= n

    def __call__(self, state: str) -> None:
        self.ends[state] += 1
        self.left -= 1
        self.watch({**self.ends, "pending": self.left})


@asynccontextmanager
async def _begun(job: Synthesis, ledger: Ledger) -> AsyncIterator[Mapping[Role, Teacher]]:
    """The teachers, as long as they are asked from here; the ledger knows what is to be done."""
    teachers = await job.teachers()
    try:
        ledger.begin({"chain": job.chain.key, "data": identity.of_sequence(job.examples)})
        names = {role: teacher.name for role, teacher in teachers.items()}
        images = str(job.images.resolve()) if job.images else None
        steps = [step.name for step in job.chain.steps]
        about = About(job.chain.name, job.data, len(job.examples), names, steps, job.address, images)
        about.tell(ledger)
        ledger.commit()
        yield teachers
    finally:
        for teacher in {id(teacher): teacher for teacher in teachers.values()}.values():
            await teacher.close()


def _here(job: Synthesis, watch: Progress) -> None:
    async def walked(ledger: Ledger) -> None:
        async with _begun(job, ledger) as teachers:
            counts = _Counts(job, ledger, watch)
            asker = Asker(teachers, LocalDesk(ledger, job.budget), prices=job.prices)
            places = pending(job.examples, ledger, job.against, counts)
            await work(Job(job.chain, job.examples, job.at_once), places, asker, counts)

    with Ledger(job.out / LEDGER) as ledger:
        asyncio.run(walked(ledger))


def _there(job: Synthesis, watch: Progress) -> None:
    """On a cluster. What is there twice is dropped here, before blocks are dealt; the ledger is closed while
    the workers' desk has it."""

    async def selected(ledger: Ledger) -> tuple[_Counts, list[int]]:
        async with _begun(job, ledger):  # an address that nobody answers is found before a cluster starts
            counts = _Counts(job, ledger, watch)
            return counts, list(pending(job.examples, ledger, job.against, counts))

    assert job.cluster is not None
    with Ledger(job.out / LEDGER) as ledger:
        counts, places = asyncio.run(selected(ledger))
    if places:
        shared = Shared(job.out / LEDGER, job.teachers, job.budget, job.prices)
        work_on_cluster(Job(job.chain, job.examples, job.at_once), places, shared, job.cluster, counts)
