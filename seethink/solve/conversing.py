"""Conversations that solvers hold: the example's question, replies, and what is asked next."""

from __future__ import annotations

import re

from seethink.formats.messages import chat_message, content_part
from seethink.types import MEDIA_MARK, Example, Messages

_CONTROL = re.compile(r"<(?=\|)")


def before(example: Example) -> Messages:
    """The turns before the example's question."""
    return [chat_message(role, *parts) for role, parts in example.turns()[:-1]]


def asked(example: Example) -> Messages:
    """The turns of the example, its question last, without the instruction of a format."""
    return [chat_message(role, *parts) for role, parts in example.turns()]


def continued(messages: Messages, text: str) -> Messages:
    """The conversation with more to say by the user: as a paragraph after what the user said last, or in a
    turn after the assistant's."""
    *earlier, last = messages
    if last["role"] != "user":
        return [*messages, chat_message("user", text)]
    return [*earlier, {**last, "content": [*last["content"], content_part(f"\n\n{text}")]}]


def spoken(text: str) -> str:
    """A model's words as data of a later prompt: what looks like a medium's mark or a control token is
    none."""
    return _CONTROL.sub("< ", MEDIA_MARK.sub(r"[\1]", text))
