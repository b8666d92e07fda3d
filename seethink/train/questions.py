"""Which questions a training asks next."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

from seethink.train.configs import GRPO
from seethink.types import Example


class Walk:
    """Goes through the questions, epoch after epoch, each in its own order or, without `shuffle`, as they
    stand (a curriculum).

    A question whose last pass rate lies outside `pass_rates` is passed over the next time it comes, and asked
    again the time after: what was too hard may be just right by then. So groups of one reward, from which
    nothing is learned, become fewer before they are sampled; DAPO's refills replace them after.
    """

    def __init__(self, examples: Sequence[Example], config: GRPO) -> None:
        self.examples, self.config = examples, config
        self.turn, self.at, self.rested = 0, 0, 0
        self.rates: dict[str, float] = {}

    def next(self) -> list[int]:
        """The places of the next turn's questions."""
        chosen: list[int] = []
        self.rested = 0
        while len(chosen) < self.config.questions_per_step:
            place = self._place(*divmod(self.at, len(self.examples)))
            self.at += 1
            if self._rests(place):
                self.rested += 1
            else:
                chosen.append(place)
        self.turn += 1
        return chosen

    def others(self, refill: int, asked: Iterable[int]) -> list[int]:
        """Places to ask, in this turn, in the stead of questions from which nothing can be learned."""
        already, turn = set(asked), self.turn - 1
        order = _shuffled(len(self.examples), f"{self.config.seed}/{turn}/{refill}")
        return [place for place in order if place not in already]

    def tell(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """How right each response to a turn's questions was: rows with `id` and `correct`, None where nobody
        could judge it."""
        found = defaultdict(list)
        for row in rows:
            if row["correct"] is not None:
                found[row["id"]].append(row["correct"])
        self.rates |= {name: fmean(values) for name, values in found.items()}

    def resume(self, turn: int, journal: Path) -> None:
        """Go where `turn` turns led, given the attempts that they wrote."""
        rows = defaultdict(list)
        if not self._takes_all:
            with journal.open(encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    rows[row["step"]].append(row)
        while self.turn < turn:
            self.next()
            self.tell(rows[1 + (self.turn - 1) * self.config.updates_per_rollout])

    @property
    def _takes_all(self) -> bool:
        return self.config.pass_rates == (0.0, 1.0)

    def _place(self, epoch: int, i: int) -> int:
        return _shuffled(len(self.examples), f"{self.config.seed}/{epoch}")[i] if self.config.shuffle else i

    def _rests(self, place: int) -> bool:
        if self._takes_all:
            return False
        low, high = self.config.pass_rates
        rate = self.rates.pop(self.examples[place].id, None)
        return rate is not None and not low <= rate <= high


@lru_cache(maxsize=2)
def _shuffled(n: int, key: str) -> list[int]:
    order = list(range(n))
    random.Random(key).shuffle(order)
    return order
