"""Chat completions: from the events of a query to the JSON of answers and streams."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from seethink.boxes import read_boxes
from seethink.formats.parts import thought_and_content
from seethink.models.families import boxes_to_pixels
from seethink.serve.errors import ApiError, api_error
from seethink.serve.json_answers import JsonCheck, json_check
from seethink.serve.requests import ChatRequest
from seethink.serve.scheduler import Accepted, Ended, Progress, TokenText
from seethink.serve.service import SEEDS, Query, Service
from seethink.types import Completion


@dataclass
class ChatAnswer:
    """The answer to one chat request. prompt_tokens, completion_tokens: counted so far. details: of the
    choices of a stream that have ended."""

    service: Service
    query: Query
    check: JsonCheck | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    details: dict[int, dict[str, Any]] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    async def of(cls, service: Service, request: ChatRequest) -> ChatAnswer:
        """The answer to a request that passes all checks. Raises ApiError or InputError."""
        check = json_check(request.response_format)
        return cls(service, await service.query(request), check)

    # Whole answers ------------------------------------------------------------------------------------------

    async def whole(self) -> dict[str, Any]:
        """The JSON of the answer."""
        ended = await self.ended()
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.query.request.model,
            "choices": [
                {
                    "index": event.index,
                    "message": {"role": "assistant", **self._message(event.completion), "refusal": None},
                    "logprobs": self._logprobs(event.tokens),
                    "finish_reason": event.completion.stop,
                    **_frame(event.completion),
                    **self._details(event),
                }
                for event in ended
            ],
            "usage": self.usage(),
        }

    async def ended(self) -> list[Ended]:
        """All completions, in order. Those that must be JSON and are not are sampled again, with other seeds;
        raises ApiError where that did not help."""
        done: dict[int, Ended] = {}
        query, faults = self.query, ""
        tries = self.service.limits.json_tries if query.request.temperature > 0 else 1
        for number in range(tries if self.check else 1):
            seed = (query.sampling.seed + number * 7_919) % SEEDS if number else query.sampling.seed
            again = replace(query, sampling=replace(query.sampling, seed=seed))
            async for event in self.service.events(again, stream=False):
                self._count(event)
                if isinstance(event, Ended) and event.index not in done:
                    _, content = self.parts(event.completion.text)
                    fault = self.check.fault(content) if self.check else None
                    done |= {event.index: event} if fault is None else {}
                    faults = fault or faults
            if len(done) == self._choices:
                return [done[i] for i in sorted(done)]
        message = f"the model gave no answer in the requested format in {tries} tries: {faults}"
        raise ApiError(422, message, "response_format_not_met", "response_format")

    @property
    def _choices(self) -> int:
        return self.query.sampling.n if self.query.solver is None else 1

    def _count(self, event: Any) -> None:
        metrics = self.service.metrics
        if isinstance(event, Accepted):
            self.prompt_tokens = event.prompt_tokens
            metrics.prompt_tokens.inc(event.prompt_tokens)
        elif isinstance(event, Ended):
            self.completion_tokens += event.completion.n_tokens
            metrics.completion_tokens.inc(event.completion.n_tokens)

    def parts(self, text: str, ended: bool = True) -> tuple[str, str]:
        """(thought, content) of a completion's text; all of it is content where that was asked."""
        if self.query.request.verbatim:
            return "", self.query.prefill + text
        return thought_and_content(self.service.form, self.query.prefill + text, ended)

    def _details(self, ended: Ended) -> dict[str, Any]:
        """What was asked for beside the answer: its boxes, and what its solver went through."""
        if not self.query.request.details:
            return {}
        boxes, frame = read_boxes(self.parts(ended.completion.text)[1]), ended.completion.frame
        found = boxes_to_pixels(boxes, frame) if boxes and frame else ()
        parts = [part._asdict() for part in ended.parts]
        return {"details": {"boxes": [box.corners for box in found], "parts": parts}}

    def _message(self, completion: Completion) -> dict[str, Any]:
        thought, content = self.parts(completion.text)
        return {"content": content, "reasoning_content": thought or None, "reasoning": thought or None}

    def usage(self) -> dict[str, int]:
        """Tokens of the prompt and of all that was sampled."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    def _logprobs(self, tokens: tuple[TokenText, ...]) -> dict[str, Any] | None:
        if self.query.alternatives is None:
            return None
        return {
            "content": [
                _token(token.text, token.logprob)
                | {"top_logprobs": [_token(text, logprob) for text, logprob in token.alternatives]}
                for token in tokens
            ],
            "refusal": None,
        }

    # Streams ------------------------------------------------------------------------------------------------

    async def deltas(self) -> AsyncIterator[tuple[int, dict[str, str], tuple[TokenText, ...], str | None]]:
        """(choice, what its thought and content have grown by, new tokens, why it ended) as it comes. An
        answer that must be JSON comes in one piece, when it has been validated; so does a solver's."""
        if self.check is not None:
            for event in await self.ended():
                thought, content = self.parts(event.completion.text)
                self.details[event.index] = self._details(event)
                yield event.index, _grown("", "", thought, content), event.tokens, event.completion.stop
            return
        told: dict[int, tuple[str, str]] = {}
        async for event in self.service.events(self.query, stream=True):
            self._count(event)
            if isinstance(event, Progress | Ended):
                ended = isinstance(event, Ended)
                text = event.completion.text if ended else event.text
                parts = self.parts(text, ended)
                if not told:
                    self.service.metrics.first_text.observe(time.monotonic() - self.begun)
                delta = _grown(*told.get(event.index, ("", "")), *parts)
                told[event.index] = parts
                self.details |= {event.index: self._details(event)} if isinstance(event, Ended) else {}
                if delta or ended or event.tokens:
                    yield event.index, delta, event.tokens, event.completion.stop if ended else None
            else:
                yield -1, {}, (), None  # accepted: from now on, errors come within the stream

    async def stream(self) -> AsyncIterator[bytes]:
        """The answer as server-sent events. The first chunk comes when the prompt is accepted; what is raised
        before is no stream yet. Later errors are an event of their own."""
        options, begun = self.query.request.stream_options, set()
        usage = {"usage": None} if options and options.include_usage else {}
        try:
            async for index, delta, tokens, stop in self.deltas():
                if index < 0:
                    continue
                if index not in begun:
                    begun.add(index)
                    yield self._chunk(index, {"role": "assistant", "content": ""}, (), None, usage)
                if delta or tokens or stop:
                    yield self._chunk(index, delta, tokens, stop, usage)
            if usage:
                yield event_of(self._head([]) | {"usage": self.usage()})
        except Exception as error:
            if not begun:
                raise
            yield event_of(dict(api_error(error).body()), "error")
        yield b"data: [DONE]\n\n"

    def _chunk(
        self, index: int, delta: dict[str, str], tokens: tuple[TokenText, ...], stop: str | None, usage: Any
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": self._logprobs(tokens),
            "finish_reason": stop,
            **(self.details.get(index, {}) if stop else {}),
        }
        return event_of(self._head([choice]) | usage)

    def _head(self, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.query.request.model,
            "choices": choices,
        }


def _frame(completion: Completion) -> dict[str, Any]:
    """The coordinates of boxes in the text, which only this engine knows; nothing without a picture."""
    return {} if completion.frame is None else {"frame": asdict(completion.frame)}


def event_of(value: dict[str, Any], name: str = "") -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def _grown(old_thought: str, old_content: str, thought: str, content: str) -> dict[str, str]:
    """What thought and content have more than before."""
    more = {"content": content[len(old_content) :], "reasoning": thought[len(old_thought) :]}
    more["reasoning_content"] = more["reasoning"]
    return {name: text for name, text in more.items() if text}


def _token(text: str, logprob: float) -> dict[str, Any]:
    whole = "\ufffd" not in text
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode()) if whole else None}
