"""Judge answers: by rules first, then by a model where rules cannot decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from seethink.engines.base import Request
from seethink.formats import read_any
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, ReasoningPath, StepVerdict
from seethink.synth.judging import is_correct, score_answer, score_leniently
from seethink.synth.prompting import gather_all
from seethink.types import GREEDY, Example, Response, Sampling, Score
from seethink.verify.judge import WORDING, Judge

ScoreFunction = Callable[[str, Example, str], Score]
"""Scores a text by the verifier of that name."""
SENTENCE_WORDS = 4
"""Shortest reference answer, in words, that may be a sentence."""


@dataclass(frozen=True)
class AnswerStep:
    """Judge `final`, or the answer of every path: paths are marked, and a wrong `final` drops its example
    ("wrong answer").

    verifier: the rules; they read leniently, so the last explicit answer of a text counts. use_judge: ask a
    judge that sees the image and the reference answer where the rules cannot decide. If the reference has
    `SENTENCE_WORDS` words or more, and more than the answer, it may be a sentence of the same meaning; then a
    negative result of the rules also goes to the judge. An example that could not be judged is dropped ("not
    judged"); one without a reference answer is kept.

    Source: level one of Insight-V's assessment, which asks a model every time; R1-Onevision, R1-V.
    """

    name: str = "answer"
    verifier: str = "same_answer"
    use_judge: bool = True
    wording: str = WORDING
    sampling: Sampling = field(default=replace(GREEDY, max_tokens=512))

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        if draft.paths:
            return await self._paths(draft, ask)
        if draft.final is None:
            return Dropped("no answer", "there is no text after the thought")
        if draft.example.answer is None:
            return replace(draft, verdict=StepVerdict(None, "there is no reference answer"))
        score = await self._score(draft.example, draft.final, score_leniently, ask)
        right = is_correct(score)
        if right is None:
            return Dropped("not judged", score.why)
        return (
            replace(draft, verdict=StepVerdict(True, score.why))
            if right
            else Dropped("wrong answer", score.why)
        )

    async def _paths(self, draft: Draft, ask: AskTeacher) -> Draft:
        paths = await gather_all([self._marked(draft.example, path, ask) for path in draft.paths])
        right = sum(path.correct is True for path in paths)
        unjudged = sum(path.correct is None for path in paths)
        why = f"{right} of {len(paths)} paths are right" + (f", {unjudged} not judged" if unjudged else "")
        return replace(
            draft, paths=tuple(paths), verdict=StepVerdict(right > 0 if unjudged < len(paths) else None, why)
        )

    async def _marked(self, example: Example, path: ReasoningPath, ask: AskTeacher) -> ReasoningPath:
        if path.answer is None:
            return replace(path, correct=False)
        if example.answer is None:
            return path
        return replace(path, correct=is_correct(await self._score(example, path.answer, score_answer, ask)))

    async def _score(self, example: Example, text: str, rules: ScoreFunction, ask: AskTeacher) -> Score:
        score = rules(self.verifier, example, text)
        right = is_correct(score)
        if (
            right
            or not self.use_judge
            or (right is False and not _may_be_sentence(str(example.answer), text))
        ):
            return score
        judge = Judge("", None, wording=self.wording)  # type: ignore[arg-type]
        response = Response(text, answer=text)
        messages = judge.prompt(example, response)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, text))
        reply = await ask(Request("judge", example, "judge", messages, sampling))
        return judge.read(reply.text)


def _may_be_sentence(gold: str, text: str) -> bool:
    """Whether the reference answer may be a sentence for which the answer is a short form."""
    answer = read_any(text).answer or text
    return len(gold.split()) >= SENTENCE_WORDS and len(gold.split()) > len(answer.split())
