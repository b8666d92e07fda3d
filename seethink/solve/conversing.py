"""Conversations that solvers hold: the example's question, replies, and what is asked next."""

from __future__ import annotations

from seethink.types import Example, Media, Message, Messages


def asked(example: Example) -> Messages:
    """The turns of the example, its question last, without the instruction of a format."""
    return [said(role, *parts) for role, parts in example.turns()]


def continued(messages: Messages, text: str) -> Messages:
    """The conversation with more to say by the user: as a paragraph after what the user said last, or in a
    turn after the assistant's."""
    *before, last = messages
    if last["role"] != "user":
        return [*messages, said("user", text)]
    return [*before, {**last, "content": [*last["content"], _content(f"\n\n{text}")]}]


def said(role: str, *parts: str | Media) -> Message:
    """A message of texts and media, in this order."""
    return {"role": role, "content": [_content(part) for part in parts]}


def _content(part: str | Media) -> dict[str, object]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": part.kind, part.kind: part}
