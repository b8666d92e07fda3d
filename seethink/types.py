"""Core data classes and protocols, from `Example` and `Format` to `Score`, `Task`, `Engine` and `Solver`.

No behaviour beyond validation; imports neither torch nor PIL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from seethink.boxes import Box, Point

MEDIA_MARK = re.compile(r"<(image|video)>")
"""Placeholder of a medium inside a question, as in LLaVA."""


@runtime_checkable
class Media(Protocol):
    """A picture (image) or a clip (video), decoded on demand."""

    @property
    def kind(self) -> Literal["image", "video"]:
        """Type of the medium, as named by its mark in a question."""
        ...

    @property
    def key(self) -> str:
        """Stable identity as text: two media with equal keys have equal content."""
        ...

    def load(self) -> Any:
        """The decoded medium: a PIL image, or `media.Frames` of a clip. Raises InputError naming the file."""
        ...


class Turn(NamedTuple):
    """A turn of a conversation before its last question. text: with the marks of its media. learned: whether
    SFT may imitate it, if it is the assistant's."""

    role: Literal["system", "user", "assistant"]
    text: str
    learned: bool = True


@dataclass(frozen=True)
class Example:
    """A question about pictures or clips, with its reference answer.

    question: marks the place of each medium with `<image>` or `<video>`; without marks, the media come
    first. media: in the order of their marks in `history` and `question`. answer: the reference answer; None
    if unknown. choices: the options of a multiple-choice question. steps: a reference reasoning trace. meta:
    anything else; not part of equality. history: the turns before the question, part of every prompt. where:
    file and row that it was read from, for messages; part of neither equality nor identity. Raises ValueError
    if marks and media disagree."""

    id: str
    question: str
    media: tuple[Media, ...] = ()
    answer: str | None = None
    choices: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)
    history: tuple[Turn, ...] = ()
    where: str = field(default="", compare=False, repr=False, metadata={"identity": False})

    def __post_init__(self) -> None:
        marks = [mark for turn in self._turns() for mark in MEDIA_MARK.findall(turn.text)]
        kinds = [m.kind for m in self.media]
        if marks and marks != kinds:
            raise ValueError(
                f"example {self.id}: the question marks {marks or 'no media'}, but the media are {kinds}"
            )

    @property
    def is_marked(self) -> bool:
        """Whether the turns mark the places of the media."""
        return any(MEDIA_MARK.search(turn.text) for turn in self._turns())

    @property
    def label(self) -> str:
        """The example in messages: its file and row, else its id."""
        return self.where or f"example {self.id}"

    def parts(self) -> list[str | Media]:
        """The question as text and media in reading order, without blank text."""
        return self.turns()[-1][1]

    def turns(self) -> list[tuple[str, list[str | Media]]]:
        """(role, parts) of every turn, the question last; parts as of `parts`. Media without marks come first
        in the first turn of the user."""
        turns, media = self._turns(), iter(self.media)
        marked = self.is_marked
        first = next(i for i, turn in enumerate(turns) if turn.role == "user")
        split: list[tuple[str, list[str | Media]]] = []
        for i, turn in enumerate(turns):
            texts = MEDIA_MARK.split(turn.text)[::2]
            parts: list[str | Media] = [] if marked or i != first else [*media]
            parts.append(texts[0])
            for text in texts[1:]:
                parts += [next(media), text]
            shown = [part for part in parts if not isinstance(part, str) or part.strip() or not marked]
            split.append((turn.role, shown))
        return split

    def _turns(self) -> tuple[Turn, ...]:
        return (*self.history, Turn("user", self.question))


Message = dict[str, Any]
"""`{"role": ..., "content": [{"type": "text", "text": ...} | {"type": "image", "image": Media}]}`."""

Messages = list[Message]
"""A conversation. A final assistant message is a prefill, which the engine continues. A first message of role
`PLAIN` bypasses the chat template: its content is the prompt of a base model, verbatim."""

PLAIN = "plain"


def assistant_prefill(messages: Messages) -> str:
    """The text of the final assistant message; empty if the conversation ends with a user message."""
    last = messages[-1]
    return "".join(part["text"] for part in last["content"]) if last["role"] == "assistant" else ""


FrameKind = Literal["original", "resized", "thousandths", "unit"]
"""Units of a model's coordinates: pixels of the original picture, pixels of the resized picture that the
model receives, thousandths of each side (0 to 1000), or fractions of each side (0 to 1)."""


