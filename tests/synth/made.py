"""A chain and a teacher that take no time, for tests of what surrounds them."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from seethink.engines.teacher import Call, Fault, Reply, Unanswered
from seethink.synth.asker import Asker, Budget, LocalDesk
from seethink.synth.chain import Chain
from seethink.synth.draft import Ask, Draft, Dropped, Formal, Verdict
from seethink.synth.execute import Job, pending, work
from seethink.synth.ledger import Ledger
from seethink.types import Example, Messages, Sampling


def asking(text: str) -> Messages:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


@dataclass(frozen=True)
class Describe:
    name: str = "describe"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        call = Call(self.name, draft.example, "see", asking(f"describe {draft.example.question}"))
        return replace(draft, formal=(Formal("caption", (await ask(call)).text),))


@dataclass(frozen=True)
class Think:
    """Two thoughts; it drops what the first of them says to drop."""

    name: str = "think"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        def call(n: int) -> Call:
            asked = asking(f"think {n} about {draft.description()}")
            return Call(self.name, draft.example, "reason", asked, Sampling(seed=n, max_tokens=9))

        first, second = await asyncio.gather(ask(call(0)), ask(call(1)))
        if int(first.text[-1], 16) < 4:
            return Dropped("leak", f"it ends with {first.text[-1]}")
        return replace(draft, thought=f"{first.text} {second.text}", verdict=Verdict(True, "it is long"))


CHAIN = Chain("made", "For tests.", (Describe(), Think()), lambda draft: [("data", draft.example)])


@dataclass
class Hashing:
    """Answers with a hash of what it is asked, and counts. log: a file of all that it answered. fails:
    whether a call stays without an answer."""

    name: str = "hashing"
    delay_s: float = 0.0
    log: Path | None = None
    fails: Callable[[Call], bool] = lambda call: False
    asked: Counter[str] = field(default_factory=Counter)

    async def answer(self, call: Call, fault: Fault) -> Reply:
        told = call.messages[0]["content"][0]["text"]
        self.asked[told] += 1
        await asyncio.sleep(self.delay_s)
        if self.fails(call):
            fault("500", "the server is tired")
            raise Unanswered("500", "no answer after 1 try")
        if self.log:
            with self.log.open("a") as file:
                file.write(f"{told}\n")
        return Reply(hashlib.sha256(told.encode()).hexdigest()[:12], "stop", len(told), 12)

    async def close(self) -> None:
        pass


def examples(n: int) -> list[Example]:
    return [Example(f"e{i}", f"question {i}?", answer=str(i)) for i in range(n)]


def run(
    path: Path, data: list[Example], teacher: Hashing, budget: Budget | None = None, chain: Chain = CHAIN
) -> None:
    ledger = Ledger(path)
    try:
        ledger.begin({"chain": chain.key, "data": str(len(data))})
        asker = Asker({"see": teacher, "reason": teacher}, LocalDesk(ledger, budget or Budget()))
        asyncio.run(work(Job(chain, data, 8), pending(data, ledger), asker))
    finally:
        ledger.close()


def outcome(path: Path) -> list[tuple[object, ...]]:
    ledger = Ledger(path)
    try:
        return [(d.at, d.id, d.state, d.step, d.reason, d.why, d.draft) for d in ledger.finished()]
    finally:
        ledger.close()
