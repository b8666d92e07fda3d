"""What a synthesis costs beside its teacher: calls a second, memory, and whole chains.

    python -m bench.synth overhead --at-once 256 --rounds 100
    python -m bench.synth memory --examples 100000
    python -m bench.synth chains --examples 1000

`overhead`: a server in another process answers every request after 200 ms, however many there are, so its
ceiling is `at_once / 0.2` answers a second. `synthesis` is the whole of it: a chain of one step, the ledger
with every call on disk before it is used, the verdict; `teacher` the same calls put to `ChatTeacher` alone.
They take turns, the best of each counts; as many wait before the teacher in both. Few rounds show what it
costs to begin, many what it costs to go on. `memory`: a chain over so many drawn questions with the oracle,
rows written at the end, and what the process holds after every tenth of them. `chains`: each of the six with
the oracle at its planted error rates, rows written, and what `synth.measure` finds in them. The last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its file's name, it finds `tests` too

from bench.shape import versions
from bench.teacher import DELAY_S, calls, timed
from seethink.engines.chat import ChatTeacher, Terms
from seethink.engines.scripted import Oracle
from seethink.engines.teacher import Call
from seethink.sources import drawn
from seethink.synth.asker import Asker, LocalDesk
from seethink.synth.chain import Chain
from seethink.synth.chains import CHAINS, by_name
from seethink.synth.draft import Ask, Draft, Verdict
from seethink.synth.execute import Job, ahead, pending, work
from seethink.synth.ledger import Ledger
from seethink.synth.measure import measure
from seethink.synth.run import Synthesis, synthesise
from tests.servers import elsewhere

ERRORS = "wrong=0.3,leak=0.1,json=0.05,refusal=0.05"


@dataclass(frozen=True)
class One:
    """A step that asks once about the picture and takes the reply as the thought."""

    name: str = "one"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft:
        example = draft.example
        parts = [{"type": "image", "image": example.media[0]}, {"type": "text", "text": example.question}]
        reply = await ask(Call(self.name, example, "see", [{"role": "user", "content": parts}]))
        return replace(draft, thought=reply.text, verdict=Verdict(True, "it came"))


async def overhead(url: str, at_once: int, rounds: int, runs: int) -> dict[str, tuple[float, float]]:
    """(seconds, CPU seconds of a call), the best of `runs`, by name."""
    asked = calls(at_once * rounds)
    examples = [call.example for call in asked]
    chain = Chain("one", "For benchmarks.", (One(),), lambda draft: [("data", draft.example)])
    teacher = await ChatTeacher.open(url, terms=Terms(at_once=at_once))
    found: dict[str, list[tuple[float, float]]] = {"synthesis": [], "teacher": []}

    def failed(kind: str, told: str) -> None:
        raise SystemExit(f"a try failed: {kind}, {told}")

    for _ in range(runs):
        with TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite") as ledger:
            asker = Asker({"see": teacher}, LocalDesk(ledger))
            began, spent = time.perf_counter(), time.process_time()
            await work(Job(chain, examples, ahead(at_once)), pending(examples, ledger), asker)
            took = time.perf_counter() - began
            found["synthesis"].append((took, (time.process_time() - spent) / len(asked)))
            assert ledger.spent().calls == len(asked)
            assert ledger.counted("SELECT count(*) FROM examples WHERE state = 'kept'") == [(len(asked),)]
        found["teacher"].append(
            await timed(len(asked), ahead(at_once), lambda i: teacher.answer(asked[i], failed))
        )
    await teacher.close()
    return {name: min(told) for name, told in found.items()}


def memory(n: int, chain: str, world: str) -> dict[str, Any]:
    """Megabytes held after every tenth of the examples, and after the rows are written."""
    held: list[int] = []
    began = time.perf_counter()

    async def teachers() -> Any:
        return dict.fromkeys(("see", "reason", "judge"), Oracle.from_text(ERRORS))

    def watch(counts: Mapping[str, int]) -> None:
        done = n - counts["pending"]
        if done % (n // 10) == 0:
            held.append(_held_mb())
            print(f"{done:>8,} examples, {held[-1]:,} MB, {time.perf_counter() - began:.0f} s", flush=True)

    with TemporaryDirectory() as folder:
        job = Synthesis(by_name(chain), drawn.by_name(world, n), f"drawn:{world}:{n}", teachers, Path(folder))
        status, written = synthesise(job, watch)
        size_mb = os.path.getsize(Path(folder) / "ledger.sqlite") / 1e6
    ended = _held_mb()
    print(f"{sum(written.rows.values()):,} rows, {ended:,} MB, ledger {size_mb:,.0f} MB", flush=True)
    return {
        "held_mb": held,
        "rows_written_mb": ended,
        "seconds": time.perf_counter() - began,
        "calls": status.spent.calls,
        "rows": sum(written.rows.values()),
    }


def _held_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def chains(n: int) -> dict[str, Any]:
    """Seconds of each chain with rows written, and what is in the rows."""
    oracle, told = Oracle.from_text(ERRORS), {}

    async def teachers() -> Any:
        return dict.fromkeys(("see", "reason", "judge"), oracle)

    for name in CHAINS:
        chain = by_name(name)
        data = drawn.by_name(chain.world, n)
        with TemporaryDirectory() as folder:
            began = time.perf_counter()
            status, _ = synthesise(Synthesis(chain, data, "drawn", teachers, Path(folder)))
            seconds = time.perf_counter() - began
        assert status.kept + sum(status.dropped.values()) == n
        kept = asyncio.run(measure(chain, data, oracle)).kept
        told[name] = {"seconds": seconds, "calls": status.spent.calls, "kept": status.kept, "rows": kept.rows}
        told[name] |= {"wrong": kept.wrong, "unjudged": kept.unjudged, "leaking": kept.leaking}
        print(f"{name:20} {seconds:6.1f} s, {told[name]}", flush=True)
    return told


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("part", choices=["overhead", "memory", "chains"])
    options.add_argument("--at-once", type=int, default=256)
    options.add_argument("--rounds", type=int, default=100, help="calls of each that is on its way")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--examples", type=int, default=1_000)
    options.add_argument("--chain", default="r1v_distill")
    options.add_argument("--world", default="counting")
    asked = options.parse_args()
    line: dict[str, Any] = {"name": f"synth {asked.part}", "versions": versions()}
    if asked.part == "overhead":
        with elsewhere("--delay", str(DELAY_S)) as url:
            best = asyncio.run(overhead(url, asked.at_once, asked.rounds, asked.runs))
        for name, (took_s, cpu_s) in best.items():
            share = asked.rounds * DELAY_S / took_s
            print(f"{name:10} {took_s:.2f} s, {share:.1%} of the ceiling, {1000 * cpu_s:.2f} ms CPU a call")
            line[name] = {"seconds": took_s, "share": share, "cpu_ms": 1000 * cpu_s}
    elif asked.part == "memory":
        line |= memory(asked.examples, asked.chain, asked.world)
    else:
        line |= chains(asked.examples)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
