"""Engine on any server with OpenAI's `/v1/chat/completions`."""

from __future__ import annotations

import json
import logging
import math
import re
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

from seethink.engines.base import OnFault, Request, RequestFailed
from seethink.engines.http import (
    MODERATED,
    RETRIED_STATUSES,
    HttpClient,
    HttpResponse,
    RequestPolicy,
    TransientError,
    error_message,
)
from seethink.engines.openai_messages import MessageEncoder
from seethink.types import Completion, CoordinateFrame, InputError, assistant_prefill

_LOG = logging.getLogger(__name__)

CONTINUING_OWNERS = {"vllm", "sglang"}
"""`owned_by` of models on servers that continue a begun answer and take `top_k`."""
MAX_TOKENS, RESPONSE_FORMAT = "max_tokens", "response_format"
"""Request fields that a server may reject; the request is then repeated without them."""
CONTEXT_EXCEEDED = re.compile(rb"maximum context length|context_length_exceeded|max_(completion_)?tokens")
"""In the error of a request whose `max_tokens` do not fit behind its prompt."""


class ChatEngine:
    """The model `name` of the server at `url`; created by `open`. root: what the server says its weights are,
    as vLLM does; else empty.

    can_continue: whether the server continues a begun answer. requests_without_schema: requests sent without
    their schema, because the server rejects schemas. requests_without_limit: requests sent without
    `max_tokens`, because so many do not fit behind their prompt; the server then writes as many as fit.
    """

    def __init__(self, url: str, key_env: str, policy: RequestPolicy) -> None:
        self.url, self.name, self.root = url, "", ""
        self.can_continue, self.send_user = False, False
        self.requests_without_schema = self.requests_without_limit = 0
        self.encoder, self.http = MessageEncoder(), HttpClient(url, policy, key_env)
        self._served: list[str] = []
        self._extended = False  # vLLM or SGLang
        self._ours = False  # `seethink serve`
        self._takes_schema = True
        self._context: float = math.inf

    @classmethod
    async def open(
        cls,
        url: str,
        model: str | None = None,
        key_env: str = "OPENAI_API_KEY",
        policy: RequestPolicy | None = None,
        *,
        can_continue: bool | None = None,
        send_user: bool = False,
    ) -> ChatEngine:
        """Connect to a server and choose its model.

        url: `http://host:port/v1`, or `http://host:port/v1#model`; without a model the server must serve
        exactly one. key_env: the environment variable with the API key, where the server wants one.
        can_continue: whether the server continues a begun answer; None for vLLM and SGLang alone. send_user:
        send `step:example` as the field `user`.

        Raises InputError where there is no server or no such model, or where the key is wrong.
        """
        address, _, fragment = url.partition("#")
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise InputError(f"{url} is not the address of a server; write http://host:port/v1#model")
        base = address.rstrip("/") + ("" if parts.path.strip("/") else "/v1")
        engine = cls(base, key_env, policy or RequestPolicy())
        try:
            engine._choose(model or fragment, await engine._models())
        except BaseException:
            await engine.close()
            raise
        engine.can_continue = engine._extended if can_continue is None else can_continue
        engine.send_user = send_user
        return engine

    async def close(self) -> None:
        """Cancel all requests and close the connections."""
        await self.http.close()

    # Models -------------------------------------------------------------------------------------------------

    async def _models(self) -> list[dict[str, Any]]:
        """The models that the server lists; empty where it has no list. Waits while the server is loading."""
        status, body = await self.http.wait_until_ready("/models", accepted=(200, 404, 405))
        if status != 200:
            return []
        try:
            return [{"id": str(card["id"]), **card} for card in json.loads(body)["data"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"the server at {self.url} is not a chat server ({error!r})") from error

    def _choose(self, model: str, cards: list[dict[str, Any]]) -> None:
        self._served = [card["id"] for card in cards]
        if not model and len(cards) != 1:
            raise InputError(
                f"the server at {self.url} serves {self._listed()}; name one of them as {self.url}#model"
            )
        card = next((c for c in cards if not model or model in (c["id"], c.get("root"))), None)
        self._extended = (card or (cards[0] if cards else {})).get("owned_by") in CONTINUING_OWNERS
        self._ours = (card or {}).get("owned_by") == "seethink"
        if card is None and self._extended:  # other servers accept names that they do not list
            raise self._unknown(model)
        self.name = card["id"] if card else model
        self.root = str((card or {}).get("root") or "")
        self._context = (card or {}).get("max_model_len") or math.inf

    def _listed(self) -> str:
        return ", ".join(self._served) or "models that it does not list"

    def _unknown(self, model: str) -> InputError:
        return InputError(f"the server at {self.url} has no model {model}; it serves {self._listed()}")

    # Completions --------------------------------------------------------------------------------------------

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        """Raises RequestFailed if this request fails, and InputError where every request would."""
        prefill = assistant_prefill(request.messages)
        if prefill and not self.can_continue:
            raise InputError(
                f"the server at {self.url} cannot continue a begun answer, which the step {request.step} "
                "needs; serve the model with vLLM or SGLang"
            )
        try:
            messages = await self.encoder.encode(request.messages)
        except InputError as error:
            raise RequestFailed("medium", f"example {request.example.id}: {error}") from error
        omitted = self._omitted(request)
        attempt = partial(self._attempt, request, messages, prefill, omitted)
        key = f"{request.example.id}/{request.step}/{request.sampling.seed}"
        completion = await self.http.retry(attempt, key, on_fault)
        self._count(request, omitted)
        return completion

    def _omitted(self, request: Request) -> set[str]:
        """Fields not to send: the request has none, or this server is known to reject it."""
        schema = request.schema is not None and self._takes_schema
        fits = request.sampling.max_tokens < self._context
        return {name for name, sent in ((RESPONSE_FORMAT, schema), (MAX_TOKENS, fits)) if not sent}

    def _count(self, request: Request, omitted: set[str]) -> None:
        self.requests_without_schema += request.schema is not None and RESPONSE_FORMAT in omitted
        if MAX_TOKENS in omitted and not self.requests_without_limit:
            _LOG.warning(
                "%s asks for %d tokens, which do not fit behind its prompt in %s; it gets as many as fit",
                request.step, request.sampling.max_tokens, self.name,
            )  # fmt: skip
        self.requests_without_limit += MAX_TOKENS in omitted

    def _body(self, request: Request, messages: str, prefilled: bool, omitted: set[str]) -> bytes:
        sampling = request.sampling
        fields: dict[str, Any] = {
            "model": self.name, "temperature": sampling.temperature, "seed": sampling.seed
        }  # fmt: skip
        if MAX_TOKENS not in omitted:
            fields[MAX_TOKENS] = sampling.max_tokens
        if (
            sampling.top_p != 1 or self._extended
        ):  # vLLM's defaults come from the checkpoint's generation config
            fields["top_p"] = sampling.top_p
        if sampling.top_k or self._extended:
            fields["top_k"] = sampling.top_k or -1
        if self._extended:
            fields["repetition_penalty"] = 1.0
        if prefilled:
            fields |= {"continue_final_message": True, "add_generation_prompt": False}
        if RESPONSE_FORMAT not in omitted:
            schema = {"name": "reply", "schema": request.schema}
            fields[RESPONSE_FORMAT] = {"type": "json_schema", "json_schema": schema}
        if self._ours and request.role == "text":
            fields["verbatim"] = True
        if self.send_user:
            fields["user"] = f"{request.step}:{request.example.id}"
        return f'{json.dumps(fields)[:-1]}, "messages": {messages}}}'.encode()

    async def _attempt(self, request: Request, messages: str, prefill: str, omitted: set[str]) -> Completion:
        """One attempt; a field that the server rejects is added to `omitted`."""
        body = self._body(request, messages, bool(prefill), omitted)
        estimate = request.sampling.max_tokens + len(body) // 100  # most of a long body is pictures
        await self.http.acquire(estimate)
        response = await self.http.send("POST", "/chat/completions", body)
        if response.status != 200:
            self._raise(response, omitted)
        completion = read_completion(response.body, prefill, request.role == "text")
        if used := completion.prompt_tokens + completion.n_tokens:
            self.http.refund(estimate - used)
        return completion

    def _raise(self, response: HttpResponse, omitted: set[str]) -> NoReturn:
        status, body = response
        message = error_message(body)
        if status == 404:
            raise self._unknown(self.name)
        if status == 400 and RESPONSE_FORMAT not in omitted and b"response_format" in body:
            if self._takes_schema:
                _LOG.warning("the server at %s rejects schemas, so none are sent: %s", self.url, message)
            self._takes_schema = False
            omitted.add(RESPONSE_FORMAT)
            raise TransientError("400", message, immediate=True)
        if status == 400 and MAX_TOKENS not in omitted and CONTEXT_EXCEEDED.search(body):
            omitted.add(MAX_TOKENS)
            raise TransientError("no room", message, immediate=True)
        filtered = b"content_filter" in body or MODERATED in body
        raise RequestFailed("filtered" if filtered else str(status), message)


def read_completion(body: bytes, prefill: str, with_thought: bool) -> Completion:
    """The completion in a response. with_thought: put a thought that the server has separated back into the
    text.

    Raises TransientError where the body is no JSON, or holds no completion, and RequestFailed where a content
    filter has cut the text.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TransientError("broken body", f"the response is no JSON ({error}): {body[:200]!r}") from error
    try:
        choice, usage = content["choices"][0], content.get("usage") or {}
        message = choice["message"]
        text = _text(message.get("content")) or message.get("refusal") or ""
        thought = message.get("reasoning_content") or message.get("reasoning")
        frame = CoordinateFrame.of_json(choice.get("frame"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _no_completion(content, body) from error
    if choice.get("finish_reason") == "content_filter":
        raise RequestFailed("filtered", "the server's content filter cut the completion")
    text = text.removeprefix(prefill)  # some servers repeat it
    if with_thought and thought:
        text = f"{'' if prefill else '<think>'}{thought}{f'</think>{text}' if text else ''}"
    return Completion(
        text,
        "length" if choice.get("finish_reason") == "length" else "stop",
        usage.get("completion_tokens") or 0,
        prompt_tokens=usage.get("prompt_tokens") or 0,
        frame=frame,
    )


def _text(content: Any) -> str:
    """The text of a message: a text, or the text parts of a list. Raises TypeError for anything else."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise TypeError(f"the content is {content!r:.60}")
    return "".join(part if isinstance(part, str) else part.get("text") or "" for part in content)


def _no_completion(content: Any, body: bytes) -> TransientError:
    """What a response of JSON without a completion means: a fault that passes where it reports one by its
    status, as gateways do under the status 200; else one that lasts."""
    error = content.get("error") if isinstance(content, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and (code in RETRIED_STATUSES or 500 <= code < 600):
        return TransientError(str(code), error_message(body))
    said = body[:200].decode(errors="replace")
    return TransientError("no completion", f"the server's response holds no completion: {said}", lasting=True)
