"""Several answers to one question, each thought through in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.engines.teacher import Call
from seethink.formats import THINK_ANSWER
from seethink.formats.asking import steps_of
from seethink.synth.asking import seed_of, together, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Path, Verdict
from seethink.synth.judging import is_right, verdict
from seethink.types import Example, Sampling


@dataclass(frozen=True)
class Sample:
    """`paths` samples in the format think_answer.

    agree: the least share of the samples that must give one answer, or the example is dropped ("not judged");
    an example without an answer takes that one as its own (meta says `answered_by`). 0 asks for no agreement.
    verifier: which answers are one.

    Source: what R1-V's kin and R1-Onevision sample from their teachers; self-consistency is Wang et al. 2022
    (arXiv 2203.11171).
    """

    name: str = "sample"
    paths: int = 4
    agree: float = 0.0
    retries: int = 2
    verifier: str = "same_answer"
    sampling: Sampling = field(default=Sampling(temperature=0.7, top_p=0.95, max_tokens=2048))
    instruction: str = THINK_ANSWER.instruction
    reminder: str = f"Mind the form, and use each tag once. {THINK_ANSWER.instruction}"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        gone = await together([self._sample(draft.example, ask, i) for i in range(1, self.paths + 1)])
        made = tuple(path for path in gone if isinstance(path, Path))
        lost = [path for path in gone if isinstance(path, Dropped)]
        notes = "".join(f"; one lost: {path.reason}, {path.why}" for path in lost)
        if not made:
            return Dropped(lost[0].reason, f"no sample{notes}")
        told = f"{len(made)} of {self.paths} samples{notes}"
        if not self.agree:
            return replace(draft, paths=made, verdict=Verdict(True, told))
        answer, votes = vote(draft.example, [str(path.answer) for path in made], self.verifier)
        if votes < self.agree * self.paths:
            return Dropped("not judged", f"only {votes} of {self.paths} samples agree, on {answer!r:.60}")
        why = f"{told}; {votes} agree on {answer!r:.60}"
        return replace(
            draft, example=_answered(draft.example, answer), paths=made, verdict=Verdict(True, why)
        )

    async def _sample(self, example: Example, ask: Ask, number: int) -> Path | Dropped:
        messages = replace(THINK_ANSWER, instruction=self.instruction).prompt(example)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, number))
        call = Call(self.name, example, "see", messages, sampling)
        return await until_read(ask, call, read_sample, self.retries, self.reminder)


def read_sample(text: str) -> Path | Dropped:
    read = THINK_ANSWER.parse(text)
    if read.fault or not read.thought or not read.answer:
        return Dropped("no answer", f"{read.fault}: {text[:80]!r}")
    return Path(tuple(steps_of(read.thought)), read.answer)


def vote(example: Example, answers: Sequence[str], verifier: str) -> tuple[str, int]:
    """The answer that most others agree with, and how many do, itself counted; of equals the first."""
    votes = [
        sum(bool(is_right(verdict(verifier, replace(example, answer=one), other))) for other in answers)
        for one in answers
    ]
    best = votes.index(max(votes))
    return answers[best], max(votes)


def _answered(example: Example, answer: str) -> Example:
    if example.answer is not None:
        return example
    return replace(example, answer=answer, meta={**example.meta, "answered_by": "self-consistency"})
