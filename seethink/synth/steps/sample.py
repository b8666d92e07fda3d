"""Sample several responses to one question, each in a single call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.engines.base import Request
from seethink.formats import THINK_ANSWER
from seethink.formats.base_format import steps_of
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, ReasoningPath, StepVerdict
from seethink.synth.judging import is_correct, score_answer
from seethink.synth.prompting import ask_until_valid, gather_all
from seethink.types import Example, Sampling


@dataclass(frozen=True)
class SampleStep:
    """Sample `paths` responses in the format think_answer.

    min_agreement: the share of the samples that must have the same answer, or the example is dropped ("not
    judged"); 0 requires none. An example without a reference answer gets the majority answer, and
    `answered_by` in its meta. verifier: decides which answers are the same.

    Source: R1-V, its forks and R1-Onevision sample like this; self-consistency is Wang et al. 2022 (arXiv
    2203.11171).
    """

    name: str = "sample"
    paths: int = 4
    min_agreement: float = 0.0
    retries: int = 2
    verifier: str = "same_answer"
    sampling: Sampling = field(default=Sampling(temperature=0.7, top_p=0.95, max_tokens=2048))
    instruction: str = THINK_ANSWER.instruction
    reminder: str = f"Mind the form, and use each tag once. {THINK_ANSWER.instruction}"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        results = await gather_all([self._sample(draft.example, ask, i) for i in range(1, self.paths + 1)])
        paths = tuple(path for path in results if isinstance(path, ReasoningPath))
        lost = [path for path in results if isinstance(path, Dropped)]
        notes = "".join(f"; one lost: {path.reason}, {path.why}" for path in lost)
        if not paths:
            return Dropped(lost[0].reason, f"no sample{notes}")
        why = f"{len(paths)} of {self.paths} samples{notes}"
        if not self.min_agreement:
            return replace(draft, paths=paths, verdict=StepVerdict(True, why))
        answer, votes = vote(draft.example, [str(path.answer) for path in paths], self.verifier)
        if votes < self.min_agreement * self.paths:
            return Dropped("not judged", f"only {votes} of {self.paths} samples agree, on {answer!r:.60}")
        why += f"; {votes} agree on {answer!r:.60}"
        return replace(
            draft, example=_answered(draft.example, answer), paths=paths, verdict=StepVerdict(True, why)
        )

    async def _sample(self, example: Example, ask: AskTeacher, number: int) -> ReasoningPath | Dropped:
        messages = replace(THINK_ANSWER, instruction=self.instruction).prompt(example)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, number))
        call = Request(self.name, example, "vision", messages, sampling)
        return await ask_until_valid(ask, call, read_sample, self.retries, self.reminder)


def read_sample(text: str) -> ReasoningPath | Dropped:
    """The path in a response of the format think_answer."""
    response = THINK_ANSWER.parse(text)
    if response.fault or not response.thought or not response.answer:
        return Dropped("no answer", f"{response.fault}: {text[:80]!r}")
    return ReasoningPath(tuple(steps_of(response.thought)), response.answer)


def vote(example: Example, answers: Sequence[str], verifier: str) -> tuple[str, int]:
    """The majority answer and its number of votes, its own included; the first one of a tie."""
    votes = [
        sum(
            bool(is_correct(score_answer(verifier, replace(example, answer=one), other))) for other in answers
        )
        for one in answers
    ]
    best = votes.index(max(votes))
    return answers[best], max(votes)


def _answered(example: Example, answer: str) -> Example:
    if example.answer is not None:
        return example
    return replace(example, answer=answer, meta={**example.meta, "answered_by": "self-consistency"})
