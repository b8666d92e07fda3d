"""Questions whose answers can be checked: rewritten by a teacher, or reformatted by rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from seethink.boxes import read_boxes
from seethink.engines.teacher import Call
from seethink.formats import THINK_ANSWER
from seethink.media import Image
from seethink.sources.published.columns import bare_letter, options_in
from seethink.synth.asking import as_text, quoted, said, seed_of, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Verdict
from seethink.synth.frames import as_pictures
from seethink.synth.replies import read_object
from seethink.types import MEDIA_MARK, Example, InputError, Sampling

MIN_SIDE_PX = 28
MOST_WORDS = 12
"""An answer of more words is not one that can be compared."""
_PREFIX = re.compile(r"^\s*[*_#]*\s*(?:rewritten |new )?question\s*[*_]*\s*:\s*[*_]*\s*", re.IGNORECASE)
_TRAILING = re.compile(r"\s*[*_]*answer[*_]*\s*:\s*[*_]*\s*$", re.IGNORECASE)
_LEAKED = re.compile(r"\banswer\s*[*_]*\s*:", re.IGNORECASE)
_EMPTY = re.compile(r"<(\w+)[^<>]*>\s*</\1>")
_OPEN = re.compile(
    r"^\W*(?:(?:please|can you|could you)\s+)*(?:describe|explain|discuss|elaborate|summari[sz]e|"
    r"tell me about|write (?:a|an|some)|what do you think|why)\b",
    re.IGNORECASE,
)
_SCHEMA = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in ("question", "thought", "answer")},
    "required": ["question", "thought", "answer"],
}


@dataclass(frozen=True)
class Question:
    """A question and its answer, rewritten so that the answer can be checked, with a thought that leads
    there.

    The new question and thought are taken; the new answer goes into `final` on a line of its own, to be
    judged beside the old one, which stays the example's. meta keeps `original_question` and
    `original_answer`. frames: how many of a clip the teacher sees; 0 sends the clip as it is.

    Dropped without asking: pictures with a side below 28 px ("invalid"). Asked again, then dropped: a reply
    that is neither JSON nor tagged ("not JSON"), an empty tag, a question that says "Answer:" ("leak"), one
    that asks for an open answer, or an answer of more than 12 words ("unverifiable question").

    Source: the rewriters of open-r1-multimodal and R1-Onevision's fork, and Open-R1-Video's, which is never
    called there; their checks are made here when the reply comes and not on the finished file.
    """

    name: str = "question"
    frames: int = 0
    retries: int = 2
    sampling: Sampling = field(default=Sampling(temperature=0.2, max_tokens=2048))
    wording: str = (
        "Above are a picture, or frames of a clip, and a question; below is its answer. Rewrite both so that "
        "the answer can be checked by comparing it: the question has one certain answer, a number, a word, a "
        "short phrase or the letter of an option, asks for nothing open (no description, no opinion), keeps "
        "its options if it has any, and does not contain the answer or the word 'Answer:'. Do not change "
        "what the answer is. Then think it through from what you see, as if you did not know the answer. "
        'Reply with one JSON object {"question": ..., "thought": ..., "answer": ...} and nothing else.'
    )
    reminder: str = (
        "Reply with one JSON object with the keys question, thought and answer, none of them empty; one "
        "certain, short answer; no 'Answer:' in the question."
    )

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        example = draft.example
        if fault := unusable(example):
            return Dropped("invalid", fault)
        if example.answer is None:
            return Dropped("no answer", "there is no answer that a rewritten question could have")
        parts = as_pictures(example, self.frames) if self.frames else example.parts()
        told = f"\n\n{self.wording}\n\n{quoted('Its answer', example.answer)}"
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name))
        call = Call(self.name, example, "see", [said("user", *parts, told)], sampling, schema=_SCHEMA)
        made = await until_read(ask, call, read_reply, self.retries, self.reminder)
        if isinstance(made, Dropped):
            return made
        question, thought, answer = made
        old = {"original_question": example.question, "original_answer": example.answer}
        asked = _refitted(example, question)
        return replace(
            draft,
            example=replace(example, question=asked, meta={**example.meta, **old}),
            thought=thought,
            final=f"Answer: {answer}",
            verdict=Verdict(True, f"rewritten, with the answer {answer!r:.60}"),
        )


def read_reply(text: str) -> tuple[str, str, str] | Dropped:
    """(question, thought, answer) of a reply that is JSON, or the question and then the tagged answer."""
    found = read_object(text)
    if found is not None:
        question, thought, answer = (as_text(found.get(key)) for key in ("question", "thought", "answer"))
        (think,), final = THINK_ANSWER.stages, THINK_ANSWER.final
        bare = thought if f"<{think}>" in thought else f"<{think}>{thought}</{think}>"
        text = f"{question}\n{bare}\n<{final}>{answer}</{final}>"
    elif THINK_ANSWER.opening not in text:
        return Dropped("not JSON", f"the reply is neither JSON nor tagged: {text[:80]!r}")
    return checked(text)


def checked(text: str) -> tuple[str, str, str] | Dropped:
    """(question, thought, answer) of a question with a tagged answer behind it, by open-r1-multimodal's
    rules: the question ends where the first thought begins, without "Question:" before and "Answer:" behind
    it; thoughts are one, the last answer counts; a row with an empty tag, or with "Answer:" in its question,
    is none. Ours besides: no open question, no long answer."""
    (think,), final = THINK_ANSWER.stages, THINK_ANSWER.final
    if empty := _EMPTY.search(text):
        return Dropped("empty tag", f"the reply has an empty {empty[0]!r:.40}")
    question = _TRAILING.sub("", _PREFIX.sub("", text.partition(f"<{think}>")[0])).strip()
    thoughts = [part.strip() for part in re.findall(rf"<{think}>(.*?)</{think}>", text, re.DOTALL)]
    answers = re.findall(rf"<{final}>(.*?)</{final}>", text, re.DOTALL)
    if not question or not thoughts or not answers:
        lacks = "question" if not question else "thought" if not thoughts else "answer"
        return Dropped("no answer", f"the reply has no {lacks}: {text[:80]!r}")
    answer = answers[-1].strip()
    if _LEAKED.search(question):
        return Dropped("leak", f"the question says 'Answer:': {question[-80:]!r}")
    if open_ended := unverifiable(question, answer):
        return Dropped("unverifiable question", open_ended)
    return question, "\n\n".join(thoughts), answer


def unverifiable(question: str, answer: str) -> str:
    """Why this answer to this question cannot be checked; empty where it can."""
    if _OPEN.search(MEDIA_MARK.sub("", question)):
        return f"the question is open: {question[:80]!r}"
    if len(answer.split()) > MOST_WORDS and read_boxes(answer) is None:
        return f"the answer has {len(answer.split())} words, more than {MOST_WORDS}: {answer[:80]!r}"
    return ""


def unusable(example: Example) -> str:
    """Which picture has a side below 28 px, or cannot be read; empty where none has."""
    for medium in example.media:
        if not isinstance(medium, Image):
            continue
        try:
            width, height = medium.size()
        except InputError as error:
            return str(error)
        if min(width, height) < MIN_SIDE_PX:
            return f"{medium.where} is {width} x {height} px, with a side below {MIN_SIDE_PX}"
    return ""


def _refitted(example: Example, question: str) -> str:
    """The new question; its marks are kept only if they are those of the example's media."""
    marks = MEDIA_MARK.findall(question)
    fits = marks == [medium.kind for medium in example.media]
    return question if fits else MEDIA_MARK.sub("", question).strip()


