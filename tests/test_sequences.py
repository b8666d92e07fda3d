"""A lazy sequence behaves like the list of its items, and computes only the items that are accessed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.sequences import LazySequence


@dataclass(frozen=True)
class Squares(LazySequence[int]):
    n: int
    accessed: list[int] = field(default_factory=list, compare=False)

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> int:
        assert 0 <= i < self.n
        self.accessed.append(i)
        return i * i


sizes = st.integers(0, 30)
indices = st.integers(-40, 40)


@given(sizes, indices)
def test_an_index_gives_the_item_of_the_list_or_the_same_exception(n, index):
    values = [i * i for i in range(n)]
    if -n <= index < n:
        assert Squares(n)[index] == values[index]
    else:
        with pytest.raises(IndexError, match=f"index {index} is out of range for a sequence of {n} items"):
            Squares(n)[index]


@given(sizes, st.slices(30))
def test_a_slice_is_the_slice_of_the_list(n, part):
    assert Squares(n)[part] == [i * i for i in range(n)][part]


@given(sizes)
def test_iteration_reversal_and_membership_are_those_of_the_list(n):
    values = [i * i for i in range(n)]
    assert list(Squares(n)) == values and list(reversed(Squares(n))) == values[::-1]
    assert all((value in Squares(n)) == (value in values) for value in range(40))


@given(st.integers(1, 30), st.data())
def test_only_accessed_items_are_computed(n, data):
    squares = Squares(n)
    index = data.draw(st.integers(-n, n - 1))
    squares[index]
    squares[index:][:0]
    assert squares.accessed[0] == index % n and len(squares) == n
    fresh = Squares(n)
    fresh[1:3]
    assert fresh.accessed == list(range(n))[1:3]


def test_identity_is_none_unless_a_subclass_gives_one():
    assert Squares(3).identity is None


def test_a_subclass_without_item_cannot_be_created():
    with pytest.raises(TypeError, match="abstract"):
        type("Empty", (LazySequence,), {"__len__": lambda self: 0})()
