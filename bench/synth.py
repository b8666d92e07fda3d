"""Cost of a synthesis apart from its teacher: throughput, memory, and whole chains.

    python -m bench.synth overhead --max-concurrency 256 --rounds 100
    python -m bench.synth memory --examples 100000
    python -m bench.synth chains --examples 1000

`overhead`: a server in another process answers every request after 200 ms, regardless of how many there are,
so that its ceiling is `max_concurrency / 0.2` answers per second. `synthesis` is a chain of one step, with
every call on disk before it is used; `teacher` sends the same requests by `ChatEngine` alone, with the same
concurrency. They alternate, and the best run of each counts. Few rounds show the cost of starting, many
rounds the steady state. `memory`: a chain over drawn questions with the oracle; resident memory after every
tenth of them and after writing the rows. `chains`: each of the six chains with the oracle at its default
error rates, with rows written, and what `synth.measure` finds in them. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.shape import versions
from bench.teacher import DELAY_S, requests, timed
from seethink import systems
from seethink.engines.base import Request
from seethink.engines.chat import ChatEngine
from seethink.engines.http import RequestPolicy
from seethink.engines.oracle import Oracle
from seethink.sources import drawn
from seethink.synth.chain import Chain
from seethink.synth.dispatch import LocalLedgerService, RequestDispatcher
from seethink.synth.draft import AskTeacher, Draft, StepVerdict
from seethink.synth.execute import Job, examples_in_flight, pending, run_job
from seethink.synth.ledger import Ledger
from seethink.synth.measure import measure
from seethink.synth.synthesis import Synthesis, synthesise
from tests.servers import server_process

ERRORS = "wrong=0.3,leak=0.1,json=0.05,refusal=0.05"


@dataclass(frozen=True)
class OneCallStep:
    """A step with one request about the image, whose reply becomes the thought."""

    name: str = "one"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft:
        example = draft.example
        parts = [{"type": "image", "image": example.media[0]}, {"type": "text", "text": example.question}]
        reply = await ask(Request(self.name, example, "vision", [{"role": "user", "content": parts}]))
        return replace(draft, thought=reply.text, verdict=StepVerdict(True, "there is a reply"))


async def open_oracle() -> Any:
    return dict.fromkeys(("vision", "text", "judge"), Oracle.from_text(ERRORS))


async def overhead(url: str, max_concurrency: int, rounds: int, runs: int) -> dict[str, tuple[float, float]]:
    """(seconds, CPU seconds per call) of the best of `runs`, by name."""
    calls = requests(max_concurrency * rounds)
    examples = [request.example for request in calls]
    in_flight = examples_in_flight(max_concurrency)
    chain = Chain("one", "For benchmarks.", (OneCallStep(),), lambda draft: [("data", draft.example)])
    teacher = await ChatEngine.open(url, policy=RequestPolicy(max_concurrency=max_concurrency))
    results: dict[str, list[tuple[float, float]]] = {"synthesis": [], "teacher": []}

    def on_fault(kind: str, message: str) -> None:
        raise SystemExit(f"an attempt failed: {kind}, {message}")

    for _ in range(runs):
        with TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite") as ledger:
            dispatcher = RequestDispatcher({"vision": teacher}, LocalLedgerService(ledger))
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            await run_job(Job(chain, examples, in_flight), pending(examples, ledger), dispatcher)
            seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
            results["synthesis"].append((seconds, cpu_s / len(calls)))
            assert ledger.usage().calls == len(calls)
            kept = ledger.query("SELECT count(*) FROM examples WHERE state = 'kept'")
            assert kept == [(len(calls),)]
        results["teacher"].append(
            await timed(len(calls), in_flight, lambda i: teacher.complete(calls[i], on_fault))
        )
    await teacher.close()
    return {name: min(timings) for name, timings in results.items()}


def memory(n: int, chain: str, world: str) -> dict[str, Any]:
    """Resident megabytes after every tenth of the examples, and after the rows are written."""
    resident: list[int] = []
    start_s = time.perf_counter()

    def on_progress(counts: Mapping[str, int]) -> None:
        done = n - counts["pending"]
        if done % (n // 10) == 0:
            resident.append(_resident_mb())
            seconds = time.perf_counter() - start_s
            print(f"{done:>8,} examples, {resident[-1]:,} MB, {seconds:.0f} s", flush=True)

    with TemporaryDirectory() as folder:
        examples = drawn.by_name(world, n)
        job = Synthesis(systems.chain(chain), examples, f"drawn:{world}:{n}", open_oracle, Path(folder))
        status, written = synthesise(job, on_progress)
        size_mb = os.path.getsize(Path(folder) / "ledger.sqlite") / 1e6
    final_mb = _resident_mb()
    print(f"{sum(written.rows.values()):,} rows, {final_mb:,} MB, ledger {size_mb:,.0f} MB", flush=True)
    return {
        "held_mb": resident,
        "rows_written_mb": final_mb,
        "seconds": time.perf_counter() - start_s,
        "calls": status.usage.calls,
        "rows": sum(written.rows.values()),
    }


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def chains(n: int) -> dict[str, Any]:
    """Seconds of each chain, rows included, and the quality of the rows."""
    results: dict[str, Any] = {}
    for name in systems.chains():
        chain = systems.chain(name)
        examples = drawn.by_name(chain.world, n)
        with TemporaryDirectory() as folder:
            start_s = time.perf_counter()
            status, _ = synthesise(Synthesis(chain, examples, "drawn", open_oracle, Path(folder)))
            seconds = time.perf_counter() - start_s
        assert status.kept + sum(status.dropped.values()) == n
        kept = asyncio.run(measure(chain, examples, Oracle.from_text(ERRORS))).kept
        results[name] = {
            "seconds": seconds,
            "calls": status.usage.calls,
            "kept": status.kept,
            "rows": kept.rows,
            "wrong": kept.wrong,
            "unjudged": kept.unjudged,
            "leaking": kept.leaking,
        }
        print(f"{name:20} {seconds:6.1f} s, {results[name]}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=["overhead", "memory", "chains"])
    parser.add_argument("--max-concurrency", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=100, help="calls per concurrent example")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--examples", type=int, default=1_000)
    parser.add_argument("--chain", default="r1v_distill")
    parser.add_argument("--world", default="counting")
    options = parser.parse_args()
    line: dict[str, Any] = {"name": f"synth {options.part}", "versions": versions()}
    if options.part == "overhead":
        with server_process("--delay", str(DELAY_S)) as url:
            best = asyncio.run(overhead(url, options.max_concurrency, options.rounds, options.runs))
        for name, (seconds, cpu_s) in best.items():
            share = options.rounds * DELAY_S / seconds
            print(
                f"{name:10} {seconds:.2f} s, {share:.1%} of the ceiling, {1000 * cpu_s:.2f} ms CPU per call"
            )
            line[name] = {"seconds": seconds, "share": share, "cpu_ms": 1000 * cpu_s}
    elif options.part == "memory":
        line |= memory(options.examples, options.chain, options.world)
    else:
        line |= chains(options.examples)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