@dataclass(frozen=True)
class Reformat:
    """A multiple-choice question cut to what is asked, and its answer to the letter; asks nobody. Of a
    question without options only the instruction goes.

    The question loses everything from its first "Please" on but the lines of options; the answer is the
    letter with which the response begins, be it `B. text`, `(B)` or `Option B`. Another response stays as it
    is, or is dropped if it is longer than an answer that can be compared ("unverifiable question").

    Source: Open-R1-Video's format_video_data.py. There, options behind "Please" are lost, and the answer is
    the first two characters of the response.
    """

    name: str = "reformat"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        example = draft.example
        if example.answer is None:
            return Dropped("no answer", "there is no response to take a letter from")
        question = problem_of(example.question)
        choices = example.choices or options_in(question)
        answer = letter_of(example.answer) if choices else example.answer
        if fault := unverifiable(question, answer):
            return Dropped("unverifiable question", fault)
        if (question, answer) == (example.question, example.answer):
            return draft
        old = {"original_question": example.question, "original_answer": example.answer}
        told = replace(
            example, question=question, answer=answer, choices=choices, meta={**example.meta, **old}
        )
        return replace(draft, example=told, verdict=Verdict(True, f"reformatted, with the answer {answer!r}"))


_OPTION_LINE = re.compile(r"^\s*\(?[A-J][).:]\s+\S.*$", re.MULTILINE)
_LEADING_LETTER = re.compile(
    r"\s*(?:the\s+(?:correct\s+)?(?:answer|option)\s+is\s+)?(?:option\s+)?"
    r"(?:\((?P<closed>[A-J])\)|(?P<open>[A-J])(?=[.):,]|\s*$|\s*\n))",
    re.IGNORECASE,
)


def problem_of(query: str) -> str:
    """What is asked, with its options, without the instruction that begins with "Please"."""
    head, please, tail = query.partition("Please")
    options = _OPTION_LINE.findall(tail) if please else []
    kept = "\n".join([head.strip(), *(line.strip() for line in options)]) if please else query.strip()
    return kept or query.strip()


def letter_of(response: str) -> str:
    """The letter that a response begins with; the response itself where it begins with none."""
    match = _LEADING_LETTER.match(response)
    return (match["closed"] or match["open"]).upper() if match else bare_letter(response)
