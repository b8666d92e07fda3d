"""Verifiable questions: rewritten by a teacher, or reformatted by rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from seethink.boxes import read_boxes
from seethink.engines.base import Request
from seethink.formats import THINK_ANSWER
from seethink.formats.messages import chat_message
from seethink.identity import seed_of
from seethink.media import Image
from seethink.sources.published.columns import bare_letter
from seethink.synth.clip_images import clips_as_images
from seethink.synth.draft import AskTeacher, Draft, Dropped, StepVerdict
from seethink.synth.prompting import as_text, ask_until_valid, delimited
from seethink.synth.replies import read_json_object
from seethink.types import MEDIA_MARK, Example, InputError, Sampling
from seethink.verify.listed_options import options_in

MIN_SIDE_PX = 28
"""Shortest side of a usable image."""
MAX_WORDS = 12
"""Longest answer that can be verified by comparison, in words."""
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
class QuestionStep:
    """Rewrite a question and its answer so that the answer can be verified, with a thought that leads to it.

    The new question and thought replace the old ones. The new answer goes into `final`, on its own line, to
    be judged against the original answer, which the example keeps. meta has `original_question` and
    `original_answer`. frames: number of frames of a clip that the teacher sees; 0 sends the clip itself.

    Dropped without a call: images with a side below 28 px ("invalid"). Requested again, then dropped: a reply
    that is neither JSON nor tagged ("not JSON"), an empty tag, a question with "Answer:" ("leak"), an
    open-ended question, or an answer of more than 12 words ("unverifiable question").

    Source: the rewriters of open-r1-multimodal, of R1-Onevision's fork, and of Open-R1-Video, which never
    calls it. Their checks run here on each reply, not on the finished file.
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

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        example = draft.example
        if fault := unusable(example):
            return Dropped("invalid", fault)
        if example.answer is None:
            return Dropped("no answer", "there is no answer to keep in a rewritten question")
        parts = clips_as_images(example, self.frames) if self.frames else example.parts()
        instruction = f"\n\n{self.wording}\n\n{delimited('Its answer', example.answer)}"
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name))
        request = Request(
            self.name,
            example,
            "vision",
            [chat_message("user", *parts, instruction)],
            sampling,
            schema=_SCHEMA,
        )
        parsed = await ask_until_valid(ask, request, read_reply, self.retries, self.reminder)
        if isinstance(parsed, Dropped):
            return parsed
        question, thought, answer = parsed
        old = {"original_question": example.question, "original_answer": example.answer}
        return replace(
            draft,
            example=replace(
                example, question=_with_valid_marks(example, question), meta={**example.meta, **old}
            ),
            thought=thought,
            final=f"Answer: {answer}",
            verdict=StepVerdict(True, f"rewritten, with the answer {answer!r:.60}"),
        )


def read_reply(text: str) -> tuple[str, str, str] | Dropped:
    """(question, thought, answer) of a reply in JSON, or of one with a question and then a tagged answer."""
    found = read_json_object(text)
    if found is not None:
        question, thought, answer = (as_text(found.get(key)) for key in ("question", "thought", "answer"))
        (think,), final = THINK_ANSWER.stages, THINK_ANSWER.final
        bare = thought if f"<{think}>" in thought else f"<{think}>{thought}</{think}>"
        text = f"{question}\n{bare}\n<{final}>{answer}</{final}>"
    elif THINK_ANSWER.opening not in text:
        return Dropped("not JSON", f"the reply is neither JSON nor tagged: {text[:80]!r}")
    return checked(text)


def checked(text: str) -> tuple[str, str, str] | Dropped:
    """(question, thought, answer) of a question followed by a tagged answer, by open-r1-multimodal's rules.

    The question ends where the first thought begins; a leading "Question:" and a trailing "Answer:" are
    removed. Thoughts are joined, and the last answer counts. A reply with an empty tag, or with "Answer:" in
    its question, is rejected. Our additions: open-ended questions and long answers are rejected too.
    """
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
        return Dropped("leak", f"the question contains 'Answer:': {question[-80:]!r}")
    if open_ended := unverifiable(question, answer):
        return Dropped("unverifiable question", open_ended)
    return question, "\n\n".join(thoughts), answer


def unverifiable(question: str, answer: str) -> str:
    """Why the answer to this question cannot be verified; empty if it can."""
    if _OPEN.search(MEDIA_MARK.sub("", question)):
        return f"the question is open-ended: {question[:80]!r}"
    if len(answer.split()) > MAX_WORDS and read_boxes(answer) is None:
        return f"the answer has {len(answer.split())} words, more than {MAX_WORDS}: {answer[:80]!r}"
    return ""


def unusable(example: Example) -> str:
    """The first image that has a side below 28 px or cannot be read, and why; empty if there is none."""
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


def _with_valid_marks(example: Example, question: str) -> str:
    """The new question; its media marks are removed unless they match the example's media."""
    marks = MEDIA_MARK.findall(question)
    fits = marks == [medium.kind for medium in example.media]
    return question if fits else MEDIA_MARK.sub("", question).strip()


@dataclass(frozen=True)
class ReformatStep:
    """Reduce a multiple-choice question to the question itself, and its answer to the letter. Makes no call.
    A question without options only loses the instruction.

    From the first "Please" on everything but the lines of options is removed. The answer is the letter at the
    start of the response (`B. text`, `(B)` or `Option B`). Any other response is kept, or, if it is too long
    to be verified, the example is dropped ("unverifiable question").

    Source: Open-R1-Video's format_video_data.py. There, options after "Please" are lost, and the answer is
    the first two characters of the response.
    """

    name: str = "reformat"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        example = draft.example
        if example.answer is None:
            return Dropped("no answer", "there is no answer to reformat")
        question = problem_of(example.question)
        choices = example.choices or options_in(question)
        answer = letter_of(example.answer) if choices else example.answer
        if fault := unverifiable(question, answer):
            return Dropped("unverifiable question", fault)
        if (question, answer) == (example.question, example.answer):
            return draft
        old = {"original_question": example.question, "original_answer": example.answer}
        reformatted = replace(
            example, question=question, answer=answer, choices=choices, meta={**example.meta, **old}
        )
        return replace(
            draft, example=reformatted, verdict=StepVerdict(True, f"reformatted, with the answer {answer!r}")
        )


_OPTION_LINE = re.compile(r"^\s*\(?[A-J][).:]\s+\S.*$", re.MULTILINE)
_LEADING_LETTER = re.compile(
    r"\s*(?:the\s+(?:correct\s+)?(?:answer|option)\s+is\s+)?(?:option\s+)?"
    r"(?:\((?P<closed>[A-J])\)|(?P<open>[A-J])(?=[.):,]|\s*$|\s*\n))",
    re.IGNORECASE,
)


def problem_of(query: str) -> str:
    """The question with its options, without the instruction that begins with "Please"."""
    head, please, tail = query.partition("Please")
    options = _OPTION_LINE.findall(tail) if please else []
    kept = "\n".join([head.strip(), *(line.strip() for line in options)]) if please else query.strip()
    return kept or query.strip()


def letter_of(response: str) -> str:
    """The letter at the start of a response; the response itself if it does not start with one."""
    match = _LEADING_LETTER.match(response)
    return (match["closed"] or match["open"]).upper() if match else bare_letter(response)
