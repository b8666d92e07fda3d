"""Questions that are hard: a teacher that answers at once is wrong too often."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from seethink.engines.teacher import Call
from seethink.formats import BARE
from seethink.synth.asking import seed_of, together
from seethink.synth.draft import Ask, Draft, Dropped, Verdict
from seethink.synth.judging import is_right, verdict_anyhow
from seethink.synth.replies import refuses
from seethink.types import Example, Sampling


@dataclass(frozen=True)
class Miner:
    """Keeps what fewer than `enough` of `tries` direct answers get right; the rest is "too easy".

    A refusal, or an answer that is cut off, says nothing about the question: it is not counted among the
    tries, and an example without any answer is dropped for it.

    Source: Insight-V, whose first 100,000 questions are those that its generator's own model answers wrongly
    at once; how often it was asked is not published.
    """

    name: str = "direct"
    tries: int = 4
    enough: int = 4
    verifier: str = "same_answer"
    sampling: Sampling = field(default=Sampling(temperature=0.7, top_p=0.95, max_tokens=128))
    instruction: str = BARE.instruction

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        gone = await together([self._try(draft.example, ask, i) for i in range(1, self.tries + 1)])
        judged = [result for result in gone if not isinstance(result, Dropped)]
        if not judged:
            told = next(result for result in gone if isinstance(result, Dropped))
            return Dropped(told.reason, f"no direct answer: {told.why}")
        good = sum(judged)
        told = f"{good} of {len(judged)} direct answers right"
        if good >= min(self.enough, len(judged)):
            return Dropped("too easy", told)
        return replace(draft, verdict=Verdict(True, told))

    async def _try(self, example: Example, ask: Ask, number: int) -> bool | Dropped:
        messages = replace(BARE, instruction=self.instruction).prompt(example)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, number))
        reply = await ask(Call(self.name, example, "see", messages, sampling))
        if refuses(reply.text):
            return Dropped("refused", f"{reply.text[:80]!r}")
        if reply.stop == "length":
            return Dropped("cut off", f"after {reply.tokens} tokens")
        score = verdict_anyhow(self.verifier, example, reply.text)
        right = is_right(score)
        return Dropped("not judged", score.why) if right is None else right
