"""Sequences whose items are computed on access, so that a large data set is never in memory as a whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
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
