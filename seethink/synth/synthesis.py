"""A whole synthesis: run examples through a chain into a folder with the ledger and the rows that were kept.

The same call resumes one that was interrupted, and repeats no answered request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seethink import identity
from seethink.engines.base import AsyncEngine, Role
from seethink.lock import alone_in
from seethink.synth.chain import Chain
from seethink.synth.cluster import RayCluster, WorkerContext, run_on_cluster
from seethink.synth.dispatch import (
    Budget,
    BudgetReached,
    LocalLedgerService,
    OpenTeachers,
    Price,
    RequestDispatcher,
)
from seethink.synth.execute import Job, pending, run_job
from seethink.synth.export import WrittenRows, write_rows
from seethink.synth.ledger import Ledger
from seethink.synth.status import LEDGER_FILE, SynthesisInfo, SynthesisStatus, read_status
from seethink.types import Example

OnProgress = Callable[[Mapping[str, int]], None]
"""Called after each example with the number of kept, dropped, failed and pending ones."""


@dataclass(frozen=True)
class Synthesis:
    """The settings of a synthesis.

    data: the source of the examples, as the data card names it. address, media_root: the same for `seethink
    look` (see `data_address`). open_teachers: opens a teacher for each role; every worker of a cluster opens
    its own. decontaminate: fingerprints of test media. max_concurrency: examples in flight in each process.
    cluster: None runs in this process.
    """

    chain: Chain
    examples: Sequence[Example]
    data: str
    open_teachers: OpenTeachers
    out: Path
    decontaminate: Container[str] = frozenset()
    max_concurrency: int = 64
    budget: Budget = field(default=Budget())
    prices: Mapping[Role, Price] = field(default_factory=dict)
    cluster: RayCluster | None = None
    export_formats: tuple[str, ...] = ()
    address: str = ""
    media_root: Path | None = None


def synthesise(
    job: Synthesis, on_progress: OnProgress = lambda counts: None
) -> tuple[SynthesisStatus, WrittenRows]:
    """Run all pending examples, then write the rows.

    Raises BudgetReached, after the rows of what was kept are written; InputError for errors that affect every
    request. In either case all replies are in the ledger.
    """
    reached: BudgetReached | None = None
    with alone_in(job.out):
        try:
            (_run_here if job.cluster is None else _run_on_cluster)(job, on_progress)
        except BudgetReached as limit:
            reached = limit
        with Ledger(job.out / LEDGER_FILE) as ledger:
            written = write_rows(ledger, job.chain, job.examples, job.out, job.export_formats)
            status = read_status(ledger)
    if reached:
        raise reached
    return status, written


def progress_row(counts: Mapping[str, int]) -> dict[str, Any]:
    """Examples by state as a progress row."""
    finished = [f"{counts[state]:,} {state}" for state in ("kept", "dropped", "failed")]
    done = sum(counts.values()) - counts["pending"]
    return {"step": done, "steps": sum(counts.values()), "detail": ", ".join(finished)}


class _ProgressCounter:
    """Counts outcomes, those of earlier runs included, and reports them; called with each new state."""

    def __init__(self, job: Synthesis, ledger: Ledger, on_progress: OnProgress) -> None:
        self.pending, self.on_progress = len(job.examples), on_progress
        self.counts = Counter[str](dict.fromkeys(("kept", "dropped", "failed"), 0))
        for state, n in ledger.query(
            "SELECT state, count(*) FROM examples WHERE state != 'failed' GROUP BY 1"
        ):
            self.counts[state] = n
            self.pending -= n

    def __call__(self, state: str) -> None:
        self.counts[state] += 1
        self.pending -= 1
        self.on_progress({**self.counts, "pending": self.pending})


@asynccontextmanager
async def _opened_teachers(job: Synthesis, ledger: Ledger) -> AsyncIterator[Mapping[Role, AsyncEngine]]:
    """The teachers, closed at the end; the ledger is prepared for this job."""
    teachers = await job.open_teachers()
    try:
        ledger.set_identity({"chain": job.chain.key, "data": identity.of_sequence(job.examples)})
        info = SynthesisInfo(
            chain=job.chain.name,
            data=job.data,
            examples=len(job.examples),
            teachers={role: teacher.name for role, teacher in teachers.items()},
            steps=[step.name for step in job.chain.steps],
            address=job.address,
            world=job.chain.world,
            images=str(job.media_root.resolve()) if job.media_root else None,
        )
        info.save(ledger)
        ledger.commit()
        yield teachers
    finally:
        for teacher in {id(teacher): teacher for teacher in teachers.values()}.values():
            await teacher.close()


def _run_here(job: Synthesis, on_progress: OnProgress) -> None:
    async def run(ledger: Ledger) -> None:
        async with _opened_teachers(job, ledger) as teachers:
            counter = _ProgressCounter(job, ledger, on_progress)
            service = LocalLedgerService(ledger, job.budget)
            dispatcher = RequestDispatcher(teachers, service, prices=job.prices)
            indices = pending(job.examples, ledger, job.decontaminate, counter)
            await run_job(Job(job.chain, job.examples, job.max_concurrency), indices, dispatcher, counter)

    with Ledger(job.out / LEDGER_FILE) as ledger:
        asyncio.run(run(ledger))


def _run_on_cluster(job: Synthesis, on_progress: OnProgress) -> None:
    """Duplicates are dropped here, before blocks are assigned. The ledger is closed here while the workers'
    ledger service has it open."""

    async def select(ledger: Ledger) -> tuple[_ProgressCounter, list[int]]:
        async with _opened_teachers(job, ledger):  # an unreachable server fails before the cluster starts
            counter = _ProgressCounter(job, ledger, on_progress)
            return counter, list(pending(job.examples, ledger, job.decontaminate, counter))

    assert job.cluster is not None
    with Ledger(job.out / LEDGER_FILE) as ledger:
        counter, indices = asyncio.run(select(ledger))
    if indices:
        context = WorkerContext(job.out / LEDGER_FILE, job.open_teachers, job.budget, job.prices)
        chain_job = Job(job.chain, job.examples, job.max_concurrency)
        run_on_cluster(chain_job, indices, context, job.cluster, counter)
