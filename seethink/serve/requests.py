"""The JSON of requests, checked: unknown fields, and known ones that have no effect here, are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

TEMPLATE_KEYS = {"chat_template", "chat_template_kwargs", "tokenizer_chat_template"}
"""Keys that would bring a chat template, which is a program. They are refused at any depth."""


class Checked(BaseModel):
    """Base of requests: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CheckedRequest(Checked):
    """Base of whole requests."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_hostile(cls, values: Any) -> Any:
        """Refuse chat templates at any depth, and texts that are no Unicode."""
        for value in _inner(values):
            if isinstance(value, dict) and (found := TEMPLATE_KEYS & value.keys()):
                raise PydanticCustomError(
                    "template", "{key}: a chat template is never taken from a request", {"key": min(found)}
                )
            for text in [value] if isinstance(value, str) else value if isinstance(value, dict) else ():
                if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
                    raise PydanticCustomError("unicode", "a text holds half of a surrogate pair")
        return values


def _inner(value: Any) -> Iterator[Any]:
    """The value and all values in it; the parser of JSON has bounded their depth."""
    waiting = [value]
    while waiting:
        yield (one := waiting.pop())
        if isinstance(one, dict | list):
            waiting += one.values() if isinstance(one, dict) else one


def _neutral(value: float | dict[str, Any] | bool) -> Any:
    if value:
        raise PydanticCustomError("unsupported", "is not supported; leave it out")
    return value


NoPenalty = Annotated[float, AfterValidator(_neutral), Field(ge=0, le=0)]
"""A field of the API that has no effect here: its neutral value is accepted."""


# Messages -------------------------------------------------------------------------------------------------


class MediaUrl(Checked):
    """url: a data URI, a path under an allowed root, or http(s) if the server fetches. detail: pictures are
    taken whole, so that "low" is refused."""

    url: str
    detail: Literal["auto", "high"] = "auto"


class TextPart(Checked):
    """A text."""

    type: Literal["text"]
    text: str


class ImagePart(Checked):
    """A picture."""

    type: Literal["image_url"]
    image_url: MediaUrl


class VideoPart(Checked):
    """A clip as a file."""

    type: Literal["video_url"]
    video_url: MediaUrl


class FramesPart(Checked):
    """A clip as its frames, pictures of one size. fps: frames a second."""

    type: Literal["video"]
    video: list[str] = Field(min_length=1)
    fps: float = Field(2.0, gt=0, le=1000)


ContentPart = Annotated[TextPart | ImagePart | VideoPart | FramesPart, Field(discriminator="type")]
"""A part of a message."""


class ChatMessage(Checked):
    """A message. reasoning_content, reasoning: the thought of an earlier answer, under either name. The
    fields that are None are those that clients send back with an answer."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: None = None
    annotations: None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None


# Chat completions -----------------------------------------------------------------------------------------


class JsonSchema(Checked):
    """A named JSON schema."""

    name: str = Field(max_length=64)
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextFormat(Checked):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(Checked):
    """A JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(Checked):
    """JSON that conforms to a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
"""What an answer must be."""


class StreamOptions(Checked):
    """include_usage: whether a last chunk tells the tokens."""

    include_usage: bool = False


class SolverRequest(CheckedRequest):
    """Fields of both endpoints. solver: a name; the server's by default. solver_options: its options that are
    numbers or switches. top_k: 0 is none."""

    model: str = Field(max_length=500)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, le=1_000_000)
    stream: bool = False
    solver: str | None = Field(None, max_length=100)
    solver_options: dict[str, bool | int | float] = Field(default_factory=dict, max_length=20)
    user: str | None = None
    store: Annotated[bool, AfterValidator(_neutral)] = False


class ChatRequest(SolverRequest):
    """The body of `/v1/chat/completions`. user: read by nobody. verbatim: the conversation is given to the
    model without the server's instruction, and its text comes back whole, as content, as evaluations need
    it. details: whether a choice also tells its boxes, in pixels of the first picture, and the texts that
    its solver went through."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=256)
    n: int = Field(1, ge=1)
    verbatim: bool = False
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = None
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    response_format: ResponseFormat | None = None
    stream_options: StreamOptions | None = None
    details: bool = False
    frequency_penalty: NoPenalty = 0.0
    presence_penalty: NoPenalty = 0.0
    logit_bias: Annotated[dict[str, float], AfterValidator(_neutral)] | None = None


# Responses ------------------------------------------------------------------------------------------------


class InputText(Checked):
    """A text of the user, or an earlier answer."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[Any] | None = Field(None, max_length=0)
    logprobs: list[Any] | None = None


class InputImage(Checked):
    """A picture."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto"] = "auto"


InputPart = Annotated[InputText | InputImage, Field(discriminator="type")]
"""A part of an input message."""


class InputMessage(Checked):
    """A message of `input`."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[InputPart]
    id: str | None = None
    status: str | None = None


class JsonSchemaText(Checked):
    """JSON that conforms to a schema, as `/v1/responses` writes it."""

    type: Literal["json_schema"]
    name: str = Field(max_length=64)
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextOptions(Checked):
    """format: what an answer must be."""

    format: Annotated[TextFormat | JsonObjectFormat | JsonSchemaText, Field(discriminator="type")] | None = (
        None
    )


class ResponsesRequest(SolverRequest):
    """The body of `/v1/responses`, of which what converts to a chat completion is accepted."""

    input: str | list[InputMessage]
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1)
    text: TextOptions | None = None
