"""Throughput of ChatEngine, as a share of what its server can answer.

    python -m bench.teacher --max-concurrency 256 --rounds 20

A server in another process answers every request after 200 ms, however many there are, so the ceiling is
`max_concurrency / 0.2` responses a second. `ours` is `ChatEngine`, each request with a question and a
picture; `aiohttp` sends prepared bytes of the same length and parses the responses as JSON, the least that a
client can do. The two take turns; the best run of each counts. CPU is that of this process, per request. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import aiohttp
import PIL.Image

from bench.shape import versions
from seethink.engines.base import Request
from seethink.engines.chat import ChatEngine
from seethink.engines.http import RequestPolicy
from seethink.media import Image
from seethink.types import Example, Sampling
from tests.servers import server_process

DELAY_S = 0.2
PICTURES = 64
"""Distinct pictures; several questions are about each."""


def requests(n: int) -> list[Request]:
    """`n` different requests, each with a question and one of `PICTURES` pictures."""
    pictures = []
    for i in range(PICTURES):
        file = io.BytesIO()
        PIL.Image.effect_noise((448, 448), 20 + i % 7).convert("RGB").save(file, "JPEG", quality=40)
        pictures.append(Image.data(file.getvalue() + i.to_bytes(4), str(i)))
    result = []
    for i in range(n):
        example = Example(str(i), f"How many {i}?", (pictures[i % PICTURES],))
        parts = [{"type": "image", "image": example.media[0]}, {"type": "text", "text": example.question}]
        messages = [{"role": "user", "content": parts}]
        result.append(Request("bench", example, "vision", messages, Sampling(temperature=0.7, seed=i)))
    return result


async def timed(n: int, concurrency: int, one: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """(seconds, CPU seconds of a request) of `n` requests, `concurrency` at a time."""
    left = iter(range(n))

    async def work() -> None:
        for i in left:
            await one(i)

    began, spent = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return time.perf_counter() - began, (time.process_time() - spent) / n


async def measure(url: str, concurrency: int, rounds: int, runs: int) -> dict[str, list[tuple[float, float]]]:
    """`timed` results of all runs, by client."""
    sent = requests(concurrency * rounds)
    engine = await ChatEngine.open(url, policy=RequestPolicy(max_concurrency=concurrency))
    failed: list[str] = []
    first = await engine.complete(sent[0], lambda *fault: failed.append(str(fault)))
    messages = await engine.encoder.encode(sent[0].messages)
    body = engine._body(sent[0], messages, False, {"response_format"})
    connector = aiohttp.TCPConnector(limit=concurrency)
    headers = {"Content-Type": "application/json"}

    async with aiohttp.ClientSession(connector=connector, headers=headers) as http:

        async def ours(i: int) -> None:
            completion = await engine.complete(sent[i], lambda *fault: failed.append(str(fault)))
            assert completion.text == f"How many {i}?" or completion == first

        async def bare(i: int) -> None:
            async with http.post(f"{url}/chat/completions", data=body) as answer:
                json.loads(await answer.read())

        results: dict[str, list[tuple[float, float]]] = {"ours": [], "aiohttp": []}
        for _ in range(runs):
            for name, one in (("ours", ours), ("aiohttp", bare)):
                results[name].append(await timed(len(sent), concurrency, one))
    await engine.close()
    if failed:
        raise SystemExit(f"{len(failed)} attempts failed: {failed[0]}")
    print(f"a request has {len(body):,} bytes")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--max-concurrency", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=20, help="requests per concurrent worker")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with server_process("--delay", str(DELAY_S)) as url:
        results = asyncio.run(measure(url, options.max_concurrency, options.rounds, options.runs))
    ceiling_s = options.rounds * DELAY_S
    best = {name: min(runs) for name, runs in results.items()}
    for name, (took_s, cpu_s) in best.items():
        share = ceiling_s / took_s
        print(f"{name:8} {took_s:.2f} s, {share:.1%} of the ceiling, {1000 * cpu_s:.2f} ms CPU a request")
    line = {
        "name": "teacher",
        "shape": {
            "max_concurrency": options.max_concurrency,
            "requests": options.max_concurrency * options.rounds,
            "delay_s": DELAY_S,
        },
        "ours_s": best["ours"][0],
        "rival_s": best["aiohttp"][0],
        "rival": "aiohttp",
        "ratio": best["aiohttp"][0] / best["ours"][0],
        "ideal": 1.0,
        "share_of_ceiling": {name: ceiling_s / took_s for name, (took_s, _) in best.items()},
        "cpu_ms": {name: 1000 * cpu_s for name, (_, cpu_s) in best.items()},
        "memory_ratio": None,
        "versions": versions() | {"aiohttp": version("aiohttp")},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
