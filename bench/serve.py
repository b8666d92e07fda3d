"""Requests per second of a server, one at a time and 32 at once.

    python -m bench.serve
    python -m bench.serve --url http://127.0.0.1:8001/v1 --name vllm --model sprout

Without --url, `seethink serve` is started on the model, in the format in which sprout reasons. A rival is
started by hand (`vllm serve`, `transformers serve`) and named by its --url; it gets the same requests: a
drawn picture and its question each, greedy, at most --tokens tokens. Every picture is another one, so that
no cache of media helps. After a warm-up, each concurrency answers --requests requests; the last line is one
JSON object with requests and tokens per second and the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from seethink.sources import drawn
from seethink.types import Example

CONCURRENT = (1, 32)
WARM_UP = 4


def messages(example: Example) -> list[dict[str, Any]]:
    """The example as OpenAI's API writes it."""
    parts = [part if isinstance(part, str) else part.load() for part in example.parts()]
    return [{"role": "user", "content": [_part(part) for part in parts]}]


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    file = io.BytesIO()
    part.save(file, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


@contextmanager
def started(model: str) -> Iterator[str]:
    """The address of `seethink serve`, in a process of its own."""
    command = [sys.executable, "-u", "-m", "seethink", "serve", model, "--port", "0"]
    command += ["--format", "prefilled_think"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+/v1", line):
                yield found[0]
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait()


async def measure(url: str, bodies: list[dict[str, Any]], concurrent: int) -> dict[str, float]:
    """Requests and tokens per second of the bodies, so many of them at a time."""
    waiting, tokens = iter(bodies), 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal tokens
        for body in waiting:
            async with session.post(f"{url}/chat/completions", json=body) as response:
                answer = await response.json()
                if response.status != 200:
                    raise SystemExit(f"status {response.status}: {answer}")
                tokens += answer["usage"]["completion_tokens"]

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(concurrent)))
        seconds = time.perf_counter() - begun
    return {"requests_per_s": len(bodies) / seconds, "tokens_per_s": tokens / seconds}


async def compare(url: str, model: str, requests: int, tokens: int) -> dict[str, Any]:
    """The measurements at every concurrency, each with pictures of its own."""
    many = requests * len(CONCURRENT) + WARM_UP
    examples = drawn.by_name("counting", many)
    common = {"model": model, "max_tokens": tokens, "temperature": 0}
    bodies = [{"messages": messages(example), **common} for example in examples]
    async with aiohttp.ClientSession() as session:
        for _ in range(600):  # the process listens before its model is loaded
            try:
                async with session.get(f"{url.removesuffix('/v1')}/health"):
                    break
            except aiohttp.ClientError as error:
                failed = error
                await asyncio.sleep(0.2)
        else:
            raise SystemExit(f"the server at {url} does not answer: {failed}")
    await measure(url, bodies[:WARM_UP], 2)
    found: dict[str, Any] = {}
    for i, concurrent in enumerate(CONCURRENT):
        begin = WARM_UP + i * requests
        found[str(concurrent)] = await measure(url, bodies[begin : begin + requests], concurrent)
        speeds = found[str(concurrent)]
        print(
            f"{concurrent:3} at once: {speeds['requests_per_s']:6.2f} requests/s, "
            f"{speeds['tokens_per_s']:7.1f} tokens/s"
        )
    one, all_ = (found[str(concurrent)]["requests_per_s"] for concurrent in CONCURRENT)
    return found | {"ratio": all_ / one}


def main() -> None:
    """Parse the arguments and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="sprout")
    parser.add_argument("--url", default="", help="of a server that runs; seethink's is started by default")
    parser.add_argument("--name", default="seethink", help="of the server, in the last line")
    parser.add_argument("--requests", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=128)
    args = parser.parse_args()
    if args.url:
        found = asyncio.run(compare(args.url, args.model, args.requests, args.tokens))
    else:
        with started(args.model) as url:
            found = asyncio.run(compare(url, args.model, args.requests, args.tokens))
    print(json.dumps({"server": args.name, "model": args.model} | found))


if __name__ == "__main__":
    main()
