"""A reasoner that cannot see is asked about a scene that was written down, and what it says is reworded as if
it had seen it. R1-V's distillation of CLEVR."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.engines.teacher import Call
from seethink.formats import read_any
from seethink.synth.asking import in_words, said, seed_of, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Verdict
from seethink.synth.judging import is_right, verdict
from seethink.synth.replies import END, START, read_thought
from seethink.types import Sampling


@dataclass(frozen=True)
class Distill:
    """The thought and the answer of a text-only reasoner about `draft.formal`, kept if the answer is right.

    reading: "ours" takes the last line's bold answer and nothing of the thought; "r1v" is `published`, with
    its defects. verifier: compares it with the example's answer; R1-V compares lower-case texts. Of a right
    reply, thought and final are reworded: a scene description is an image.

    Source: R1-V's query_r1.py, filter_r1.py and create_hf_dataset.py.
    """

    name: str = "distill"
    reading: str = "ours"
    retries: int = 2
    verifier: str = "same_answer"
    sampling: Sampling = field(default=Sampling(temperature=0.6, top_p=0.95, max_tokens=4096))
    wording: str = (
        "Here is a scene description, a list of objects with their places:\n\n{scene}\n\nAnswer this "
        "question about the scene, and think it through before you answer: {question}\n\nEnd with one line "
        "in bold that gives the final answer alone: **The answer is: ...**"
    )
    reminder: str = (
        f"Think inside {START} {END}, and end with one line in bold: **The answer is: ...**, with the answer."
    )

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        example = draft.example
        if not draft.formal:
            return Dropped("invalid", "there is no description to reason about")
        told = self.wording.format(scene=draft.description(), question=in_words(example))
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name))
        call = Call(self.name, example, "reason", [said("user", told)], sampling)
        made = await until_read(ask, call, self._read, self.retries, self.reminder)
        if isinstance(made, Dropped):
            return made
        thought, final, answer = made
        score = verdict(self.verifier, example, answer)
        if not is_right(score):
            return Dropped("not judged" if score.value is None else "wrong answer", score.why)
        thought, final = reworded(thought), reworded(final)
        return replace(draft, thought=thought, final=final, verdict=Verdict(True, score.why))

    def _read(self, text: str) -> tuple[str, str, str] | Dropped:
        """(thought, final, answer)."""
        if (read := read_thought(text.strip().removeprefix(START))) is None:
            return Dropped("no answer", f"no thought that ends at {END}, then an answer: {text[:80]!r}")
        thought, final = read
        answer = published(text) if self.reading == "r1v" else bold_answer(final)
        if not answer:
            return Dropped("no answer", f"no final answer can be read: {final[-80:]!r}")
        return thought.strip(), final, answer


_BOLD = re.compile(
    r"\*\*\s*(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?\s*(?:\*\*)?\s*(.+?)\s*\*{0,2}\s*$", re.I
)


def bold_answer(final: str) -> str | None:
    """What the last line says in bold to be the answer, else the final answer in any form."""
    match = _BOLD.search(final.strip().splitlines()[-1]) if final.strip() else None
    return match[1].rstrip(".") if match else read_any(final).answer


_VALUE, _WHOLE = r"(no|yes|[0-9]+)", r"([0-9]+)"
_STARS = r"\*\*\s*{}\s*\*\*"
_SO = r"(?:so|therefore|thus|hence),?\s*(?:the answer is\s+)?"
_THINGS = r"(?:items?|objects?|spheres?|cubes?|boxes?)"
_CONCLUDES = (
    _SO + _STARS.format(_VALUE),
    _SO + _VALUE + r"\b",
    r"the answer is\s+" + _STARS.format(_VALUE),
    r"(?:final|conclusive) answer(?:\s+is)?\s*" + _STARS.format(_VALUE),
)
_LABELLED = (
    r"\*\*The answer is:\s*\*\*\s*" + _VALUE + r"\b",
    r"\*\*Answer:\s*\*\*\s*" + _VALUE + r"\b",
    r"\*\*Answer\*\*:\s*" + _VALUE + r"\b",
    r"\*\*Answer:?\s*\*\*\s*There (?:is|are)\s+" + _WHOLE,
    r"\*\*Final Count:\s*\*\*\s*" + _WHOLE,
    r"\*\*Total:\s*\*\*\s*" + _WHOLE,
    r"The answer is:\s*" + _VALUE + r"\b",
    r"Answer:\s*" + _VALUE + r"\b",
    r"should be\s+" + _WHOLE + r"[.\s]",
)
_IN_BOLD = (
    _STARS.format(_WHOLE),
    r"\*\*\s*" + _WHOLE + r"\s+" + _THINGS + r"?\s*\*\*",
    r"\*\*\s*" + _WHOLE + r"\s+[^*]+\*\*",
)
_BOXES = (r"\$\\boxed{" + _WHOLE + r"}\$", r"\\boxed{" + _WHOLE + "}")
_COUNTS = (r"There (?:is|are)\s+" + _WHOLE + r"\s+" + _THINGS,)


def published(text: str) -> str | None:
    """The answer as R1-V's filter_r1.py reads it: a yes, a no or a whole number, in lower case.

    In this order: (a) a conclusion in one of the last three lines, the last first; then, anywhere in the
    text and the first there is, (b) a labelled answer, (c) a number in bold, (d) a box, (e) "There are 3
    objects". None without a thought's tags. Its defects are kept: (b) to (e) find what the thought says in
    passing, and no other kind of answer is read.
    """
    if START not in text or END not in text:
        return None
    last_lines = text.split("\n")[:-4:-1]
    found = next((told for line in last_lines if (told := _first(_CONCLUDES, line))), None)
    return found or _first((*_LABELLED, *_IN_BOLD, *_BOXES, *_COUNTS), text)


def _first(patterns: Sequence[str], text: str) -> str | None:
    matches = (re.search(pattern, text, re.IGNORECASE) for pattern in patterns)
    return next((match[1].lower() for match in matches if match), None)


_ARTICLE = re.compile(r"\b(a)n?\s+(?=scene(?:'s)?\s+(?:list\s+)?description\b)", re.IGNORECASE)
_SCENE = re.compile(
    r"\b(?P<scene>scene(?:'s)?\s+(?:list\s+)?descriptions?|descriptions?\s+of\s+the\s+scene)\b", re.IGNORECASE
)


def reworded(text: str) -> str:
    """ "scene description" is "image", "a scene description" "an image"; capitals and plurals stay."""

    def image(match: re.Match[str]) -> str:
        word = "images" if match[0].lower().rstrip().endswith("descriptions") else "image"
        return word.capitalize() if match[0][0].isupper() else word

    return _SCENE.sub(image, _ARTICLE.sub(r"\1n ", text))
