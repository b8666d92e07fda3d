"""Sequences whose items are computed on access, so that a large data set is never in memory as a whole."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class LazySequence(Sequence[T_co]):
    """Base class of sequences that compute an item on each access. Subclasses define `item` and `__len__`.

    Indices may be negative; a slice is a list; an index out of range raises IndexError.
    """

    @abstractmethod
    def item(self, i: int) -> T_co:
        """Item `i`, where 0 <= i < len(self)."""

    @property
    def identity(self) -> str | None:
        """A text that, with `identity_length`, determines every item; None if items must be read to compare
        them."""
        return None

    @property
    def identity_length(self) -> int | None:
        """The length as a part of the identity; None where `identity` decides it and it is not known yet."""
        return len(self)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> list[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | list[T_co]:
        if isinstance(index, slice):
            return [self.item(i) for i in range(*index.indices(len(self)))]
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"index {index} is out of range for a sequence of {n} items")
        return self.item(index % n)


@dataclass(frozen=True)
class Concatenated(LazySequence[T_co]):
    """Several sequences, one after the other; no item is computed before it is asked for."""

    parts: tuple[Sequence[T_co], ...]

    @property
    def identity(self) -> str | None:
        lazy = [part for part in self.parts if isinstance(part, LazySequence) and part.identity is not None]
        if len(lazy) < len(self.parts):
            return None
        return " + ".join(f"{part.identity} ({part.identity_length})" for part in lazy)

    @property
    def identity_length(self) -> int | None:
        return None if self.identity else len(self)  # the identity holds that of each part

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def item(self, i: int) -> T_co:
        part = bisect_right(self._ends, i)
        return self.parts[part][i - self._ends[part]]  # a negative index, from the end of the part

    @cached_property
    def _ends(self) -> list[int]:
        return [*accumulate(map(len, self.parts))]
