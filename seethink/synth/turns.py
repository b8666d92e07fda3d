"""Reasoning in stages, as one tagged answer and as a dialogue; one is made of the other, without a teacher.

LLaVA-CoT tells a plan, a caption, the reasoning and the conclusion between tags (`formats.STAGED`); LlamaV-o1
(arXiv 2501.06186) asks for the four one by one, and goes through several questions on one picture in one
dialogue. Both its second curriculum stage and a view of a data set are made by `to_turns`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seethink.formats import STAGED
from seethink.synth.asking import said
from seethink.types import Example, Media, Message, Messages

PLAN = "Say in short how you will go about it."
CAPTION = "What does the picture show that matters for the question?"
REASON = "Now reason step by step."
CONCLUDE = "Give the final answer alone."
OPTION = "Give the final answer alone: the letter of the right option."
"""The four requests of a question, the last in two forms; ours. LlamaV-o1 has three sets of them, of which
its benchmark adapter sends none but the stages' names."""
_OPTIONS = re.compile(r"\bChoices\b|^\(?A[.):]\s", re.MULTILINE)


def to_turns(examples: Sequence[Example]) -> Messages:
    """The dialogue of questions on the same media, four turns for each, the media in the first.

    Each example has three steps (plan, caption, reasoning) and an answer. Raises ValueError for another one,
    for texts that tags could not hold, and where the media are not the same.
    """
    messages: Messages = []
    for number, example in enumerate(examples):
        if example.media != examples[0].media:
            raise ValueError(f"{example.id} is not about what {examples[0].id} is about: other media")
        if example.answer is None or not example.answer.strip():
            raise ValueError(f"{example.id} has no answer to conclude with")
        read = STAGED.parse(STAGED.write(example.steps, example.answer))
        parts = example.parts() if number == 0 else [_text_of(example)]
        *opening, last = [*parts, ""] if not isinstance(parts[-1], str) else parts
        asked = [*opening, f"{last}\n{PLAN}"]
        conclude = OPTION if example.choices or _OPTIONS.search(example.question) else CONCLUDE
        for request, told in zip(
            [asked, [CAPTION], [REASON], [conclude]], [*read.steps, str(read.answer)], strict=True
        ):
            messages += [said("user", *request), said("assistant", told)]
    return messages


def to_tags(messages: Messages) -> list[Example]:
    """The examples of such a dialogue; the tagged answer of one is `STAGED.write(steps, answer)`. Questions
    after the first have its media, before the text.

    Raises ValueError where the dialogue is none of `to_turns`.
    """
    if not messages or len(messages) % 8:
        raise ValueError(f"{len(messages)} messages are not four requests and replies for every question")
    found: list[Example] = []
    for at in range(0, len(messages), 8):
        turns = messages[at : at + 8]
        if [turn["role"] for turn in turns] != ["user", "assistant"] * 4:
            raise ValueError(f"question {at // 8 + 1}: requests and replies do not alternate")
        plan, *others = [_parts(turn) for turn in turns[::2]]
        if others[:2] != [[CAPTION], [REASON]] or others[2] not in ([CONCLUDE], [OPTION]):
            raise ValueError(f"question {at // 8 + 1}: the requests are not {CAPTION!r}, {REASON!r}, ...")
        last = plan[-1]
        if not isinstance(last, str) or not last.endswith(f"\n{PLAN}"):
            raise ValueError(f"question {at // 8 + 1}: the first request does not end with {PLAN!r}")
        question = _question([*plan[:-1], last.removesuffix(f"\n{PLAN}")])
        media = tuple(part for part in plan if not isinstance(part, str)) if at == 0 else found[0].media
        *steps, answer = ["".join(map(str, _parts(turn))) for turn in turns[1::2]]
        found.append(Example(str(at // 8 + 1), question, media, answer, steps=tuple(steps)))
    return found


def _text_of(example: Example) -> str:
    return "".join(part for part in example.parts() if isinstance(part, str)).strip()


def _parts(message: Message) -> list[str | Media]:
    return [part.get("text") if part["type"] == "text" else part[part["type"]] for part in message["content"]]


def _question(parts: Sequence[str | Media]) -> str:
    """Marks where media stand behind text; none where they all stand before it."""
    texts = [i for i, part in enumerate(parts) if isinstance(part, str)]
    media = [i for i, part in enumerate(parts) if not isinstance(part, str)]
    marked = bool(media) and max(media) > min(texts)
    return "".join(part if isinstance(part, str) else f"<{part.kind}>" if marked else "" for part in parts)
