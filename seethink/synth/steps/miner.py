"""Mining of hard questions: those that a teacher often answers wrongly without reasoning."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from seethink.engines.base import Request
from seethink.formats import BARE
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, StepVerdict
from seethink.synth.judging import is_correct, score_leniently
from seethink.synth.prompting import gather_all
from seethink.synth.replies import is_refusal
from seethink.types import Example, Sampling


@dataclass(frozen=True)
class MinerStep:
    """Keep an example if fewer than `easy_from` of `tries` direct answers are correct; otherwise it is "too
    easy".

    Refusals and answers that are cut off are not counted as tries; an example with no other answer is dropped
    for that reason.

    Source: Insight-V, whose first 100,000 questions are those that its generator's own model answers wrongly
    without reasoning; the number of tries is not published.
    """

    name: str = "direct"
    tries: int = 4
    easy_from: int = 4
    verifier: str = "same_answer"
    sampling: Sampling = field(default=Sampling(temperature=0.7, top_p=0.95, max_tokens=128))
    instruction: str = BARE.instruction

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        results = await gather_all([self._try(draft.example, ask, i) for i in range(1, self.tries + 1)])
        judged = [result for result in results if not isinstance(result, Dropped)]
        if not judged:
            first = next(result for result in results if isinstance(result, Dropped))
            return Dropped(first.reason, f"no direct answer: {first.why}")
        correct = sum(judged)
        why = f"{correct} of {len(judged)} direct answers right"
        if correct >= min(self.easy_from, len(judged)):
            return Dropped("too easy", why)
        return replace(draft, verdict=StepVerdict(True, why))

    async def _try(self, example: Example, ask: AskTeacher, number: int) -> bool | Dropped:
        messages = replace(BARE, instruction=self.instruction).prompt(example)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, number))
        reply = await ask(Request(self.name, example, "vision", messages, sampling))
        if is_refusal(reply.text):
            return Dropped("refused", f"{reply.text[:80]!r}")
        if reply.stop == "length":
            return Dropped("cut off", f"after {reply.n_tokens} tokens")
        score = score_leniently(self.verifier, example, reply.text)
        correct = is_correct(score)
        return Dropped("not judged", score.why) if correct is None else correct
