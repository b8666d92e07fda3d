"""Runs of a chain over drawn examples, with the oracle as teacher."""

from __future__ import annotations

import asyncio

from seethink.engines.base import Request
from seethink.engines.oracle import LEAKS, Oracle
from seethink.sources.drawn import by_name
from seethink.synth.chain import Chain, Outcome, run_example
from seethink.types import Completion, Example

RATES = "wrong=0.3,leak=0.1,json=0.05,refusal=0.05"


def run_chain(chain: Chain, world: str, n: int, errors: str = "") -> list[tuple[Example, Outcome]]:
    """(example, outcome) of the first n examples of a drawn world."""
    oracle = Oracle.from_text(errors)

    async def put(call: Request) -> tuple[Completion, str]:
        return await oracle.complete(call, lambda kind, detail: None), oracle.name

    async def go() -> list[Outcome]:
        return [await run_example(chain, example, put) for example in examples]

    examples = list(by_name(world, n))
    return list(zip(examples, asyncio.run(go()), strict=True))


def kept_rows(chain: Chain, results: list[tuple[Example, Outcome]]) -> list[tuple[str, Example, Example]]:
    """(part, example, row) of all kept examples."""
    return [
        (part, example, row)
        for example, outcome in results
        if outcome.state == "kept"
        for part, row in chain.build_rows(outcome.draft)
    ]


def leaking(text: str) -> bool:
    return any(phrase in text.lower() for phrase in LEAKS)
