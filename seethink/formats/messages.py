"""Chat messages of texts and media."""

from __future__ import annotations

from typing import Any

from seethink.types import Media, Message


def chat_message(role: str, *parts: str | Media) -> Message:
    """A chat message of texts and media, in this order."""
    return {"role": role, "content": [content_part(part) for part in parts]}


def content_part(part: str | Media) -> dict[str, Any]:
    """A text or a medium as part of a message's content."""
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": part.kind, part.kind: part}
