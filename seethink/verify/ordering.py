"""Verifier of sequences: the same items in the same order."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import combinations

from seethink.types import Example, Response, Score
from seethink.verify.text import bare, shown, unjudged

MAX_ITEMS = 100

_BETWEEN = re.compile(r" ?(?:->|=>|→|>|<|,|;|\n|\bthen\b) ?(?:(?:and )?then\b ?|and\b ?)?", re.IGNORECASE)


def read_order(text: str) -> tuple[str, ...] | None:
    """The items of a JSON list, or of a text that lists them: `B, A, C`, `B -> A -> C`, one per line,
    numbered or not. None for fewer than two items, more than `MAX_ITEMS`, an empty item, a duplicate, or `<`
    mixed with `>`."""
    text = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list):
        items = [str(item) if isinstance(item, str | int) else "" for item in found]
    elif re.search(r"(?<![-=])>", text) and "<" in text:
        return None
    else:
        items = _BETWEEN.split(text.strip("[]()").rstrip("."))
        numbers = [re.match(r"([0-9]+)[.)]\s+", item) for item in items]
        if all(match and int(match[1][:9]) == i for i, match in enumerate(numbers, 1)):
            items = [item[match.end() :] for item, match in zip(items, numbers, strict=True) if match]
    order = tuple(map(bare, items))
    return order if 2 <= len(order) <= MAX_ITEMS and all(order) and len(set(order)) == len(order) else None


@dataclass(frozen=True)
class Ordering:
    """Whether the answer has the gold's items in the gold's order.

    Formula: 1 if the sequences are equal, else 0; `partial`: max(0, Kendall's tau), so that a random order
    earns nothing on the average of signs and the reverse earns 0. An answer that omits, adds or repeats an
    item earns 0. Range: {0, 1}, or [0, 1]; None if the gold is not a sequence. Source: temporal
    and depth ordering questions of video benchmarks; tau: Kendall 1938.
    """

    partial: bool = False

    def __call__(self, example: Example, response: Response) -> Score:
        gold = read_order(str(example.answer))
        if missing := unjudged(example, response, "is not a sequence" if gold is None else None):
            return missing
        answer = read_order(str(response.answer))
        if gold is None or answer is None or set(answer) != set(gold):
            return Score(
                0.0, f"read {shown(response.answer)}, which is not an order of {shown(example.answer)}"
            )
        tau = kendall(gold, answer)
        return Score(max(0.0, tau) if self.partial else float(answer == gold), f"Kendall's tau {tau:.2f}")


def kendall(gold: tuple[str, ...], answer: tuple[str, ...]) -> float:
    """Kendall's tau of two orders of the same items: (concordant pairs - others) / pairs, in [-1, 1]."""
    place = {item: i for i, item in enumerate(answer)}
    signs = [1 if place[a] < place[b] else -1 for a, b in combinations(gold, 2)]
    return sum(signs) / len(signs)
