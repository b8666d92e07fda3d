"""Twins: one question in words and as a picture of these words. How often both are answered alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from seethink.evaluate.attempts import verdict_of
from seethink.evaluate.intervals import interval
from seethink.evaluate.questions import TWIN_OF, Attempts, mean, outcome
from seethink.evaluate.voting import ballot


def twins(questions: Sequence[Attempts]) -> dict[str, Any]:
    """Agreement on the pairs of twins among the questions of a task; {} where there are none.

    n: pairs. same: the share that is answered alike, with its interval; answers that cannot be read are like
    no other, and the i-th attempts of both are compared. both, only_original, only_twin: shares of pairs with
    that many right answers, of those that were judged. widowed: twins whose original was not asked.
    """
    found = {own[0]["id"]: own for own in questions}
    originals = {own[0]["id"]: (own[0].get("meta") or {}).get(TWIN_OF) for own in questions}
    pairs = [(found[of], found[twin]) for twin, of in originals.items() if of in found]
    widowed = sum(of is not None and of not in found for of in originals.values())
    if not pairs and not widowed:
        return {}
    judged = [verdict for pair in pairs for verdict in _judged(*pair)]
    kinds = {"both": (True, True), "only_original": (True, False), "only_twin": (False, True)}
    return {
        "n": len(pairs),
        "same": interval([_same(*pair) for pair in pairs]),
        **{kind: mean(float(verdict == right) for verdict in judged) for kind, right in kinds.items()},
        "widowed": widowed,
    }


def _same(original: Attempts, twin: Attempts) -> float:
    """The share of attempts that say the same."""
    said = [(x["said"], y["said"]) for x, y in zip(original, twin, strict=False)]
    return sum(x is not None and y is not None and ballot(x) == ballot(y) for x, y in said) / len(said)


def _judged(original: Attempts, twin: Attempts) -> Iterator[tuple[bool, bool]]:
    """(original right, twin right) of the attempts that were both judged."""
    for x, y in zip(original, twin, strict=False):
        verdicts = [verdict_of(row, outcome(row)) for row in (x, y)]
        if None not in verdicts:
            yield verdicts[0] == "right", verdicts[1] == "right"
