"""Chat templates: conversations rendered as text, media placeholders, and the end-of-turn token."""

from __future__ import annotations

from typing import Any

from jinja2 import TemplateError

from seethink.types import PLAIN, InputError, Messages

_PROBE = "seethink"


def render(processor: Any, messages: Messages) -> str:
    """The conversation as text that ends where the assistant's answer begins. Messages of the role PLAIN are
    rendered as they are, their media as the template renders them.

    Raises InputError where the template refuses the conversation, or drops its system prompt or a question.
    What it leaves out of earlier answers, such as their thoughts, is as its authors meant it.
    """
    first = messages[0]
    if first["role"] == PLAIN:
        parts = [
            p["text"] if p["type"] == "text" else placeholder(processor, p["type"]) for p in first["content"]
        ]
        return "".join(parts)
    try:
        text = processor.apply_chat_template(_bare(messages), tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise InputError(f"the model's chat template refuses the conversation: {error}") from error
    for message in messages:
        said = [part["text"].strip() for part in message["content"] if part["type"] == "text"]
        if message["role"] != "assistant" and not all(words in text for words in said):
            if message["role"] == "system":
                raise InputError("the model's chat template drops the system prompt; ask in another mode")
            raise InputError("the model's chat template drops a turn of the conversation; leave the row out")
    return text


def placeholder(processor: Any, kind: str) -> str:
    """The text that the template inserts for a medium of a kind ("image", "video")."""
    bare, shown = _turn(processor, []), _turn(processor, [{"type": kind}])
    begin = _alike(bare, shown)
    end = _alike(bare[begin:][::-1], shown[begin:][::-1])
    return shown[begin : len(shown) - end]


def has_video_placeholder(processor: Any) -> bool:
    """Whether the chat template has a placeholder for clips that the processor expands."""
    token = getattr(processor, "video_token", None)
    return bool(token) and token in _turn(processor, [{"type": "video"}])


def end_of_turn(processor: Any) -> int:
    """The token id that closes an assistant's turn in the chat template; else the tokenizer's eos."""
    tokenizer = processor.tokenizer
    turns = [{"role": role, "content": [{"type": "text", "text": _PROBE}]} for role in ("user", "assistant")]
    rest = processor.apply_chat_template(turns, tokenize=False).rpartition(_PROBE)[2]
    ids = tokenizer(rest, add_special_tokens=False).input_ids
    special = set(tokenizer.all_special_ids)
    return next((i for i in ids if i in special), tokenizer.eos_token_id)


def _turn(processor: Any, media: list[dict[str, str]]) -> str:
    content = [*media, {"type": "text", "text": _PROBE}]
    return processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)


def _alike(a: str, b: str) -> int:
    """Length of the common prefix."""
    differ = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differ, min(len(a), len(b)))


def _bare(messages: Messages) -> Messages:
    """The messages as chat templates expect them: media as their type alone."""
    return [
        {
            **m,
            "content": [part if part["type"] == "text" else {"type": part["type"]} for part in m["content"]],
        }
        for m in messages
    ]
