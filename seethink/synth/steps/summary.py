"""Targets for a summary model, which reads a path and answers (Insight-V's second agent)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.attempt import judge
from seethink.engines.base import Request
from seethink.formats import ANSWER_LINE
from seethink.formats.agents import SUMMARY_PROMPT, summary_request
from seethink.formats.messages import chat_message
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, ReasoningPath, StepVerdict
from seethink.synth.judging import is_correct, verifier_for
from seethink.synth.prompting import ask_until_valid, gather_all
from seethink.types import GREEDY, Completion, Example, Sampling, Task

BANDS = ("high", "middling", "low", "wrong")
_JUDGES = re.compile(
    r"\b(?:reasoning|reason process|process|analysis|rationale)\b[^.\n]{0,60}\b(?:wrong|incorrect|correct|"
    r"flawed|mistaken|mistakes?|errors?|erroneous|unreliable|invalid|valid|inaccurate|accurate)\b"
    r"|\b(?:incorrect|wrong|flawed|mistaken|erroneous|correct|unreliable)\s+(?:reasoning|reason process|"
    r"process|analysis|rationale)\b"
    r"|\b(?:ignor|disregard|put(?:ting)? aside|set(?:ting)? aside)\w*\b[^.\n]{0,40}\b(?:reasoning|process|"
    r"analysis|rationale)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SummaryStep:
    """Write a target for `per_band` paths of every band, chosen with a hashed seed. For a correct path it is
    a summary with the path's answer; for a wrong one, an answer from the image that neither uses nor mentions
    the path.

    The teacher is told whether the path is correct; the prompt of the summary model (`prompt`) does not say
    it. A target must have a correct answer line, by `verifier`, and must not mention the judgement; otherwise
    it is requested again, and then the path has no target and the verdict says why. An example without any
    target is dropped, unless it has a path of the band "high".

    Source: Insight-V (arXiv 2411.14432), whose summary data come from high, middling, low and wrong paths;
    how its targets were written is not published.
    """

    name: str = "summary"
    per_band: int = 1
    retries: int = 2
    verifier: str = "same_answer"
    sampling: Sampling = field(default=replace(GREEDY, max_tokens=1024))
    prompt: str = SUMMARY_PROMPT
    note_if_correct: str = (
        "(For you alone: the process is right. Sum it up in a few sentences and give its answer.)"
    )
    note_if_wrong: str = (
        "(For you alone: the process is not right. Answer from the picture, in a few sentences, as if you "
        "had not read it.)"
    )
    reminder: str = (
        "End with a single line that begins with 'Answer:', make sure that the answer is right, and say "
        "nothing about the quality of the process."
    )

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        chosen = self._chosen(draft)
        results = await gather_all([self._target(draft, draft.paths[i], i, ask) for i in chosen])
        targets = {i: target for i, target in zip(chosen, results, strict=True) if isinstance(target, str)}
        lost = [target for target in results if isinstance(target, Dropped)]
        notes = "".join(f"; none for a path: {target.reason}, {target.why}" for target in lost)
        if not targets and not any(path.band == "high" for path in draft.paths):
            first = lost[0] if lost else Dropped("no good path", "no path has a band")
            return Dropped(first.reason, f"no summary{notes or f': {first.why}'}")
        paths = tuple(replace(path, summary=targets.get(i)) for i, path in enumerate(draft.paths))
        why = f"summaries of {', '.join(str(paths[i].band) for i in targets) or 'no path'}{notes}"
        return replace(draft, paths=paths, verdict=StepVerdict(bool(targets), why))

    def _chosen(self, draft: Draft) -> list[int]:
        chosen: list[int] = []
        for band in BANDS:
            of_band = [i for i, path in enumerate(draft.paths) if path.band == band]
            random.Random(f"{self.name}/{draft.example.id}/{band}").shuffle(of_band)
            chosen += of_band[: self.per_band]
        return chosen

    async def _target(self, draft: Draft, path: ReasoningPath, number: int, ask: AskTeacher) -> str | Dropped:
        wrong = path.band == "wrong"
        note = self.note_if_wrong if wrong else self.note_if_correct
        prompt = summary_request(draft.example, path.steps, self.prompt)
        messages = [chat_message("user", *prompt.parts(), f"\n\n{note}")]
        sampling = replace(self.sampling, seed=seed_of(draft.example.id, self.name, number))
        request = Request(
            f"{self.name}/{'wrong' if wrong else 'right'}", draft.example, "vision", messages, sampling
        )
        return await ask_until_valid(
            ask, request, lambda text: self.parse(text, draft.example), self.retries, self.reminder
        )

    def parse(self, text: str, example: Example) -> str | Dropped:
        """The target, if it is correct and does not mention the judgement."""
        task = Task(self.name, (), ANSWER_LINE, verifier_for(self.verifier, example))
        rollout = judge(task, example, Completion(text))
        if rollout.response.answer is None:
            return Dropped("no answer", f"{rollout.response.fault}: {text[-80:]!r}")
        if not is_correct(rollout.score):
            judged = rollout.score.value is not None
            return Dropped("wrong answer" if judged else "not judged", rollout.score.why)
        if found := _JUDGES.search(text):
            return Dropped("invalid", f"it mentions the judgement: {found[0]!r:.80}")
        return text.strip()


def general(example_id: str, rows: Sequence[Example], n: int) -> list[Example]:
    """`n` examples of another source to mix with those of one example, unchanged, chosen with a hashed seed.
    One row may be chosen for several examples, and keeps its id."""
    return random.Random(f"general/{example_id}").sample(rows, min(n, len(rows))) if n else []
