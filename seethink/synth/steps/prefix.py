"""Caption prefixing: a text-only teacher continues a thought that begins with a caption (R1-Vision)."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seethink.engines.base import Request
from seethink.formats import read_any
from seethink.formats.messages import chat_message, question_text
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, StepVerdict
from seethink.synth.language import language_of
from seethink.synth.prompting import ask_until_valid
from seethink.synth.replies import END, START, read_thought
from seethink.types import Example, Sampling


@dataclass(frozen=True)
class TransitionPhrases:
    """Phrases before and after the caption in a thought, and the prompt, in one language.

    An opener and one of `enters` form the sentence before the caption, where `{it}` is one of `names` (one
    image, several, a clip). One of `exits` follows the caption. space: the separator of sentences.
    """

    openers: tuple[str, ...]
    enters: tuple[str, ...]
    exits: tuple[str, ...]
    names: tuple[str, str, str]
    space: str
    wording: str
    reminder: str


ENGLISH = TransitionPhrases(
    openers=("Okay, ", "Alright, ", "To answer this, ", "Before I think about the question, ", "Hmm, "),
    enters=(
        "let's first take a look at {it}.",
        "let me first look closely at {it}.",
        "I'll begin with what {it} shows.",
        "I should start by looking at {it}.",
        "let me see what is in {it}.",
    ),
    exits=("Now", "Okay", "So", "Alright"),
    names=("the image", "the images", "the video"),
    space=" ",
    wording="{question}\n\nReason step by step, and put your final answer within \\boxed{{}}.",
    reminder=f"End your thought with {END}, then put the final answer within \\boxed{{}}.",
)
CHINESE = TransitionPhrases(
    openers=("好的，", "嗯，", "为了回答这个问题，", "要回答这个问题，", "在思考之前，"),
    enters=("先来看一下{it}。", "我先仔细看看{it}。", "先看{it}里有什么。", "让我先看{it}。"),
    exits=("首先", "现在", "那么", "接下来"),
    names=("图片", "这几张图片", "视频"),
    space="",
    wording="{question}\n\n请逐步推理，并把最终答案放在 \\boxed{{}} 中。",
    reminder=f"请用 {END} 结束思考，然后把最终答案放在 \\boxed{{}} 中。",
)


@dataclass(frozen=True)
class PrefixStep:
    """Ask a text-only teacher to continue a prefilled thought: a sentence that turns to the image, the
    caption of `draft.formal`, and a word that turns back to the question.

    The prefix is part of the kept thought, which never mentions that someone else described the image. The
    phrases are in the question's language, and chosen with a hash of the example's id. Without images the
    thought has no prefix. The teacher must support prefilled replies. Requested again: a thought that does
    not end or starts again, and a reply without a readable answer ("no answer").

    Source: R1-Vision, which has one phrase of each kind ("let's first take a look at the image.", "Now") and
    names more variety as future work; the other phrases, and the \\boxed answer, are ours.
    """

    name: str = "prefix"
    retries: int = 2
    sampling: Sampling = field(default=Sampling(temperature=0.6, top_p=0.95, max_tokens=4096))
    phrases: Mapping[str, TransitionPhrases] = field(default_factory=lambda: {"en": ENGLISH, "zh": CHINESE})

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        example = draft.example
        captions = [part.text for part in draft.formal if part.kind == "caption"]
        caption = re.sub(f"{START}|{END}", " ", "\n\n".join(captions)).strip()
        if example.media and not caption:
            return Dropped("invalid", "there is no caption for the prefix")
        question = question_text(example)
        phrases = self.phrases[language_of(question)]
        prefix = self.prefix(example, caption, phrases) if caption else ""
        messages = [
            chat_message("user", phrases.wording.format(question=question)),
            chat_message("assistant", f"{START}\n{prefix}"),
        ]
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name))
        request = Request(self.name, example, "text", messages, sampling)
        parsed = await ask_until_valid(ask, request, read_continued, self.retries, phrases.reminder)
        if isinstance(parsed, Dropped):
            return parsed
        thought, final = parsed
        why = (
            f"prefixed with {prefix[: prefix.index(caption)].strip()!r}" if caption else "no image, no prefix"
        )
        return replace(
            draft, thought=f"{prefix}{thought}".strip(), final=final, verdict=StepVerdict(True, why)
        )

    def prefix(self, example: Example, caption: str, phrases: TransitionPhrases) -> str:
        """The prefilled start of the thought, up to and including the word after the caption."""
        rng = random.Random(f"{self.name}/{example.id}")
        clip = any(medium.kind == "video" for medium in example.media)
        it = phrases.names[2 if clip else min(len(example.media), 2) - 1]
        opening = rng.choice(phrases.openers) + rng.choice(phrases.enters).format(it=it)
        return f"{opening}{phrases.space}{caption}\n\n{rng.choice(phrases.exits)}"


def read_continued(text: str) -> tuple[str, str] | Dropped:
    """(rest of the thought, text after it) of a reply that continues a prefilled thought."""
    if (parts := read_thought(text)) is None:
        return Dropped(
            "no answer",
            f"the thought does not continue and end with {END}, followed by an answer: {text[:80]!r}",
        )
    if read_any(parts[1]).answer is None:
        return Dropped("no answer", f"no final answer can be read: {parts[1][-80:]!r}")
    return parts
