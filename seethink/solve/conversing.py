"""Conversations that solvers hold: the example's question, replies, and what is asked next."""

from __future__ import annotations

from seethink.formats.messages import chat_message, content_part
from seethink.types import Example, Messages


def before(example: Example) -> Messages:
    """The turns before the example's question."""
    return asked(example)[:-1]


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
