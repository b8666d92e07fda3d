"""Whether what was said is right: by rules first, and by a judge where rules cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from seethink.engines.teacher import Call
from seethink.formats import read_any
from seethink.synth.asking import seed_of, together
from seethink.synth.draft import Ask, Draft, Dropped, Path, Verdict
from seethink.synth.judging import is_right, verdict, verdict_anyhow
from seethink.types import GREEDY, Example, Response, Sampling, Score
from seethink.verify.judge import WORDING, Judge

Rules = Callable[[str, Example, str], Score]
SENTENCE_WORDS = 4


@dataclass(frozen=True)
class Answer:
    """Judges `final`, or the answer of every path; the paths are marked, and a wrong `final` drops its
    example ("wrong answer").

    verifier: the rules, read leniently: the last explicit answer of a text counts. judged: ask a model that
    sees pictures and gold where the rules cannot tell; a gold of several words, more than the answer has, may
    say the same in a sentence, so that a no of the rules is put to the model as well. What nobody could judge
    is dropped ("not judged") where there is a gold, and kept with that verdict where there is none.

    Source: level one of Insight-V's assessment, which asks a model every time; R1-Onevision, R1-V.
    """

    name: str = "answer"
    verifier: str = "same_answer"
    judged: bool = True
    wording: str = WORDING
    sampling: Sampling = field(default=replace(GREEDY, max_tokens=512))

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        if draft.paths:
            return await self._paths(draft, ask)
        if draft.final is None:
            return Dropped("no answer", "nothing was said after the thought")
        if draft.example.answer is None:
            return replace(draft, verdict=Verdict(None, "there is no reference answer"))
        score = await self._score(draft.example, draft.final, verdict_anyhow, ask)
        right = is_right(score)
        if right is None:
            return Dropped("not judged", score.why)
        return (
            replace(draft, verdict=Verdict(True, score.why)) if right else Dropped("wrong answer", score.why)
        )

    async def _paths(self, draft: Draft, ask: Ask) -> Draft:
        paths = await together([self._marked(draft.example, path, ask) for path in draft.paths])
        right = sum(path.correct is True for path in paths)
        unjudged = sum(path.correct is None for path in paths)
        why = f"{right} of {len(paths)} paths are right" + (f", {unjudged} not judged" if unjudged else "")
        return replace(
            draft, paths=tuple(paths), verdict=Verdict(right > 0 if unjudged < len(paths) else None, why)
        )

    async def _marked(self, example: Example, path: Path, ask: Ask) -> Path:
        if path.answer is None:
            return replace(path, correct=False)
        if example.answer is None:
            return path
        return replace(path, correct=is_right(await self._score(example, path.answer, verdict, ask)))

    async def _score(self, example: Example, said: str, rules: Rules, ask: Ask) -> Score:
        score = rules(self.verifier, example, said)
        right = is_right(score)
        if right or not self.judged or (right is False and not _in_a_sentence(str(example.answer), said)):
            return score
        judge = Judge("", None, wording=self.wording)  # type: ignore[arg-type]
        response = Response(said, answer=said)
        messages = judge.prompt(example, response)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, said))
        reply = await ask(Call("judge", example, "judge", messages, sampling))
        return judge.read(reply.text)


def _in_a_sentence(gold: str, said: str) -> bool:
    """Whether the gold may say in a sentence what the answer says in fewer words."""
    answer = read_any(said).answer or said
    return len(gold.split()) >= SENTENCE_WORDS and len(gold.split()) > len(answer.split())
