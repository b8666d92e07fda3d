"""Dialogues of LlamaV-o1: reasoning in stages, one request for each, made from rows without a teacher.

LLaVA-CoT writes plan, caption, reasoning and conclusion between tags in one answer (`formats.STAGED`);
LlamaV-o1 (arXiv 2501.06186) requests the four one by one, and chains several questions about one picture in
one dialogue. Its second curriculum stage is made of such dialogues.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seethink.formats import STAGED
from seethink.synth.prompting import chat_message
from seethink.types import Example, Messages

PLAN = "Say in short how you will go about it."
CAPTION = "What does the picture show that matters for the question?"
REASON = "Now reason step by step."
CONCLUDE = "Give the final answer alone."
OPTION = "Give the final answer alone: the letter of the right option."
"""The four requests of a question, the last in two forms. The wording is ours: LlamaV-o1 has three sets,
and its benchmark adapter sends only the names of the stages."""
_OPTIONS = re.compile(r"\bChoices\b|^\(?A[.):]\s", re.MULTILINE)


def to_turns(examples: Sequence[Example]) -> Messages:
    """The dialogue of questions about the same media: four turns for each, the media in the first.

    Each example has three steps (plan, caption, reasoning) and an answer. Raises ValueError otherwise, for
    texts that contain tags of `STAGED`, and if the media differ.
    """
    messages: Messages = []
    for number, example in enumerate(examples):
        if example.media != examples[0].media:
            raise ValueError(
                f"{example.id} has other media than {examples[0].id}; make a dialogue of its own"
            )
        if example.answer is None or not example.answer.strip():
            raise ValueError(f"{example.id} has no answer to conclude with; leave it out")
        staged = STAGED.parse(STAGED.write(example.steps, example.answer))
        parts = example.parts() if number == 0 else [_text_of(example)]
        *opening, last = [*parts, ""] if not isinstance(parts[-1], str) else parts
        plan = [*opening, f"{last}\n{PLAN}"]
        conclude = OPTION if example.choices or _OPTIONS.search(example.question) else CONCLUDE
        requests = [plan, [CAPTION], [REASON], [conclude]]
        replies = [*staged.steps, str(staged.answer)]
        for request, reply in zip(requests, replies, strict=True):
            messages += [chat_message("user", *request), chat_message("assistant", reply)]
    return messages


def _text_of(example: Example) -> str:
    return "".join(part for part in example.parts() if isinstance(part, str)).strip()
