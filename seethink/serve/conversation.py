"""Messages of a request as an Example, which formats turn into prompts."""

from __future__ import annotations

from dataclasses import dataclass

from seethink.formats import BaseFormat, TagFormat
from seethink.serve.errors import ApiError, bad_request
from seethink.serve.media_parts import MediaOpener
from seethink.serve.requests import ChatMessage, FramesPart, ImagePart, TextPart
from seethink.types import MEDIA_MARK, Example, Media, Messages, Response, Score, Task, Turn


@dataclass(frozen=True)
class UnchangedFormat(TagFormat):
    """The messages as they are, without an instruction; what the model writes inside `<think>` is its
    thought, the rest its answer."""

    name: str = "none"
    instruction: str = ""
    thinks: bool = False

    def _instruct(self, messages: Messages) -> None:
        """No instruction."""


UNCHANGED = UnchangedFormat()


def task_of(messages: list[ChatMessage], form: BaseFormat, opener: MediaOpener) -> Task:
    """The conversation as a task of one example. Opens its media, which takes time: call it in a worker
    thread. Raises ApiError or InputError."""
    if messages[-1].role != "user":
        raise bad_request("the last message must be the user's", "messages")
    if messages[0].role == "assistant":
        raise bad_request("a conversation must not begin with the assistant", "messages[0].role")
    media: list[Media] = []
    turns = [_turn(message, f"messages[{i}]", form, opener, media) for i, message in enumerate(messages)]
    if sum(len(turn.text) for turn in turns) > opener.limits.max_characters:
        most = f"more than {opener.limits.max_characters:,} characters"
        raise ApiError(400, f"the messages have {most}", "context_length_exceeded", "messages")
    example = Example("request", turns[-1].text, tuple(media), history=tuple(turns[:-1]), where="the request")
    return Task("request", [example], form, _unjudged)


def _turn(
    message: ChatMessage, param: str, form: BaseFormat, opener: MediaOpener, media: list[Media]
) -> Turn:
    """A message with the marks of its media, which are added to `media`."""
    if message.content is None:
        raise bad_request("a message needs a content", f"{param}.content")
    parts = (
        [TextPart(type="text", text=message.content)] if isinstance(message.content, str) else message.content
    )
    texts = []
    for i, part in enumerate(parts):
        where = f"{param}.content[{i}]"
        if isinstance(part, TextPart):
            if mark := MEDIA_MARK.search(part.text):
                raise bad_request(f"a text must not contain {mark[0]}, the mark of a medium", where)
            texts.append(part.text)
            continue
        if message.role != "user":
            raise bad_request(f"the role {message.role} takes texts alone", where)
        if isinstance(part, ImagePart):
            medium: Media = opener.image(part.image_url.url, where)
        elif isinstance(part, FramesPart):
            medium = opener.frames(part.video, part.fps, where)
        else:
            medium = opener.clip(part.video_url.url, where)
        media.append(medium)
        texts.append(f"<{medium.kind}>")
    text = "".join(texts)
    thought = message.reasoning_content or message.reasoning
    if message.role == "assistant" and thought:
        text = _with_thought(form, thought, text, param)
    if not text.strip():
        raise bad_request("a message needs a content", f"{param}.content")
    return Turn("system" if message.role == "developer" else message.role, text)


def _with_thought(form: BaseFormat, thought: str, answer: str, param: str) -> str:
    """An earlier answer as its format writes it."""
    if form is UNCHANGED:
        return f"<think>{thought}</think>{answer}"
    try:
        return form.write(thought, answer)
    except ValueError as error:
        raise bad_request(
            f"the earlier answer cannot be written in the server's format: {error}", param
        ) from error


def _unjudged(example: Example, response: Response) -> Score:
    return Score(None, "there is no reference answer")
