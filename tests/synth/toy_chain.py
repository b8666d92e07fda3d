"""A chain and an engine that take no time, for tests of ledger, dispatcher and executors."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from seethink.engines.base import OnFault, Request, RequestFailed
from seethink.synth.chain import Chain
from seethink.synth.dispatch import Budget, LocalLedgerService, RequestDispatcher
from seethink.synth.draft import AskTeacher, Draft, Dropped, FormalDescription, StepVerdict
from seethink.synth.execute import Job, pending, run_job
from seethink.synth.ledger import Ledger
from seethink.types import Completion, Example, Messages, Sampling


def user_message(text: str) -> Messages:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


@dataclass(frozen=True)
class DescribeStep:
    """One request; its reply is the description."""

    name: str = "describe"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        messages = user_message(f"describe {draft.example.question}")
        reply = await ask(Request(self.name, draft.example, "vision", messages))
        return replace(draft, formal=(FormalDescription("caption", reply.text),))


@dataclass(frozen=True)
class ThinkStep:
    """Two concurrent requests; the first reply decides whether the example is dropped."""

    name: str = "think"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        def request(n: int) -> Request:
            messages = user_message(f"think {n} about {draft.description()}")
            return Request(self.name, draft.example, "text", messages, Sampling(seed=n, max_tokens=9))

        first, second = await asyncio.gather(ask(request(0)), ask(request(1)))
        if int(first.text[-1], 16) < 4:
            return Dropped("leak", f"it ends with {first.text[-1]}")
        return replace(draft, thought=f"{first.text} {second.text}", verdict=StepVerdict(True, "it is long"))


CHAIN = Chain("toy", "For tests.", (DescribeStep(), ThinkStep()), lambda draft: [("data", draft.example)])


@dataclass
class HashingEngine:
    """Replies with a hash of the prompt. log: file of all answered prompts. fails: whether a request gets no
    reply. n_requests: number of requests by prompt."""

    name: str = "hashing"
    delay_s: float = 0.0
    log: Path | None = None
    fails: Callable[[Request], bool] = lambda request: False
    n_requests: Counter[str] = field(default_factory=Counter)

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        prompt = request.messages[0]["content"][0]["text"]
        self.n_requests[prompt] += 1
        await asyncio.sleep(self.delay_s)
        if self.fails(request):
            on_fault("500", "the server is overloaded")
            raise RequestFailed("500", "no answer after 1 try")
        if self.log:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{prompt}\n")
        text = hashlib.sha256(prompt.encode()).hexdigest()[:12]
        return Completion(text, "stop", 12, prompt_tokens=len(prompt))

    async def close(self) -> None:
        pass


def examples(n: int) -> list[Example]:
    return [Example(f"e{i}", f"question {i}?", answer=str(i)) for i in range(n)]


def run(
    path: Path,
    data: list[Example],
    teacher: HashingEngine,
    budget: Budget | None = None,
    chain: Chain = CHAIN,
) -> None:
    """Run the examples that are pending in the ledger at `path`, eight at a time."""
    with Ledger(path) as ledger:
        ledger.set_identity({"chain": chain.key, "data": str(len(data))})
        service = LocalLedgerService(ledger, budget or Budget())
        dispatcher = RequestDispatcher({"vision": teacher, "text": teacher}, service)
        asyncio.run(run_job(Job(chain, data, 8), pending(data, ledger), dispatcher))


def outcome(path: Path) -> list[tuple[object, ...]]:
    """All example records of a ledger."""
    with Ledger(path) as ledger:
        return [(d.index, d.id, d.state, d.step, d.reason, d.why, d.draft) for d in ledger.examples()]
