"""Several answers to one question: the majority's, and the chance that one of k is right (pass@k)."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from seethink.verify.text import bare, read_quantity


def majority(answers: Sequence[str | None]) -> int:
    """The index of the first answer that says what most say; 0 where none can be read (None).

    Answers are the same if they are the same number, in whatever spelling, or the same text without case and
    wrapping punctuation. Of equally many votes, the answer that was given first wins.
    """
    groups: dict[object, list[int]] = {}
    for i, answer in enumerate(answers):
        if answer is not None:
            groups.setdefault(ballot(answer), []).append(i)
    return max(groups.values(), key=len)[0] if groups else 0


def ballot(answer: str) -> object:
    """What an answer votes for; equal for answers that say the same."""
    quantity = read_quantity(answer)
    return bare(answer) if quantity is None else (quantity.value, quantity.unit)


def pass_at(k: int, n: int, right: int) -> float:
    """The chance that one of k answers, drawn without replacement from n of which `right` are right, is
    right (Chen et al. 2021). Raises ValueError unless 1 <= k <= n."""
    if not 1 <= k <= n:
        raise ValueError(f"k={k}: it must be between 1 and the {n} answers")
    return 1.0 - comb(n - right, k) / comb(n, k)
