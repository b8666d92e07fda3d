"""Ray Data gives the output of asyncio, and a worker that dies loses nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import ray

from seethink.engines.base import OnFault, Request
from seethink.synth import cluster
from seethink.synth.dispatch import Budget, BudgetReached
from seethink.synth.execute import Job, pending
from seethink.synth.ledger import Ledger
from seethink.types import Completion, InputError
from tests.synth.toy_chain import CHAIN, HashingEngine, examples, outcome, run


class LoggingEngine(HashingEngine):
    """Also logs the process of every reply."""

    async def complete(self, call: Request, on_fault: OnFault) -> Completion:
        reply = await super().complete(call, on_fault)
        assert self.log
        with self.log.with_suffix(".pids").open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        return reply


def run_with_ray(path: Path, n: int, budget: Budget | None = None, fails=lambda call: False) -> list[str]:
    data = examples(n)
    ledger = Ledger(path)
    ledger.set_identity({"chain": CHAIN.key, "data": str(n)})
    places = list(pending(data, ledger))
    ledger.close()

    async def teachers():
        teacher = LoggingEngine(delay_s=0.01, log=path.with_suffix(".log"), fails=fails)
        return {"vision": teacher, "text": teacher}

    states: list[str] = []
    shared = cluster.WorkerContext(path, teachers, budget or Budget())
    cluster.run_on_cluster(Job(CHAIN, data, 4), places, shared, cluster.RayCluster(workers=2), states.append)
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
        killed.append(int(pids.read_text(encoding="utf-8").splitlines()[-1]))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)  # daemon, so that it ends even if the run fails
    thread.start()
    states = run_with_ray(path, 300)
    thread.join()
    run(tmp_path / "undisturbed", examples(300), HashingEngine())
    assert outcome(path) == outcome(tmp_path / "undisturbed")
    assert len(states) >= 300 and killed
    workers = set(pids.read_text(encoding="utf-8").split())
    assert len(workers) >= 3  # two workers, and the replacement of the dead one
    requested = Counter((tmp_path / "ledger.log").read_text(encoding="utf-8").splitlines())
    assert len(requested) == 900 and sum(requested.values()) <= 900 + 4 * 2


def test_a_budget_holds_over_all_workers(tmp_path):
    with pytest.raises(BudgetReached, match="the budget of 100 calls is spent"):
        run_with_ray(tmp_path / "ledger", 120, Budget(calls=100))
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.usage().calls == 100
    ledger.close()
    run_with_ray(tmp_path / "ledger", 120)
    run(tmp_path / "undisturbed", examples(120), HashingEngine())
    assert outcome(tmp_path / "ledger") == outcome(tmp_path / "undisturbed")


def test_an_error_of_every_request_is_one_sentence(tmp_path):
    def wrong_key(call):
        raise InputError("the key is wrong")

    with pytest.raises(InputError, match=r"^the key is wrong$"):
        run_with_ray(tmp_path / "ledger", 40, fails=wrong_key)


def test_ray_without_a_home_folder_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda *args, **settings: (tmp_path / "file" / ".ray").mkdir())
    with pytest.raises(InputError, match=r"Ray cannot start \(.*\); set HOME to a folder"):
        run_with_ray(tmp_path / "ledger", 1)
