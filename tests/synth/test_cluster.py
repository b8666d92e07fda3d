"""Ray Data walks as asyncio does: the same output, and a worker that dies loses nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from seethink.engines.teacher import Call, Fault, Reply
from seethink.synth import cluster
from seethink.synth.asker import Budget, BudgetReached
from seethink.synth.execute import Job, pending
from seethink.synth.ledger import Ledger
from seethink.types import InputError
from tests.synth.made import CHAIN, Hashing, examples, outcome, run

ray = pytest.importorskip("ray")


class Telling(Hashing):
    """Writes a line for each answer: which process gave it, and to what."""

    async def answer(self, call: Call, fault: Fault) -> Reply:
        reply = await super().answer(call, fault)
        assert self.log
        with self.log.with_suffix(".pids").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return reply


def walk(path: Path, n: int, budget: Budget | None = None, fails=lambda call: False) -> list[str]:
    data = examples(n)
    ledger = Ledger(path)
    ledger.begin({"chain": CHAIN.key, "data": str(n)})
    places = list(pending(data, ledger))
    ledger.close()

    async def teachers():
        teacher = Telling(delay_s=0.01, log=path.with_suffix(".log"), fails=fails)
        return {"see": teacher, "reason": teacher}

    states: list[str] = []
    shared = cluster.Shared(path, teachers, budget or Budget())
    cluster.work_on_cluster(Job(CHAIN, data, 4), places, shared, cluster.Cluster(workers=2), states.append)
    return states


@pytest.fixture(scope="module", autouse=True)
def two_workers_and_small_blocks():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "BLOCK", 16)
        yield
    ray.shutdown()


def test_a_killed_worker_loses_nothing_and_the_output_is_that_of_asyncio(tmp_path):
    path, pids = tmp_path / "ledger", tmp_path / "ledger.pids"
    killed: list[int] = []

    def kill() -> None:
        while not pids.exists() or pids.stat().st_size < 600:
            time.sleep(0.01)
        killed.append(int(pids.read_text().splitlines()[-1]))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)  # ends with the tests even where a walk fails
    thread.start()
    states = walk(path, 300)
    thread.join()
    run(tmp_path / "undisturbed", examples(300), Hashing())
    assert outcome(path) == outcome(tmp_path / "undisturbed")
    assert len(states) >= 300 and killed
    assert len(set(pids.read_text().split())) >= 3  # two workers, and the one in the dead one's place
    asked = Counter((tmp_path / "ledger.log").read_text().splitlines())
    assert len(asked) == 900 and sum(asked.values()) <= 900 + 4 * 2


def test_a_budget_holds_over_all_workers(tmp_path):
    with pytest.raises(BudgetReached, match="the budget of 100 calls is spent"):
        walk(tmp_path / "ledger", 120, Budget(calls=100))
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.spent().calls == 100
    ledger.close()
    walk(tmp_path / "ledger", 120)
    run(tmp_path / "undisturbed", examples(120), Hashing())
    assert outcome(tmp_path / "ledger") == outcome(tmp_path / "undisturbed")


def test_what_no_call_will_survive_is_told_as_one_sentence(tmp_path):
    def wrong_key(call):
        raise InputError("the key is wrong")

    with pytest.raises(InputError, match=r"^the key is wrong$"):
        walk(tmp_path / "ledger", 40, fails=wrong_key)
