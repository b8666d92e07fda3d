"""Verifiers out of verifiers, frozen dataclasses, so that what judged a run can be described and compared."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from seethink.types import Example, Response, Score, Verifier

Pairs = Sequence[tuple[Example, Response]]


@dataclass(frozen=True)
class Weighted:
    """The weighted mean of named parts. Formula: sum(w * v) / sum(w) over positive weights. Range: [0, 1].

    A part of weight 0 is a metric: scored and reported, not paid. None as soon as a paid part is None.
    """

    parts: tuple[tuple[str, Verifier, float], ...]

    def __post_init__(self) -> None:
        weights = [weight for _, _, weight in self.parts]
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
            raise ValueError(f"weights must be finite and not negative, got {weights}")
        if sum(weights) == 0:
            raise ValueError("at least one weight must be positive: nothing would be paid")

    def __call__(self, example: Example, response: Response) -> Score:
        scores = {name: verifier(example, response) for name, verifier, _ in self.parts}
        why = "; ".join(f"{name}: {score.why}" for name, score in scores.items())
        paid, total = 0.0, sum(weight for _, _, weight in self.parts)
        for name, _, weight in self.parts:
            value = scores[name].value
            if weight and value is None:
                return Score(None, why, scores)
            paid += weight / total * (value or 0.0)
        return Score(paid, why, scores)


@dataclass(frozen=True)
class FirstOf:
    """The score of the first verifier that can judge; None if none can. Range: that of its verifiers."""

    verifiers: tuple[Verifier, ...]

    def __post_init__(self) -> None:
        if not self.verifiers:
            raise ValueError("first_of needs at least one verifier")

    def __call__(self, example: Example, response: Response) -> Score:
        reasons: list[str] = []
        for verifier in self.verifiers:
            score = verifier(example, response)
            if score.value is not None:
                return score
            reasons.append(score.why)
        return Score(None, "; ".join(reasons))


@dataclass(frozen=True)
class OnlyIf:
    """The verifier's score where the gate earns 1, else 0; None where the gate cannot be judged."""

    gate: Verifier
    verifier: Verifier

    def __call__(self, example: Example, response: Response) -> Score:
        gate = self.gate(example, response)
        if gate.value == 1.0:
            return self.verifier(example, response)
        return Score(None if gate.value is None else 0.0, gate.why)


def weighted(**parts: tuple[Verifier, float]) -> Weighted:
    """`weighted(correct=(same_number, 1.0), format=(well_formed, 0.5))`."""
    return Weighted(tuple((name, verifier, float(weight)) for name, (verifier, weight) in parts.items()))


def first_of(*verifiers: Verifier) -> FirstOf:
    """`first_of(same_number, same_text)`: numbers as numbers, everything else as text."""
    return FirstOf(verifiers)


def only_if(gate: Verifier, verifier: Verifier) -> OnlyIf:
    """`only_if(well_formed, same_number)`: no pay for an answer in broken form."""
    return OnlyIf(gate, verifier)


@runtime_checkable
class Asks(Protocol):
    """A verifier that puts questions to an engine, which answers many at one time."""

    def __call__(self, example: Example, response: Response) -> Score: ...

    def ask(self, pairs: Pairs) -> None:
        """Puts all that is not known yet about the pairs in one go; afterwards, their verdicts cost
        nothing."""
        ...


def ask_ahead(verifier: Verifier, pairs: Iterable[tuple[Example, Response]]) -> None:
    """Has each judge in a verifier asked in one go about all those pairs that it will have to judge.

    `pairs` is not begun where there is no judge. A judge inside any verifier but those of this file is left
    to ask about one pair after another.
    """
    if not _asks(verifier):
        return
    pairs = list(pairs)
    if isinstance(verifier, Weighted):
        for _, part, _ in verifier.parts:
            ask_ahead(part, pairs)
    elif isinstance(verifier, FirstOf):
        for at, each in enumerate(verifier.verifiers):
            ask_ahead(each, pairs)
            if any(map(_asks, verifier.verifiers[at + 1 :])):
                pairs = [pair for pair in pairs if scored(each, *pair).value is None]
    elif isinstance(verifier, OnlyIf):
        ask_ahead(verifier.gate, pairs)
        ask_ahead(verifier.verifier, (pair for pair in pairs if scored(verifier.gate, *pair).value == 1.0))
    elif isinstance(verifier, Asks):
        verifier.ask(pairs)


def _asks(verifier: Verifier) -> bool:
    if isinstance(verifier, Weighted):
        return any(_asks(part) for _, part, _ in verifier.parts)
    if isinstance(verifier, FirstOf):
        return any(map(_asks, verifier.verifiers))
    if isinstance(verifier, OnlyIf):
        return _asks(verifier.gate) or _asks(verifier.verifier)
    return isinstance(verifier, Asks)


def scored(verifier: Verifier, example: Example, response: Response) -> Score:
    """The verdict; an exception on the way says which example it failed on."""
    try:
        return verifier(example, response)
    except Exception as error:
        error.add_note(f"while judging an answer to example {example.id}: {response.text[:200]!r}")
        raise


def describe(verifier: Verifier) -> dict[str, Any]:
    """What a verifier is, as JSON: its name, the hash of the source that defines it, what it is made of.

    Two verifiers with equal descriptions judge alike. Raises ValueError for one that cannot be told apart
    from others of its kind (a lambda, a closure, a partial): make it a module's function or a frozen
    dataclass, of which fields with `compare=False` are left out.
    """
    if dataclasses.is_dataclass(verifier) and not isinstance(verifier, type):
        told = [field.name for field in dataclasses.fields(verifier) if field.compare]
        fields = {name: _told(getattr(verifier, name)) for name in told}
        return _defined(type(verifier)) | {"fields": fields}
    if inspect.isfunction(verifier) and verifier.__qualname__.isidentifier():
        return _defined(verifier)
    raise ValueError(f"{verifier!r} has no identity; make it a module's function or a frozen dataclass")


_READERS = {"seethink.boxes"}
"""What answers are read with, outside of this package."""


def _told(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return describe(value)


def _defined(thing: Any) -> dict[str, Any]:
    module = inspect.getmodule(thing)
    if module is None:
        raise ValueError(f"{thing!r} belongs to no module, so its source cannot be told")
    sources = sorted(inspect.getsource(near) for near in _package(module, set()))
    source = hashlib.sha256("".join(sources).encode()).hexdigest()
    return {"is": f"{thing.__module__}.{thing.__qualname__}", "source": source}


def _package(module: ModuleType, found: set[ModuleType]) -> set[ModuleType]:
    """The module, those of its own package that it uses, directly or not, and readers: what decides how it
    judges."""
    found.add(module)
    for value in vars(module).values():
        near = value if inspect.ismodule(value) else sys.modules.get(getattr(value, "__module__", None) or "")
        if near and near not in found and _judges(near, module):
            _package(near, found)
    return found


def _judges(near: ModuleType, module: ModuleType) -> bool:
    return near.__name__ in _READERS or bool(module.__package__ and near.__package__ == module.__package__)
