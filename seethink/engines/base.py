"""Protocols of engines: asynchronous engines (one request at a time) and rollout back-ends (batches of
prompts).

The synchronous `Engine` of attempts and evaluation is in `types.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from seethink.types import GREEDY, Completion, Example, Messages, Sampling

BATCH_TOKENS = 32_768
"""Most cached tokens of a batch of the local engine: rows times (prompt + completion) tokens."""

MASK_TOKENS = 512
"""Largest `top_k` of which engines record sampling masks: the ids that truncation kept for each token."""

Role = Literal["vision", "text", "judge"]
"""What a request needs from its engine: to look at pictures, to reason about a text, or to judge."""
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Request:
    """One completion to request.

    step, example: which step of a chain asks, and about which example; not sent, so equal requests of two
    examples are one. version: of the step's wording, set by the chain. messages: may end with a begun answer,
    which the engine continues. sampling: `n` is 1; several completions are several requests with different
    seeds. schema: JSON schema of the completion, enforced where the server can.
    """

    step: str
    example: Example
    role: Role
    messages: Messages
    sampling: Sampling = GREEDY
    version: str = ""
    schema: Mapping[str, Any] | None = None


def records_mask(sampling: Sampling) -> bool:
    """Whether completions carry a sampling mask: `top_k` truncates, and bounds its size."""
    return sampling.temperature > 0 and 0 < sampling.top_k <= MASK_TOKENS


OnFault = Callable[[str, str], None]
"""Called after every attempt that failed, with its kind ("429", "500", "timeout", "broken body", "no
completion") and a sentence."""


class RequestFailed(RuntimeError):
    """The server refused a request, or did not answer it in `max_attempts`; other requests are not affected.
    kind: as in `OnFault`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Beams:
    """Token-level beam search. width: sequences kept after each token. length_penalty: exponent of the length
    by which a sequence's log-probability is divided; 1 compares means. max_tokens: limit on generated
    tokens."""

    width: int = 4
    length_penalty: float = 1.0
    max_tokens: int = 256


@runtime_checkable
class BeamEngine(Protocol):
    """An engine with token-level beam search."""

    def beam_search(self, conversations: Sequence[Messages], beams: Beams) -> list[list[Completion]]:
        """The `beams.width` best completions of each conversation, the best first; the first of them holds
        what all took."""
        ...


class RolloutBackend(Protocol):
    """An engine that training samples from, with the policy's current weights.

    shared: whether one back-end serves all training processes. retries: failed requests that were sent again.
    """

    shared: bool
    retries: int

    @property
    def incomplete_masks(self) -> int:
        """Sampled tokens whose sampling mask lacks some of the tokens that truncation kept."""
        ...

    def complete(self, prompts: Sequence[Any], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each `models.encoder.Prompt`, in order, with sampling masks where
        `records_mask`."""
        ...

    def sync_weights(self, weights: Iterable[tuple[str, Any]], folder: Path) -> None:
        """Use these weights, pairs of (name, tensor), from now on. folder: where back-ends that load weights
        from a file write it."""
        ...

    def sleep(self) -> bool:
        """Free the accelerator's memory until the next `sync_weights`. Return whether the weights were
        dropped."""
        ...

    def close(self) -> None:
        """Free all resources; the engine cannot be used again."""
        ...


class AsyncEngine(Protocol):
    """Completes one request at a time; callers run many concurrently."""

    @property
    def name(self) -> str:
        """The model, as recorded in ledgers and caches; another name is another engine."""
        ...

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        """Raises RequestFailed if this request fails, and InputError where every request would (a wrong key,
        an unknown model, no server)."""
        ...

    async def close(self) -> None:
        """Free all resources; the engine cannot be used again."""
        ...
