"""Distillation from a text-only teacher that reasons about a scene description (R1-V's distillation of
CLEVR)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.engines.base import Request
from seethink.formats import read_any
from seethink.formats.messages import chat_message, question_text
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, StepVerdict
from seethink.synth.judging import is_correct, score_answer
from seethink.synth.prompting import ask_until_valid
from seethink.synth.replies import END, START, read_thought
from seethink.types import Sampling


@dataclass(frozen=True)
class DistillStep:
    """Ask a text-only teacher for a thought and an answer, from `draft.formal`; drop the example if the
    answer is wrong.

    reading: "ours" reads the bold answer of the last line, and never the thought; "r1v" is `published`, with
    its defects. verifier: compares the answer with the reference; R1-V compares lower-case texts. In a
    correct reply, "scene description" is reworded as "image".

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

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        example = draft.example
        if not draft.formal:
            return Dropped("invalid", "there is no description to reason about")
        prompt = self.wording.format(scene=draft.description(), question=question_text(example))
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name))
        request = Request(self.name, example, "text", [chat_message("user", prompt)], sampling)
        parsed = await ask_until_valid(ask, request, self._parse, self.retries, self.reminder)
        if isinstance(parsed, Dropped):
            return parsed
        thought, final, answer = parsed
        score = score_answer(self.verifier, example, answer)
        if not is_correct(score):
            return Dropped("not judged" if score.value is None else "wrong answer", score.why)
        thought, final = reworded(thought), reworded(final)
        return replace(draft, thought=thought, final=final, verdict=StepVerdict(True, score.why))

    def _parse(self, text: str) -> tuple[str, str, str] | Dropped:
        """(thought, text after it, answer) of a reply."""
        if (parts := read_thought(text.strip().removeprefix(START))) is None:
            return Dropped(
                "no answer", f"there is no thought that ends with {END}, followed by an answer: {text[:80]!r}"
            )
        thought, final = parts
        answer = published(text) if self.reading == "r1v" else bold_answer(final)
        if not answer:
            return Dropped("no answer", f"no final answer can be read: {final[-80:]!r}")
        return thought.strip(), final, answer


_BOLD = re.compile(
    r"\*\*\s*(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?\s*(?:\*\*)?\s*(.+?)\s*\*{0,2}\s*$", re.I
)


def bold_answer(final: str) -> str | None:
    """The answer in bold in the last line, or else the final answer in any form."""
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
    """The answer as R1-V's filter_r1.py reads it: "yes", "no" or a whole number, in lower case.

    The first match of: (a) a conclusion in one of the last three lines, from the last one up; then anywhere
    in the text (b) a labelled answer, (c) a number in bold, (d) \\boxed, (e) "There are 3 objects". None
    without the tags of a thought. Its defects are kept: (b) to (e) also match intermediate results in the
    thought, and no other kind of answer is read.
    """
    if START not in text or END not in text:
        return None
    last_lines = text.split("\n")[:-4:-1]
    conclusion = next((match for line in last_lines if (match := _first(_CONCLUDES, line))), None)
    return conclusion or _first((*_LABELLED, *_IN_BOLD, *_BOXES, *_COUNTS), text)


def _first(patterns: Sequence[str], text: str) -> str | None:
    matches = (re.search(pattern, text, re.IGNORECASE) for pattern in patterns)
    return next((match[1].lower() for match in matches if match), None)


_ARTICLE = re.compile(r"\b(a)n?\s+(?=scene(?:'s)?\s+(?:list\s+)?description\b)", re.IGNORECASE)
_SCENE = re.compile(
    r"\b(?P<scene>scene(?:'s)?\s+(?:list\s+)?descriptions?|descriptions?\s+of\s+the\s+scene)\b", re.IGNORECASE
)


def reworded(text: str) -> str:
    """The text with "image" for "scene description", and "an image" for "a scene description"; capitals and
    plurals are kept."""

    def image(match: re.Match[str]) -> str:
        word = "images" if match[0].lower().rstrip().endswith("descriptions") else "image"
        return word.capitalize() if match[0][0].isupper() else word

    return _SCENE.sub(image, _ARTICLE.sub(r"\1n ", text))