@dataclass(frozen=True)
class CoordinateFrame:
    """Coordinate frame of a model's boxes: a picture of `size` (width, height) in original pixels spans
    `units` (width, height) in the model's coordinates."""

    kind: FrameKind
    size: tuple[int, int]
    units: tuple[int, int]

    @classmethod
    def of_json(cls, value: Mapping[str, Any] | None) -> CoordinateFrame | None:
        """The frame whose `asdict` went through JSON; None for None."""
        if value is None:
            return None
        (width, height), (x, y) = value["size"], value["units"]
        return cls(value["kind"], (width, height), (x, y))


@dataclass(frozen=True)
class RolloutUsage:
    """What answers took. Sums: the usage of several requests is that of all, and unknown (None) where one of
    them is.

    calls: completions requested of engines, a token-level beam search being one. tokens_sampled: tokens
    generated, of all beams. tokens_computed: prompt tokens that went through the model; a prefix that was
    kept from an earlier prompt, or shared by the completions of one, counts once. pictures_encoded: pictures
    and clips that went through the vision tower. seconds: wall time of the engine; that of a batch is shared
    equally by its completions. duplicates: candidates that were dropped because they equal another, and
    sampled again. unscored: candidates that a scorer could not judge.
    """

    calls: int = 0
    tokens_sampled: int | None = 0
    tokens_computed: int | None = 0
    pictures_encoded: int | None = 0
    seconds: float = 0.0
    duplicates: int = 0
    unscored: int = 0

    def __add__(self, other: RolloutUsage) -> RolloutUsage:
        def total(a: int | None, b: int | None) -> int | None:
            return None if a is None or b is None else a + b

        return RolloutUsage(
            self.calls + other.calls,
            total(self.tokens_sampled, other.tokens_sampled),
            total(self.tokens_computed, other.tokens_computed),
            total(self.pictures_encoded, other.pictures_encoded),
            self.seconds + other.seconds,
            self.duplicates + other.duplicates,
            self.unscored + other.unscored,
        )


@dataclass(frozen=True)
class Completion:
    """One generated continuation of a conversation.

    text: without the prefill and without special tokens. stop: why generation ended; "unanswered" if a
    server returned no completion, and then `text` is the error. n_tokens: number of generated tokens;
    prompt_tokens: of prompt tokens; 0 if the engine does not count. token_ids: the sampled tokens,
    end-of-turn token included; empty if unknown. logps: their log-probabilities under the sampling
    distribution (temperature, top_p and top_k applied); empty if unknown. sampling_mask: ids that top_k and
    top_p kept for each; empty if not recorded. frame: coordinate frame of the boxes in `text`; None without a
    picture, or if unknown. usage: what the engine counted itself; of a prompt's completions, the first holds
    what the prompt took. earlier: texts of the turns before, which an `Environment` answered; counts and
    tokens are those of all turns."""

    text: str
    stop: Literal["stop", "length", "unanswered"] = "stop"
    n_tokens: int = 0
    token_ids: tuple[int, ...] = field(default=(), repr=False, compare=False)
    logps: tuple[float, ...] = field(default=(), repr=False, compare=False)
    sampling_mask: tuple[Sequence[int], ...] = field(default=(), repr=False, compare=False)
    frame: CoordinateFrame | None = None
    prompt_tokens: int = 0
    usage: RolloutUsage | None = field(default=None, repr=False, compare=False)
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Response:
    """A parsed completion.

    thought, answer, steps: the parts of `text` by its format; None if missing. fault: how the text violates
    the format; None if it conforms. boxes, points: those of the answer, in pixels of the original picture;
    None if the answer has none or their coordinate frame is unknown. frame: coordinate frame of `text`, if
    known. earlier: the model's turns before `text`, as in `Completion`.
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
    frame: CoordinateFrame | None = None
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """A verifier's result. value: in [0, 1]; None if the response cannot be judged, which is never 0. why:
    one sentence of explanation. parts: named sub-scores. unread: the answer is nothing that this verifier
    compares (no number, no option), which is worth 0; `verify.first_of` then asks its next verifier."""

    value: float | None
    why: str = ""
    parts: Mapping[str, Score] = field(default_factory=dict)
    unread: bool = False

    def __post_init__(self) -> None:
        if self.unread and self.value != 0.0:
            raise ValueError(f"an unread answer is worth 0, got {self.value} ({self.why})")
        if self.value is not None and not 0.0 <= self.value <= 1.0:
            raise ValueError(f"a score must lie in [0, 1] or be None, got {self.value} ({self.why})")


Verifier = Callable[[Example, Response], Score]
"""A pure function that scores a response to an example."""


class Format(Protocol):
    """A prompt template and the parser of its completions: `parse(write(thought, answer))` has both parts."""

    @property
    def name(self) -> str:
        """Name of the format, as in `--format`. Recorded with every result."""
        ...

    @property
    def prompt_mode(self) -> str:
        """Where the instruction is placed (`formats.PROMPT_MODES`). Recorded with every result."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether a thought is requested and required."""
        ...

    def prompt(self, example: Example) -> Messages:
        """The conversation that asks the example's question, with the prefill if the format has one."""
        ...

    def parse(self, text: str) -> Response:
        """Parse a completion, its prefill included."""
        ...

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        """The completion that conforms to the format, prefill included. thought: a text, or its steps. Raises
        ValueError for parts that `parse` would not return."""
        ...


