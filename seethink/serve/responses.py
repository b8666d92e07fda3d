"""`/v1/responses`, converted to a chat completion and back. Nothing is stored."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

from seethink.serve.chat import ChatAnswer, event_of
from seethink.serve.errors import api_error, bad_request
from seethink.serve.requests import (
    ChatMessage,
    ChatRequest,
    ContentPart,
    ImagePart,
    InputMessage,
    InputText,
    JsonSchema,
    JsonSchemaFormat,
    JsonSchemaText,
    MediaUrl,
    ResponsesRequest,
    SolverRequest,
    TextPart,
)


def chat_request(request: ResponsesRequest) -> ChatRequest:
    """The chat request that asks the same. Raises ApiError."""
    messages = [ChatMessage(role="system", content=request.instructions)] if request.instructions else []
    if isinstance(request.input, str):
        messages.append(ChatMessage(role="user", content=request.input))
    else:
        messages += [_message(message) for message in request.input]
    if not messages:
        raise bad_request("the input holds no message", "input")
    same = {name: getattr(request, name) for name in SolverRequest.model_fields}
    wanted = request.text.format if request.text else None
    if isinstance(wanted, JsonSchemaText):
        schema = JsonSchema(name=wanted.name, schema=wanted.schema_)
        wanted = JsonSchemaFormat(type="json_schema", json_schema=schema)
    converted = ChatRequest(
        messages=messages, max_tokens=request.max_output_tokens, response_format=wanted, **same
    )
    # what the client gave is told from defaults by the service
    converted.__pydantic_fields_set__ &= request.model_fields_set | {"messages", "max_tokens"}
    return converted


def _message(message: InputMessage) -> ChatMessage:
    if isinstance(message.content, str):
        return ChatMessage(role=message.role, content=message.content)
    parts: list[ContentPart] = [
        TextPart(type="text", text=part.text)
        if isinstance(part, InputText)
        else ImagePart(type="image_url", image_url=MediaUrl(url=part.image_url))
        for part in message.content
    ]
    return ChatMessage(role=message.role, content=parts)


class ResponseAnswer:
    """A chat answer as a response object."""

    def __init__(self, chat: ChatAnswer) -> None:
        self.chat, self.id = chat, f"resp_{uuid.uuid4().hex}"
        self.message_id, self.thought_id = f"msg_{uuid.uuid4().hex}", f"rs_{uuid.uuid4().hex}"

    async def whole(self) -> dict[str, Any]:
        """The JSON of the response."""
        (ended,) = await self.chat.ended()
        thought, content = self.chat.parts(ended.completion.text)
        return self._body(thought, content, ended.completion.stop)

    def _body(self, thought: str, content: str, stop: str) -> dict[str, Any]:
        complete, request = stop == "stop", self.chat.query.request
        output = [self._thought(thought)] if thought else []
        output.append(self._message(content, "completed" if complete else "incomplete"))
        usage = self.chat.usage()
        return self._head("completed" if complete else "incomplete") | {
            "incomplete_details": None if complete else {"reason": "max_output_tokens"},
            "output": output,
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage["total_tokens"],
            },
            "temperature": request.temperature,
            "top_p": request.top_p,
        }

    def _head(self, status: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.chat.created,
            "status": status,
            "model": self.chat.query.request.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "store": False,
        }

    def _thought(self, thought: str) -> dict[str, Any]:
        content = [{"type": "reasoning_text", "text": thought}]
        return {"type": "reasoning", "id": self.thought_id, "summary": [], "content": content}

    def _message(self, content: str, status: str) -> dict[str, Any]:
        return {
            "type": "message",
            "id": self.message_id,
            "role": "assistant",
            "status": status,
            "content": [self._text(content)],
        }

    @staticmethod
    def _text(content: str) -> dict[str, Any]:
        return {"type": "output_text", "text": content, "annotations": []}

    async def stream(self) -> AsyncIterator[bytes]:
        """The response as server-sent events. What is raised before the first is no stream yet."""
        number, thought, content, stop = -1, "", "", "stop"

        def event(name: str, **values: Any) -> bytes:
            nonlocal number
            number += 1
            return event_of({"type": name, "sequence_number": number, **values}, name)

        at = {"item_id": self.message_id, "output_index": 0, "content_index": 0}
        try:
            async for index, delta, _, ended in self.chat.deltas():
                if number < 0:
                    yield event("response.created", response=self._head("in_progress"))
                if index < 0:
                    continue
                if more := delta.get("reasoning"):
                    thought += more
                    own = {"item_id": self.thought_id, "output_index": 0, "content_index": 0}
                    yield event("response.reasoning_text.delta", delta=more, **own)
                if more := delta.get("content"):
                    at["output_index"] = int(bool(thought))
                    if not content:
                        item = self._message("", "in_progress") | {"content": []}
                        yield event("response.output_item.added", output_index=at["output_index"], item=item)
                        yield event("response.content_part.added", part=self._text(""), **at)
                    content += more
                    yield event("response.output_text.delta", delta=more, logprobs=[], **at)
                stop = ended or stop
        except Exception as error:
            if number < 0:
                raise
            found = api_error(error).body()["error"]
            yield event("error", **{name: found[name] for name in ("message", "code", "param")})
            return
        if content:
            yield event("response.output_text.done", text=content, logprobs=[], **at)
            yield event("response.content_part.done", part=self._text(content), **at)
            item = self._message(content, "completed")
            yield event("response.output_item.done", output_index=at["output_index"], item=item)
        name = "response.completed" if stop == "stop" else "response.incomplete"
        yield event(name, response=self._body(thought, content, stop))
