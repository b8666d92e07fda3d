"""A reasoner that cannot see is made to begin as if it had looked: its thought is begun for it with what a
caption says, and it goes on from there. R1-Vision's caption-prefixing."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seethink.engines.teacher import Call
from seethink.formats import read_any
from seethink.synth.asking import in_words, said, seed_of, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Verdict
from seethink.synth.replies import END, START, read_thought
from seethink.synth.tongue import tongue_of
from seethink.types import Example, Sampling


@dataclass(frozen=True)
class Switches:
    """How a thought comes to a picture and leaves it again, and how it is asked for, in one language.

    `openers` and `enters` make the sentence before the caption, `{it}` being one of `names` (a picture,
    several, a clip); one of `exits` begins the thought proper. space: what stands between sentences.
    """

    openers: tuple[str, ...]
    enters: tuple[str, ...]
    exits: tuple[str, ...]
    names: tuple[str, str, str]
    space: str
    wording: str
    reminder: str


ENGLISH = Switches(
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
CHINESE = Switches(
    openers=("好的，", "嗯，", "为了回答这个问题，", "要回答这个问题，", "在思考之前，"),
    enters=("先来看一下{it}。", "我先仔细看看{it}。", "先看{it}里有什么。", "让我先看{it}。"),
    exits=("首先", "现在", "那么", "接下来"),
    names=("图片", "这几张图片", "视频"),
    space="",
    wording="{question}\n\n请逐步推理，并把最终答案放在 \\boxed{{}} 中。",
    reminder=f"请用 {END} 结束思考，然后把最终答案放在 \\boxed{{}} 中。",
)


@dataclass(frozen=True)
class Prefix:
    """The thought and the answer of a text-only reasoner whose thought is begun: a sentence that turns to the
    picture, the caption of `draft.formal`, and a word that turns back to the question.

    All of it is the student's thought: it has looked at the picture, and nothing in it says that somebody
    else has described it. The switches are in the question's language and drawn by hash of the example's id.
    A question without pictures is thought about as it is. The teacher must be able to continue a begun
    answer. Asked again: a thought that does not end or begins anew, no answer that can be read ("no answer").

    Source: R1-Vision, which has one switch of each kind, and names their variation as work to be done ("let's
    first take a look at the image.", "Now"); the others are ours, and so is the box that is asked for.
    """

    name: str = "prefix"
    retries: int = 2
    sampling: Sampling = field(default=Sampling(temperature=0.6, top_p=0.95, max_tokens=4096))
    switches: Mapping[str, Switches] = field(default_factory=lambda: {"en": ENGLISH, "zh": CHINESE})

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        example = draft.example
        captions = [part.text for part in draft.formal if part.kind == "caption"]
        caption = re.sub(f"{START}|{END}", " ", "\n\n".join(captions)).strip()
        if example.media and not caption:
            return Dropped("invalid", "there is no caption to begin with")
        question = in_words(example)
        switches = self.switches[tongue_of(question)]
        begun = self.begun(example, caption, switches) if caption else ""
        messages = [
            said("user", switches.wording.format(question=question)),
            said("assistant", f"{START}\n{begun}"),
        ]
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name))
        call = Call(self.name, example, "reason", messages, sampling)
        made = await until_read(ask, call, read_continued, self.retries, switches.reminder)
        if isinstance(made, Dropped):
            return made
        thought, final = made
        why = f"begun with {begun[: begun.index(caption)].strip()!r}" if caption else "without a picture"
        return replace(draft, thought=f"{begun}{thought}".strip(), final=final, verdict=Verdict(True, why))

    def begun(self, example: Example, caption: str, switches: Switches) -> str:
        """The first words of the thought, up to the word with which the teacher goes on."""
        rng = random.Random(f"{self.name}/{example.id}")
        clip = any(medium.kind == "video" for medium in example.media)
        it = switches.names[2 if clip else min(len(example.media), 2) - 1]
        turn = rng.choice(switches.openers) + rng.choice(switches.enters).format(it=it)
        return f"{turn}{switches.space}{caption}\n\n{rng.choice(switches.exits)}"


def read_continued(text: str) -> tuple[str, str] | Dropped:
    """(the rest of the thought, what is said after it) of a reply that continues a begun thought."""
    if (read := read_thought(text)) is None:
        return Dropped("no answer", f"no thought that goes on, ends at {END}, then an answer: {text[:80]!r}")
    if read_any(read[1]).answer is None:
        return Dropped("no answer", f"no final answer can be read: {read[1][-80:]!r}")
    return read
