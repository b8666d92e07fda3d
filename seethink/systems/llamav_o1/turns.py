"""Dialogues of LlamaV-o1: reasoning in stages, one request for each, made from rows without a teacher.

LLaVA-CoT writes plan, caption, reasoning and conclusion between tags in one answer (`formats.STAGED`);
LlamaV-o1 (arXiv 2501.06186) requests the four one by one, and chains several questions about one picture in
one dialogue. Its second curriculum stage is made of such dialogues; `dialogues.py` makes them of whole data
sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seethink.formats import STAGED
from seethink.formats.messages import chat_message
from seethink.formats.turns import stage_requests
from seethink.types import Example, Messages, Turn


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
        replies = [*staged.steps, str(staged.answer)]
        for request, reply in zip(stage_requests(example, number == 0), replies, strict=True):
            messages += [request, chat_message("assistant", reply)]
    return messages


def dialogue(examples: Sequence[Example]) -> Example:
    """The dialogue of `to_turns` as one conversation to learn, in the format `formats.VERBATIM`: `GoldTraces`
    makes all of its answers one supervised example, and training computes it as one row.

    Errors as of `to_turns`.
    """
    return _conversation(examples[0], to_turns(examples))


def opening(example: Example) -> Example:
    """The first two turns of an example's dialogue as a conversation to learn: the plan, and the caption of
    what matters for the question. LlamaV-o1's first curriculum stage is made of them.

    Errors as of `to_turns`.
    """
    return _conversation(example, to_turns([example])[:4])


def _conversation(example: Example, messages: Messages) -> Example:
    turns = [Turn(message["role"], _marked(message["content"])) for message in messages]
    *history, question, answer = turns
    return replace(
        example, question=question.text, answer=answer.text, choices=(), steps=(), history=tuple(history)
    )


def _marked(content: Sequence[dict[str, Any]]) -> str:
    """The text of a message with a mark for each medium."""
    return "".join(part["text"] if part["type"] == "text" else f"<{part['type']}>" for part in content)
