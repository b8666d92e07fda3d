"""Reasoning in stages, one request for each: plan, caption, reasoning, conclusion.

LLaVA-CoT writes the four between tags in one answer (`formats.STAGED`); LlamaV-o1 (arXiv 2501.06186) requests
them one by one. Training and answering use these same requests."""

from __future__ import annotations

import re

from seethink.formats.messages import chat_message, question_text
from seethink.types import Example, Message

PLAN = "Say in short how you will go about it."
CAPTION = "What does the picture show that matters for the question?"
REASON = "Now reason step by step."
CONCLUDE = "Give the final answer alone."
OPTION = "Give the final answer alone: the letter of the right option."
"""The four requests of a question, the last in two forms. The wording is ours: LlamaV-o1 has three sets,
and its benchmark adapter sends only the names of the stages."""
STAGES = ("plan", "caption", "reasoning", "conclusion")
_OPTIONS = re.compile(r"\bChoices\b|^\(?A[.):]\s", re.MULTILINE)


def stage_requests(example: Example, with_media: bool = True) -> list[Message]:
    """The user's four messages about an example; the first holds the question, with its media or without."""
    parts = example.parts() if with_media else [question_text(example)]
    *opening, last = [*parts, ""] if not isinstance(parts[-1], str) else parts
    conclude = OPTION if example.choices or _OPTIONS.search(example.question) else CONCLUDE
    requests = [[*opening, f"{last}\n{PLAN}"], [CAPTION], [REASON], [conclude]]
    return [chat_message("user", *request) for request in requests]
