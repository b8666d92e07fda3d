"""A verifier from a user's own file, with what goes wrong in it said by file, line and row."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

from seethink import identity, own
from seethink.types import Example, InputError, Response, Score, Verifier


@dataclass(frozen=True)
class OwnVerifier:
    """The verifier at an address (`own.load`). Formula and range: its own, as a `Score`.

    Its identity is its source, with that of the files beside it which it imports; where it lies is none.
    Raises InputError where it raises anything, and where it returns no `Score`.
    """

    verifier: Verifier
    address: str = field(compare=False)

    @property
    def __name__(self) -> str:  # type: ignore[override]
        return self.address

    @classmethod
    def load(cls, address: str) -> OwnVerifier:
        """Raises InputError where the address leads to no verifier."""
        found: Any = own.load("verifier", address)
        if not _can_be_called(found):
            raise InputError(
                f"{address} is {_article(found)}; a verifier is a function of (example, response), or an "
                "instance of a frozen dataclass that can be called so"
            )
        if never := _never_a_score(found):
            raise InputError(f"{address} is {never}; write a plain `def` that returns Score(value, why)")
        try:
            identity.of_verifier(found)
        except (ValueError, SyntaxError) as error:
            raise InputError(f"{address}: {error}") from error
        return cls(found, address)

    def __call__(self, example: Example, response: Response) -> Score:
        try:
            score = self.verifier(example, response)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{own.failure(self.address, error)}, at an answer to {example.label}; mend the verifier, or "
                "return Score(None, why) for what it cannot judge"
            ) from error
        if not isinstance(score, Score):
            raise InputError(
                f"{self.address} returned {score!r:.60} for an answer to {example.label}; return "
                "Score(value, why) with a value from 0 to 1, or None for what it cannot judge"
            )
        return score


def _can_be_called(found: object) -> bool:
    return callable(found) and not isinstance(found, type)


def _never_a_score(found: object) -> str:
    """What the function is, if calling it gives no score whatever it computes."""
    called = found if inspect.isfunction(found) else type(found).__call__
    if inspect.iscoroutinefunction(called):
        return "an async function"
    return "a generator, for it yields" if inspect.isgeneratorfunction(called) else ""


def _article(found: object) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"{found!r:.60}"
