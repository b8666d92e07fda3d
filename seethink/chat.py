"""What a model's chat template makes of a conversation."""

from __future__ import annotations

from typing import Any

from jinja2 import TemplateError

from seethink.types import PLAIN, InputError, Messages

_SAID = "seethink"


def written(processor: Any, messages: Messages) -> str:
    """The conversation as text, an answer about to begin. A plain text is written as it stands, its media as
    the template writes them.

    Raises InputError where the template refuses the conversation, or drops its system prompt.
    """
    first = messages[0]
    if first["role"] == PLAIN:
        parts = [p["text"] if p["type"] == "text" else mark(processor, p["type"]) for p in first["content"]]
        return "".join(parts)
    try:
        asked = processor.apply_chat_template(_bare(messages), tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise InputError(f"the model's chat template refuses the conversation: {error}") from error
    if first["role"] == "system" and first["content"][0]["text"].strip() not in asked:
        raise InputError("the model's chat template drops the system prompt; ask in another mode")
    return asked


def mark(processor: Any, kind: str) -> str:
    """What the template writes for a medium: what it adds to a turn that has one."""
    bare, shown = _turn(processor, []), _turn(processor, [{"type": kind}])
    begin = _alike(bare, shown)
    end = _alike(bare[begin:][::-1], shown[begin:][::-1])
    return shown[begin : len(shown) - end]


def places_clips(processor: Any) -> bool:
    """Whether the chat template has a place for clips that the processor fills."""
    token = getattr(processor, "video_token", None)
    return bool(token) and token in _turn(processor, [{"type": "video"}])


def end_of_turn(processor: Any) -> int:
    """The token with which the chat template closes an assistant's turn; else the tokenizer's own."""
    tokenizer = processor.tokenizer
    turns = [{"role": role, "content": [{"type": "text", "text": _SAID}]} for role in ("user", "assistant")]
    rest = processor.apply_chat_template(turns, tokenize=False).rpartition(_SAID)[2]
    ids = tokenizer(rest, add_special_tokens=False).input_ids
    special = set(tokenizer.all_special_ids)
    return next((i for i in ids if i in special), tokenizer.eos_token_id)


def _turn(processor: Any, media: list[dict[str, str]]) -> str:
    content = [*media, {"type": "text", "text": _SAID}]
    return processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)


def _alike(a: str, b: str) -> int:
    """With how many equal characters both begin."""
    differ = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differ, min(len(a), len(b)))


def _bare(messages: Messages) -> Messages:
    """The messages as chat templates expect them: media by type alone."""
    return [
        {
            **m,
            "content": [part if part["type"] == "text" else {"type": part["type"]} for part in m["content"]],
        }
        for m in messages
    ]
