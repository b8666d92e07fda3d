"""The nine words, as data and protocols. No behaviour beyond checks; imports no torch and no PIL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from seethink.boxes import Box, Point

MEDIA_MARK = re.compile(r"<(image|video)>")
"""Where a medium stands inside a question; LLaVA's convention."""


@runtime_checkable
class Media(Protocol):
    """A picture or a clip that is loaded only when somebody looks at it."""

    @property
    def kind(self) -> Literal["image", "video"]: ...

    @property
    def key(self) -> str:
        """Stable text identity: two media with the same key show the same thing."""
        ...

    def load(self) -> Any:
        """The decoded medium (a PIL image for pictures). Raises ValueError naming the file if it cannot."""
        ...


@dataclass(frozen=True)
class Example:
    """A question about pictures or a clip, with what is known about its answer.

    `question` marks with `<image>` or `<video>` where each medium stands; without marks, media stand before
    it. Raises ValueError when marks and media disagree.
    """

    id: str
    question: str
    media: tuple[Media, ...] = ()
    answer: str | None = None
    choices: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        marks = MEDIA_MARK.findall(self.question)
        kinds = [m.kind for m in self.media]
        if marks and marks != kinds:
            raise ValueError(
                f"example {self.id}: the question marks {marks or 'no media'}, but the media are {kinds}"
            )

    def parts(self) -> list[str | Media]:
        """The question cut into text and media, in reading order; empty text is left out."""
        if not MEDIA_MARK.search(self.question):
            return [*self.media, self.question]
        texts = MEDIA_MARK.split(self.question)[::2]
        woven = [texts[0]]
        for medium, text in zip(self.media, texts[1:], strict=True):
            woven += [medium, text]
        return [part for part in woven if not isinstance(part, str) or part.strip()]


Message = dict[str, Any]
"""`{"role": ..., "content": [{"type": "text", "text": ...} | {"type": "image", "image": Media}]}`."""

Messages = list[Message]
"""A conversation. If its last message is the assistant's, that is a begun answer, and the engine continues
it. A first message of the role `PLAIN` is no turn: its content is given to a base model as it stands."""

PLAIN = "plain"


def begun_answer(messages: Messages) -> str:
    """The text of the answer that a conversation has begun; empty if it ends with the user's turn."""
    last = messages[-1]
    return "".join(part["text"] for part in last["content"]) if last["role"] == "assistant" else ""


FrameKind = Literal["original", "resized", "thousandths", "unit"]
"""What a model counts in when it names a place in a picture: pixels of the picture as it was given, pixels of
the picture as the model was shown it, thousandths of its sides, or parts of its sides, from 0 to 1."""


@dataclass(frozen=True)
class Frame:
    """In what a model's boxes are measured: a picture of `size` (width, height) in its own pixels is `units`
    wide and high in the model's numbers."""

    kind: FrameKind
    size: tuple[int, int]
    units: tuple[int, int]


@dataclass(frozen=True)
class Completion:
    """What an engine adds to a conversation: the continuation alone, special tokens left out of `text`.

    `token_ids` are what was sampled, end-of-turn token included; empty where the engine cannot know them.
    `logps` are their log-probabilities under the distributions they were drawn from (temperature, top_p and
    top_k applied); empty where the engine does not tell them. `frame` is that of the boxes in `text`; None
    without a picture, or where the engine cannot know it. `stop` is "unanswered" where the engine asks a
    server that gave no answer; `text` then says why.
    """

    text: str
    stop: Literal["stop", "length", "unanswered"] = "stop"
    n_tokens: int = 0
    token_ids: tuple[int, ...] = field(default=(), repr=False, compare=False)
    logps: tuple[float, ...] = field(default=(), repr=False, compare=False)
    frame: Frame | None = None


@dataclass(frozen=True)
class Response:
    """What came back, read. `fault` says where the text breaks its format; None when it obeys.

    `boxes` and `points` are the answer's, in pixels of the original picture; None where it is none of them,
    or where nobody knows what they are measured in. `frame` is that of `text`, where it is known.
    """

    text: str
    thought: str | None = None
    answer: str | None = None
    steps: tuple[str, ...] = ()
    stop: str = "stop"
    n_tokens: int = 0
    fault: str | None = None
    token_ids: tuple[int, ...] = field(default=(), repr=False, compare=False)
    logps: tuple[float, ...] = field(default=(), repr=False, compare=False)
    boxes: tuple[Box, ...] | None = None
    points: tuple[Point, ...] | None = None
    frame: Frame | None = None


@dataclass(frozen=True)
class Score:
    """The verdict. `value` is in [0, 1]; None means "cannot be judged", never 0. `parts` are named
    sub-scores."""

    value: float | None
    why: str = ""
    parts: Mapping[str, Score] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.value is not None and not 0.0 <= self.value <= 1.0:
            raise ValueError(f"a score must lie in [0, 1] or be None, got {self.value} ({self.why})")


Verifier = Callable[[Example, Response], Score]


class Format(Protocol):
    """How we ask and how we read back. `parse(write(thought, answer))` gives both again."""

    @property
    def name(self) -> str: ...

    @property
    def mode(self) -> str:
        """Where the instruction stands (`formats.MODES`); recorded with every result."""
        ...

    def prompt(self, example: Example) -> Messages: ...

    def parse(self, text: str) -> Response:
        """Read a whole answer (a begun answer included)."""
        ...

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        """The text a perfect model would give, begun answer included. `thought` is a text, or its steps.

        Raises ValueError for what the format could not read back.
        """
        ...


@dataclass(frozen=True)
class Task:
    """Examples, how they are asked, and how answers are judged; `headline` names the score part that is
    reported."""

    name: str
    examples: Sequence[Example]
    format: Format
    verifier: Verifier
    headline: str = "correct"


@dataclass(frozen=True)
class Rollout:
    example: Example
    response: Response
    score: Score


@dataclass(frozen=True)
class Lesson:
    """One supervised answer: ask `example` in `format`; `text` is what the model should say (begun answer
    included)."""

    example: Example
    format: Format
    text: str


@dataclass(frozen=True)
class Pair:
    """Two responses to `example`, asked in `format`, of which the first is `better` (begun answer
    included)."""

    example: Example
    format: Format
    better: str
    worse: str


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn. Explicit and complete: a checkpoint's own generation config is never
    consulted.

    temperature 0 is greedy. top_k 0 and top_p 1 leave the distribution whole, as policy gradients assume.
    """

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if (
            self.n < 1
            or self.max_tokens < 1
            or self.temperature < 0
            or not 0 < self.top_p <= 1
            or self.top_k < 0
        ):
            raise ValueError(f"impossible sampling: {self}")
        if self.temperature == 0 and self.n > 1:
            raise ValueError("greedy decoding gives one completion; ask for n=1 or a temperature above 0")


GREEDY = Sampling(temperature=0.0)


class Engine(Protocol):
    """Continues conversations."""

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions for each conversation, in order."""
        ...


Solver = Callable[[Engine, Task, Sequence[Example]], list[list[Rollout]]]
"""A way of using engines: rollouts of each example, in order."""


class NotFinite(RuntimeError):
    """A logit, loss or gradient stopped being a number; the message names the question."""


class InputError(ValueError):
    """What the user gave cannot be used. The message names file, row and mend; the CLI exits with code 2."""
