"""The same walk as `execute.work` on several machines, by Ray Data; the ledger stays where the command was
given.

Blocks of examples go to workers, each of which asks its teachers itself. Workers get what was answered, and
leave what they get answered, at one desk; a worker that dies loses what was on its way, and its block walks
again elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seethink.engines.teacher import Reply, Role, Teacher
from seethink.synth.asker import Asker, Budget, BudgetReached, LocalDesk, Price
from seethink.synth.execute import Job, work
from seethink.synth.ledger import Asked, Finished, Ledger
from seethink.types import InputError

BLOCK = 64
"""Examples that a worker is given at a time; so many walk again when it dies, asking only what was on its
way."""
_QUIET: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
Teachers = Callable[[], Awaitable[Mapping[Role, Teacher]]]


@dataclass(frozen=True)
class Cluster:
    """address: of a running Ray cluster; None starts one on this machine. workers: how many processes walk,
    each with `Job.at_once` examples on their way."""

    address: str | None = None
    workers: int = 2


class _Desk(LocalDesk):
    """The desk as an actor, on the machine where the ledger is."""

    def __init__(self, path: Path, budget: Budget) -> None:
        super().__init__(Ledger(path), budget)

    async def close(self) -> None:
        self.ledger.close()


class _FarDesk:
    """A `Desk` whose ledger another process holds."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    async def begin(self, who: str) -> None:
        await self.actor.begin.remote(who)

    async def admit(self, key: str, who: str) -> Reply | None:
        return await self.actor.admit.remote(key, who)

    async def keep(self, asked: Asked, reply: Reply, cost: float) -> None:
        await self.actor.keep.remote(asked, reply, cost)

    async def give_up(self, key: str) -> None:
        await self.actor.give_up.remote(key)

    async def fault(self, asked: Asked, kind: str, told: str) -> None:
        await self.actor.fault.remote(asked, kind, told)

    async def finish(self, done: Finished) -> None:
        await self.actor.finish.remote(done)


class _Walker:
    """A worker: walks one block after another, with teachers of its own."""

    def __init__(self, job: Job, teachers: Teachers, desk: Any, prices: Mapping[Role, Price]) -> None:
        self.job, self.desk, self.prices = job, _FarDesk(desk), prices
        self.loop = asyncio.new_event_loop()
        self.teachers = self.loop.run_until_complete(_opened(teachers))

    def __call__(self, block: dict[str, Any]) -> dict[str, list[Any]]:
        rows = self.loop.run_until_complete(self._walk([int(at) for at in block["at"]]))
        return {"state": [state for state, _ in rows], "told": [told for _, told in rows]}

    async def _walk(self, places: list[int]) -> list[tuple[str, str]]:
        """What became of each example, and at the end why the walk was stopped, if it was."""
        who, rows = f"block {places[0]}", list[tuple[str, str]]()
        await self.desk.begin(who)
        asker = Asker(self.teachers, self.desk, who, self.prices)
        try:
            await work(self.job, places, asker, lambda state: rows.append((state, "")))
        except InputError as error:
            rows.append((_STOPS[isinstance(error, BudgetReached)].__name__, str(error)))
        return rows


async def _opened(teachers: Teachers) -> Mapping[Role, Teacher]:
    return await teachers()


_STOPS = (InputError, BudgetReached)


@dataclass(frozen=True)
class Shared:
    """What all workers share. teachers: opens them, in every worker anew."""

    ledger: Path
    teachers: Teachers
    budget: Budget
    prices: Mapping[Role, Price] = field(default_factory=dict)


def work_on_cluster(
    job: Job, places: Sequence[int], shared: Shared, cluster: Cluster, watch: Callable[[str], None]
) -> None:
    """The examples at `places` through the chain; `watch` is told each outcome's state. The ledger must be
    closed here meanwhile. Raises BudgetReached and InputError as `execute.work` does.

    Files of media must stand under the same paths on all machines.
    """
    try:
        import ray
        import ray.data
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    except ImportError as error:
        raise InputError(
            "Ray is not installed; say pip install 'seethink[ray]', or leave --executor out"
        ) from error

    owned = not ray.is_initialized()
    if owned:
        ray.init(cluster.address, num_cpus=None if cluster.address else cluster.workers, **_QUIET)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(_Desk)
    desk = actor.options(num_cpus=0, scheduling_strategy=here).remote(shared.ledger, shared.budget)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = ray.data.from_items([{"at": at} for at in places], override_num_blocks=-(-len(places) // BLOCK))
    walked = blocks.map_batches(
        _Walker,
        fn_constructor_args=(job, shared.teachers, desk, shared.prices),
        batch_size=BLOCK,
        compute=ray.data.ActorPoolStrategy(size=cluster.workers),
        num_cpus=1,
    )
    try:
        for row in walked.iter_rows():
            if stop := {kind.__name__: kind for kind in _STOPS}.get(row["state"]):
                raise stop(row["told"])
            watch(row["state"])
    finally:
        ray.get(desk.close.remote())
        ray.kill(desk)
        if owned:
            ray.shutdown()
