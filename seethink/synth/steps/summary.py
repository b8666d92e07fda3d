"""What a summarising model should say of a path: Insight-V's second agent, and the data that teaches it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.attempt import judge
from seethink.engines.teacher import Call
from seethink.formats import ANSWER_LINE
from seethink.synth.asking import said, seed_of, together, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Path, Verdict
from seethink.synth.judging import is_right, rules
from seethink.types import GREEDY, Completion, Example, Sampling, Task

BANDS = ("high", "middling", "low", "wrong")
PROMPT = (
    "Below are a question about the picture and a process of reasoning about it, which may be right or not. "
    "Find out for yourself whether it is, and do not say so. If it is right, sum it up and answer from it; "
    "if it is not, put it aside and answer from the picture. End with a line that begins with 'Answer:' and "
    "gives the final answer."
)
"""What the summarising model is asked, in training and when it is used; ours, after Insight-V's."""
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
class Summary:
    """A target for `each` paths of every band, drawn by hash: of a right path its summary with its answer, of
    a wrong one an answer from the picture, which neither uses nor mentions the path.

    The teacher is told which it is, the model that learns from it is not (`prompt`). A target counts only if
    its answer line is right by `verifier` and it does not speak of the judgement; otherwise it is asked for
    again, and then the path has none and the verdict says why. An example with no target at all is dropped,
    unless one of its paths is high: that is worth keeping without a summary.

    Source: Insight-V (arXiv 2411.14432): its summary data come from high, middling, low and wrong paths; how
    the targets were made is not published.
    """

    name: str = "summary"
    each: int = 1
    retries: int = 2
    verifier: str = "same_answer"
    sampling: Sampling = field(default=replace(GREEDY, max_tokens=1024))
    prompt: str = PROMPT
    of_right: str = "(For you alone: the process is right. Sum it up in a few sentences and give its answer.)"
    of_wrong: str = (
        "(For you alone: the process is not right. Answer from the picture, in a few sentences, as if you "
        "had not read it.)"
    )
    reminder: str = (
        "End with a single line that begins with 'Answer:', make sure that the answer is right, and say "
        "nothing about the quality of the process."
    )

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        chosen = self._chosen(draft)
        told = await together([self._target(draft, draft.paths[i], i, ask) for i in chosen])
        made = {i: target for i, target in zip(chosen, told, strict=True) if isinstance(target, str)}
        lost = [target for target in told if isinstance(target, Dropped)]
        notes = "".join(f"; none for a path: {target.reason}, {target.why}" for target in lost)
        if not made and not any(path.band == "high" for path in draft.paths):
            first = lost[0] if lost else Dropped("no good path", "no path has a band")
            return Dropped(first.reason, f"no summary{notes or f': {first.why}'}")
        paths = tuple(replace(path, summary=made.get(i)) for i, path in enumerate(draft.paths))
        why = f"summaries of {', '.join(str(paths[i].band) for i in made) or 'no path'}{notes}"
        return replace(draft, paths=paths, verdict=Verdict(bool(made), why))

    def _chosen(self, draft: Draft) -> list[int]:
        chosen: list[int] = []
        for band in BANDS:
            of_band = [i for i, path in enumerate(draft.paths) if path.band == band]
            random.Random(f"{self.name}/{draft.example.id}/{band}").shuffle(of_band)
            chosen += of_band[: self.each]
        return chosen

    async def _target(self, draft: Draft, path: Path, number: int, ask: Ask) -> str | Dropped:
        wrong = path.band == "wrong"
        aside = self.of_wrong if wrong else self.of_right
        asked = fields(draft.example, path.steps, self.prompt)
        messages = [said("user", *asked.parts(), f"\n\n{aside}")]
        sampling = replace(self.sampling, seed=seed_of(draft.example.id, self.name, number))
        call = Call(f"{self.name}/{'wrong' if wrong else 'right'}", draft.example, "see", messages, sampling)
        return await until_read(
            ask, call, lambda text: self.read(text, draft.example), self.retries, self.reminder
        )

    def read(self, text: str, example: Example) -> str | Dropped:
        """The target, if it is right and silent about the judgement."""
        task = Task(self.name, (), ANSWER_LINE, rules(self.verifier, example))
        rollout = judge(task, example, Completion(text))
        if rollout.response.answer is None:
            return Dropped("no answer", f"{rollout.response.fault}: {text[-80:]!r}")
        if not is_right(rollout.score):
            judged = rollout.score.value is not None
            return Dropped("wrong answer" if judged else "not judged", rollout.score.why)
        if found := _JUDGES.search(text):
            return Dropped("invalid", f"it speaks of the judgement: {found[0]!r:.80}")
        return text.strip()


def fields(example: Example, steps: Sequence[str], prompt: str = PROMPT) -> Example:
    """The example as the summarising model is asked about it: QUESTION, with media, and REASON PROCESS."""
    process = "\n".join(steps)
    question = f"{prompt}\n\nQUESTION: {_marked(example)}\n\nREASON PROCESS:\n{process}"
    return replace(example, question=question)


def _marked(example: Example) -> str:
    """The question with a mark for each medium, so that they stand in the field and not before it."""
    return "".join(part if isinstance(part, str) else f"<{part.kind}>" for part in example.parts())


def general(example_id: str, rows: Sequence[Example], n: int) -> list[Example]:
    """`n` examples of another source for one of ours, unchanged, drawn by hash: the same one may be drawn for
    two of ours, and has the same id there."""
    return random.Random(f"general/{example_id}").sample(rows, min(n, len(rows))) if n else []
