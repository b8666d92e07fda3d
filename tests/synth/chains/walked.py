"""A chain over drawn examples, with the oracle as its teacher."""

from __future__ import annotations

import asyncio

from seethink.engines.scripted import LEAKS, Oracle
from seethink.engines.teacher import Call, Reply
from seethink.sources.drawn import by_name
from seethink.synth.chain import Chain, Outcome, walk
from seethink.types import Example

RATES = "wrong=0.3,leak=0.1,json=0.05,refusal=0.05"


def walked(chain: Chain, world: str, n: int, errors: str = "") -> list[tuple[Example, Outcome]]:
    """Every example of the world with what became of it."""
    oracle = Oracle.from_text(errors)

    async def put(call: Call) -> tuple[Reply, str]:
        return await oracle.answer(call, lambda kind, told: None), oracle.name

    async def go() -> list[Outcome]:
        return [await walk(chain, example, put) for example in examples]

    examples = list(by_name(world, n))
    return list(zip(examples, asyncio.run(go()), strict=True))


def rows(chain: Chain, walks: list[tuple[Example, Outcome]]) -> list[tuple[str, Example, Example]]:
    """(part, the example, the row) of all that was kept."""
    return [
        (part, example, row)
        for example, outcome in walks
        if outcome.state == "kept"
        for part, row in chain.emit(outcome.draft)
    ]


def leaking(text: str) -> bool:
    return any(phrase in text.lower() for phrase in LEAKS)