@dataclass(frozen=True)
class Task:
    """Examples with a format and a verifier. headline: the score part that is reported. environment: answers
    the model's turns (`environment.Environment`), the last of which is parsed and verified."""

    name: str
    examples: Sequence[Example]
    format: Format
    verifier: Verifier
    headline: str = "correct"
    environment: Callable[[Example, Sequence[str]], Any] | None = None


class RolloutPart(NamedTuple):
    """A text on the way to a response: a stage, a candidate, an agent's reply. value: by a scorer, if any."""

    name: str
    text: str
    value: float | None = None


@dataclass(frozen=True)
class Rollout:
    """A response to an example, with its score. usage: what it took, if counted; parts: its solver's way."""

    example: Example
    response: Response
    score: Score
    usage: RolloutUsage | None = field(default=None, repr=False, compare=False)
    parts: tuple[RolloutPart, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class SFTExample:
    """One supervised example: the target completion `text` (prefill included) for `example` prompted in
    `format`. earlier: the answers before it in its conversation, learned with it."""

    example: Example
    format: Format
    text: str
    earlier: tuple[SFTExample, ...] = ()


@dataclass(frozen=True)
class PreferencePair:
    """A preferred and a rejected response (prefill included) to `example` prompted in `format`."""

    example: Example
    format: Format
    better: str
    worse: str


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters. A checkpoint's own generation config is ignored.

    n: completions for each prompt. temperature: 0 is greedy decoding. top_p 1 and top_k 0 disable
    truncation. max_tokens: limit on generated tokens. seed: the random seed."""

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "n": ("at least 1", self.n >= 1),
            "temperature": ("a finite number of at least 0", 0 <= self.temperature < float("inf")),
            "top_p": ("above 0 and at most 1", 0 < self.top_p <= 1),
            "top_k": ("at least 0", self.top_k >= 0),
            "max_tokens": ("at least 1", self.max_tokens >= 1),
        }
        for name, (limit, holds) in limits.items():
            if not holds:
                raise ValueError(f"{name}={getattr(self, name)}: it must be {limit}")
        if self.temperature == 0 and self.n > 1:
            raise ValueError("greedy decoding gives one completion; set n=1 or a temperature above 0")


GREEDY = Sampling(temperature=0.0)


class Engine(Protocol):
    """A text generator that continues conversations."""

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions for each conversation, in order."""
        ...


Solver = Callable[[Engine, Task, Sequence[Example]], list[list[Rollout]]]
"""A strategy of using an engine on a task: the rollouts of each example, in order."""


class NotFinite(RuntimeError):
    """A logit, loss or gradient is NaN or infinite; the message names the examples."""


class InputError(ValueError):
    """Unusable user input. The message names file, row and how to fix it; the CLI exits with code 2."""

    @classmethod
    def of_rows(cls, faults: Sequence[str]) -> InputError:
        """The first of the faults of several rows, with the number of the others."""
        others = len(faults) - 1
        more = f"; {others:,} more {'row is' if others == 1 else 'rows are'} at fault" if others else ""
        return cls(f"{faults[0]}{more}")
