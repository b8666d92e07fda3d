"""Chat messages of texts and media, and texts in them."""

from __future__ import annotations

import re
from typing import Any

from seethink.types import MEDIA_MARK, Example, Media, Message, Messages

_CONTROL = re.compile(r"<(?=\|)")


def chat_message(role: str, *parts: str | Media) -> Message:
    """A chat message of texts and media, in this order."""
    return {"role": role, "content": [content_part(part) for part in parts]}


def content_part(part: str | Media) -> dict[str, Any]:
    """A text or a medium as part of a message's content."""
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": part.kind, part.kind: part}


def transcript(messages: Messages) -> str:
    """A conversation as one text, a paragraph for each message, media as their marks."""
    return "\n\n".join(
        f"{message['role']}: "
        + "".join(part.get("text") or f"<{part['type']}>" for part in message["content"])
        for message in messages
    )


def question_text(example: Example) -> str:
    """The question without media and their marks, for text-only models."""
    return "".join(part for part in example.parts() if isinstance(part, str)).strip()


def spoken(text: str) -> str:
    """A model's words as data of a later prompt: what looks like a medium's mark or a control token is
    none."""
    return _CONTROL.sub("< ", MEDIA_MARK.sub(r"[\1]", text))
