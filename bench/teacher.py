"""How many calls a teacher gets answered, of those that its server could answer.

    python -m bench.teacher --at-once 256 --rounds 20

A server in another process answers every request after 200 ms, however many there are: its ceiling is
`at_once / 0.2` answers a second. `ours` is `ChatTeacher`, each call with a question and a picture; `aiohttp`
sends ready-made bytes of the same length and reads the answers as JSON: as little as a client can do. The two
take turns; the best of each counts. CPU is that of this process, per call. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its file's name, it finds `tests` too

import aiohttp
import PIL.Image

from bench.shape import versions
from seethink.engines.chat import ChatTeacher, Terms
from seethink.engines.teacher import Call
from seethink.media import Image
from seethink.types import Example, Sampling
from tests.servers import elsewhere

DELAY_S = 0.2
PICTURES = 64
"""Different ones; several questions are about each."""


def calls(n: int) -> list[Call]:
    pictures = []
    for i in range(PICTURES):
        file = io.BytesIO()
        PIL.Image.effect_noise((448, 448), 20 + i % 7).convert("RGB").save(file, "JPEG", quality=40)
        pictures.append(Image.data(file.getvalue() + i.to_bytes(4), str(i)))
    made = []
    for i in range(n):
        example = Example(str(i), f"How many {i}?", (pictures[i % PICTURES],))
        parts = [{"type": "image", "image": example.media[0]}, {"type": "text", "text": example.question}]
        asked = [{"role": "user", "content": parts}]
        made.append(Call("bench", example, "see", asked, Sampling(temperature=0.7, seed=i)))
    return made


async def timed(n: int, at_once: int, one: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """(seconds, CPU seconds of a call) of `n` calls, `at_once` at a time."""
    left = iter(range(n))

    async def work() -> None:
        for i in left:
            await one(i)

    began, spent = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return time.perf_counter() - began, (time.process_time() - spent) / n


async def measure(url: str, at_once: int, rounds: int, runs: int) -> dict[str, list[tuple[float, float]]]:
    asked = calls(at_once * rounds)
    teacher = await ChatTeacher.open(url, terms=Terms(at_once=at_once))
    failed: list[str] = []
    reply = await teacher.answer(asked[0], lambda *told: failed.append(str(told)))
    body = teacher._body(asked[0], await teacher.wire.messages(asked[0].messages), False, {"response_format"})
    connector = aiohttp.TCPConnector(limit=at_once)
    headers = {"Content-Type": "application/json"}

    async with aiohttp.ClientSession(connector=connector, headers=headers) as http:

        async def ours(i: int) -> None:
            said = await teacher.answer(asked[i], lambda *told: failed.append(str(told)))
            assert said.text == f"How many {i}?" or said == reply

        async def bare(i: int) -> None:
            async with http.post(f"{url}/chat/completions", data=body) as answer:
                json.loads(await answer.read())

        found: dict[str, list[tuple[float, float]]] = {"ours": [], "aiohttp": []}
        for _ in range(runs):
            for name, one in (("ours", ours), ("aiohttp", bare)):
                found[name].append(await timed(len(asked), at_once, one))
    await teacher.close()
    if failed:
        raise SystemExit(f"{len(failed)} tries failed: {failed[0]}")
    print(f"a request has {len(body):,} bytes")
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--at-once", type=int, default=256)
    options.add_argument(
        "--rounds", type=int, default=20, help="calls of each that is on its way at one time"
    )
    options.add_argument("--runs", type=int, default=3)
    asked = options.parse_args()
    with elsewhere("--delay", str(DELAY_S)) as url:
        found = asyncio.run(measure(url, asked.at_once, asked.rounds, asked.runs))
    ceiling_s = asked.rounds * DELAY_S
    best = {name: min(told) for name, told in found.items()}
    for name, (took_s, cpu_s) in best.items():
        share = ceiling_s / took_s
        print(f"{name:8} {took_s:.2f} s, {share:.1%} of the ceiling, {1000 * cpu_s:.2f} ms CPU a call")
    line = {
        "name": "teacher",
        "shape": {"at_once": asked.at_once, "calls": asked.at_once * asked.rounds, "delay_s": DELAY_S},
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
