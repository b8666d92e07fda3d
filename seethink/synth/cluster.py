"""`execute.run_job` on several machines, by Ray Data; the ledger stays on the machine that runs the command.

Blocks of examples go to workers, each with its own teachers. Workers read and write replies through one
ledger service. A worker that dies loses its requests in flight, and its block runs again on another worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seethink.engines.base import AsyncEngine, Role
from seethink.synth.dispatch import (
    Budget,
    BudgetReached,
    LocalLedgerService,
    OpenTeachers,
    Price,
    RequestDispatcher,
)
from seethink.synth.execute import Job, OnOutcome, run_job
from seethink.synth.ledger import CallRecord, ExampleRecord, Ledger
from seethink.types import Completion, InputError

BLOCK = 64
"""Examples in a block. If its worker dies all of them run again, but only requests in flight are repeated."""
_QUIET: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
_ERRORS: dict[str, type[InputError]] = {kind.__name__: kind for kind in (InputError, BudgetReached)}
"""Errors that stop the job, as a worker reports them: by name, in place of a state."""


@dataclass(frozen=True)
class RayCluster:
    """address: of a running Ray cluster; None starts one on this machine. workers: number of processes, each
    with `Job.max_concurrency` examples in flight."""

    address: str | None = None
    workers: int = 2


class _LedgerActor(LocalLedgerService):
    """The ledger service as a Ray actor, on the machine that has the ledger."""

    def __init__(self, path: Path, budget: Budget) -> None:
        super().__init__(Ledger(path), budget)

    async def close(self) -> None:
        self.ledger.close()


class _RemoteLedgerService:
    """A `LedgerService` that calls a `_LedgerActor`."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    async def release_all(self, client: str) -> None:
        await self.actor.release_all.remote(client)

    async def reserve(self, key: str, client: str) -> Completion | None:
        return await self.actor.reserve.remote(key, client)

    async def commit(self, call: CallRecord, completion: Completion, cost: float) -> None:
        await self.actor.commit.remote(call, completion, cost)

    async def release(self, key: str) -> None:
        await self.actor.release.remote(key)

    async def record_fault(self, call: CallRecord, kind: str, message: str) -> None:
        await self.actor.record_fault.remote(call, kind, message)

    async def record_example(self, record: ExampleRecord) -> None:
        await self.actor.record_example.remote(record)


class _Worker:
    """A Ray worker: runs one block after another, with its own teachers."""

    def __init__(
        self, job: Job, open_teachers: OpenTeachers, actor: Any, prices: Mapping[Role, Price]
    ) -> None:
        self.job, self.service, self.prices = job, _RemoteLedgerService(actor), prices
        self.loop = asyncio.new_event_loop()
        self.teachers = self.loop.run_until_complete(_open(open_teachers))

    def __call__(self, block: dict[str, Any]) -> dict[str, list[Any]]:
        rows = self.loop.run_until_complete(self._run([int(index) for index in block["index"]]))
        return {"state": [state for state, _ in rows], "message": [message for _, message in rows]}

    async def _run(self, indices: list[int]) -> list[tuple[str, str]]:
        """(state, "") of each example; if an error stopped the block, its name and message come last."""
        client, rows = f"block {indices[0]}", list[tuple[str, str]]()
        await self.service.release_all(client)
        dispatcher = RequestDispatcher(self.teachers, self.service, client, self.prices)
        try:
            await run_job(self.job, indices, dispatcher, lambda state: rows.append((state, "")))
        except InputError as error:
            name = "BudgetReached" if isinstance(error, BudgetReached) else "InputError"
            rows.append((name, str(error)))
        return rows


async def _open(open_teachers: OpenTeachers) -> Mapping[Role, AsyncEngine]:
    return await open_teachers()


@dataclass(frozen=True)
class WorkerContext:
    """What all workers share. open_teachers: called once in every worker."""

    ledger: Path
    open_teachers: OpenTeachers
    budget: Budget
    prices: Mapping[Role, Price] = field(default_factory=dict)


def run_on_cluster(
    job: Job, indices: Sequence[int], context: WorkerContext, cluster: RayCluster, on_outcome: OnOutcome
) -> None:
    """Run the examples at `indices`; `on_outcome` is called with each outcome's state. The ledger must not be
    open in this process meanwhile. Raises BudgetReached and InputError as `run_job` does.

    Media files must have the same paths on all machines.
    """
    try:
        import ray
        import ray.data
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    except ImportError as error:
        raise InputError(
            "Ray is not installed; run pip install 'seethink[ray]', or leave --executor out"
        ) from error

    owned = not ray.is_initialized()
    if owned:
        try:
            ray.init(cluster.address, num_cpus=None if cluster.address else cluster.workers, **_QUIET)
        except OSError as error:
            raise InputError(
                f"Ray cannot start ({error}); set HOME to a folder that can be written, or RAY_AUTH_TOKEN"
            ) from error
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    remote_class: Any = ray.remote(_LedgerActor)
    actor = remote_class.options(num_cpus=0, scheduling_strategy=here).remote(context.ledger, context.budget)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    n_blocks = -(-len(indices) // BLOCK)
    blocks = ray.data.from_items([{"index": index} for index in indices], override_num_blocks=n_blocks)
    outcomes = blocks.map_batches(
        _Worker,
        fn_constructor_args=(job, context.open_teachers, actor, context.prices),
        batch_size=BLOCK,
        compute=ray.data.ActorPoolStrategy(size=cluster.workers),
        num_cpus=1,
    )
    try:
        for row in outcomes.iter_rows():
            if error_type := _ERRORS.get(row["state"]):
                raise error_type(row["message"])
            on_outcome(row["state"])
    finally:
        ray.get(actor.close.remote())
        ray.kill(actor)
        if owned:
            ray.shutdown()
