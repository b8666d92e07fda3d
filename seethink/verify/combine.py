"""Combinators of verifiers: frozen dataclasses, so that `identity.of_verifier` can hash and compare them.

A combinator forwards `prefetch` to its members, so that a judge among them gets all its prompts in one batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from seethink.types import Example, Response, Score, Verifier

Pairs = Sequence[tuple[Example, Response]]


@runtime_checkable
class Prefetching(Protocol):
    """A verifier that is, or may hold, a judge. Plain verifiers have neither of these members."""

    @property
    def uses_judge(self) -> bool:
        """Whether there is a judge in it."""
        ...

    def prefetch(self, pairs: Pairs) -> None:
        """Sends all missing prompts about the pairs to the judge's engine in one batch; verdicts on these
        pairs are then read from its cache."""
        ...


def uses_judge(verifier: Verifier) -> bool:
    """Whether a verifier is or holds a judge."""
    return isinstance(verifier, Prefetching) and verifier.uses_judge


def prefetch(verifier: Verifier, pairs: Iterable[tuple[Example, Response]]) -> None:
    """Batches the judge calls that `verifier` will make for `pairs`, which are not iterated without a judge.

    A judge inside a verifier that does not implement `Prefetching` is called for one pair at a time.
    """
    if isinstance(verifier, Prefetching) and verifier.uses_judge:
        verifier.prefetch(list(pairs))


def scored(verifier: Verifier, example: Example, response: Response) -> Score:
    """The verifier's score; an exception gets a note that names the example."""
    try:
        return verifier(example, response)
    except Exception as error:
        error.add_note(f"while judging an answer to example {example.id}: {response.text[:200]!r}")
        raise


@dataclass(frozen=True)
class Weighted:
    """Weighted mean of named parts. Formula: sum(w * v) / sum(w) over positive weights. Range: [0, 1].

    A part of weight 0 is a metric: scored and reported, but not rewarded. None if a rewarded part is None;
    unread if all rewarded parts are.
    """

    parts: tuple[tuple[str, Verifier, float], ...]

    def __post_init__(self) -> None:
        weights = [weight for _, _, weight in self.parts]
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
            raise ValueError(f"weights must be finite and not negative, got {weights}")
        if sum(weights) == 0:
            raise ValueError(f"at least one weight must be positive, got {weights}")

    def __call__(self, example: Example, response: Response) -> Score:
        scores = {name: verifier(example, response) for name, verifier, _ in self.parts}
        why = "; ".join(f"{name}: {score.why}" for name, score in scores.items())
        reward, total = 0.0, sum(weight for _, _, weight in self.parts)
        for name, _, weight in self.parts:
            value = scores[name].value
            if weight and value is None:
                return Score(None, why, scores)
            reward += weight / total * (value or 0.0)
        unread = all(scores[name].unread for name, _, weight in self.parts if weight)
        return Score(reward, why, scores, unread)

    @property
    def uses_judge(self) -> bool:
        return any(uses_judge(verifier) for _, verifier, _ in self.parts)

    def prefetch(self, pairs: Pairs) -> None:
        for _, verifier, _ in self.parts:
            prefetch(verifier, pairs)


@dataclass(frozen=True)
class FirstOf:
    """The score of the first verifier that can judge the gold and read the answer.

    If none can: 0, unread, where one could judge the gold, else None; with all reasons. Range: that of its
    verifiers.
    """

    verifiers: tuple[Verifier, ...]

    def __post_init__(self) -> None:
        if not self.verifiers:
            raise ValueError("first_of needs at least one verifier")

    def __call__(self, example: Example, response: Response) -> Score:
        passed: list[Score] = []
        for verifier in self.verifiers:
            score = verifier(example, response)
            if not _leaves_to_the_next(score):
                return score
            passed.append(score)
        why = "; ".join(score.why for score in passed)
        return Score(0.0, why, unread=True) if any(score.unread for score in passed) else Score(None, why)

    @property
    def uses_judge(self) -> bool:
        return any(map(uses_judge, self.verifiers))

    def prefetch(self, pairs: Pairs) -> None:
        """Each judge gets the pairs that every verifier before it left to the next."""
        for i, verifier in enumerate(self.verifiers):
            prefetch(verifier, pairs)
            if any(map(uses_judge, self.verifiers[i + 1 :])):
                pairs = [pair for pair in pairs if _leaves_to_the_next(scored(verifier, *pair))]


def _leaves_to_the_next(score: Score) -> bool:
    return score.value is None or score.unread


@dataclass(frozen=True)
class OnlyIf:
    """The verifier's score where the gate earns 1, else 0; None where the gate cannot be judged."""

    gate: Verifier
    verifier: Verifier

    def __call__(self, example: Example, response: Response) -> Score:
        gate = self.gate(example, response)
        if gate.value == 1.0:
            return self.verifier(example, response)
        return Score(None if gate.value is None else 0.0, gate.why, unread=gate.unread)

    @property
    def uses_judge(self) -> bool:
        return uses_judge(self.gate) or uses_judge(self.verifier)

    def prefetch(self, pairs: Pairs) -> None:
        """A judge behind the gate gets the pairs that pass it."""
        prefetch(self.gate, pairs)
        prefetch(self.verifier, (pair for pair in pairs if scored(self.gate, *pair).value == 1.0))


def members(verifier: Verifier) -> Iterator[Verifier]:
    """The verifiers that read the answer, in the order in which they are asked; no metrics, no gates."""
    if isinstance(verifier, Weighted):
        inner = [part for _, part, weight in verifier.parts if weight]
    elif isinstance(verifier, FirstOf):
        inner = [*verifier.verifiers]
    elif isinstance(verifier, OnlyIf):
        inner = [verifier.verifier]
    else:
        yield verifier
        return
    for member in inner:
        yield from members(member)


def weighted(**parts: tuple[Verifier, float]) -> Weighted:
    """`weighted(correct=(same_number, 1.0), format=(well_formed, 0.5))`."""
    return Weighted(tuple((name, verifier, float(weight)) for name, (verifier, weight) in parts.items()))


def first_of(*verifiers: Verifier) -> FirstOf:
    """`first_of(same_number, same_text)`: numbers are compared as numbers, all else as text."""
    return FirstOf(verifiers)


def only_if(gate: Verifier, verifier: Verifier) -> OnlyIf:
    """`only_if(well_formed, same_number)`: no reward for a malformed answer."""
    return OnlyIf(gate, verifier)
