"""Which prompts a training samples completions of next: shuffled epochs, or a curriculum, without prompts
that are too easy or too hard."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from seethink.train.configs import GRPOConfig
from seethink.train.epochs import shuffled, shuffled_index
from seethink.types import Example


class PromptSampler:
    """Goes through the examples epoch by epoch, each in an order of its own or, without `shuffle`, in theirs.

    An example whose last pass rate lies outside `pass_rate_range` is passed over the next time it comes, and
    sampled again the time after: what was too hard may be just right by then. So groups of one reward, from
    which nothing is learned, become fewer before they are sampled; dynamic sampling replaces them after."""

    def __init__(self, examples: Sequence[Example], config: GRPOConfig) -> None:
        self.examples, self.config, self.seed = examples, config.rollout, config.training.seed
        self.num_iterations = config.num_iterations
        self.batch, self.position, self.passed_over = 0, 0, 0
        self.pass_rates: dict[str, float] = {}

    def next(self) -> list[int]:
        """The indices of the next rollout batch."""
        chosen: list[int] = []
        self.passed_over = 0
        while len(chosen) < self.config.prompts_per_step:
            n = len(self.examples)
            position, self.position = self.position, self.position + 1
            index = shuffled_index(position, n, self.seed) if self.config.shuffle else position % n
            if self._out_of_range(index):
                self.passed_over += 1
            else:
                chosen.append(index)
        self.batch += 1
        return chosen

    def replacements(self, retry: int, used: Iterable[int]) -> list[int]:
        """Indices of replacement prompts for zero-advantage groups of the current batch, none of them in
        `used`."""
        already, batch = set(used), self.batch - 1
        order = shuffled(len(self.examples), f"{self.seed}/{batch}/{retry}")
        return [index for index in order if index not in already]

    def record(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Update pass rates from a batch's completions: rows with `id` and `correct`, None where nobody could
        judge."""
        found = defaultdict(list)
        for row in rows:
            if row["correct"] is not None:
                found[row["id"]].append(row["correct"])
        self.pass_rates |= {name: fmean(values) for name, values in found.items()}

    def resume(self, batch: int, attempts: Path | None) -> None:
        """Go where `batch` rollout batches led, given the file of attempts that they wrote. Raises ValueError
        without it, where pass rates matter."""
        rows = defaultdict(list)
        if not self._takes_all:
            if attempts is None:
                raise ValueError("a training with pass_rate_range that writes no attempts cannot resume")
            with attempts.open(encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    rows[row["step"]].append({"id": row["id"], "correct": row["correct"]})
        while self.batch < batch:
            self.next()
            self.record(rows[1 + (self.batch - 1) * self.num_iterations])

    @property
    def _takes_all(self) -> bool:
        return self.config.pass_rate_range == (0.0, 1.0)

    def _out_of_range(self, index: int) -> bool:
        if self._takes_all:
            return False
        low, high = self.config.pass_rate_range
        rate = self.pass_rates.pop(self.examples[index].id, None)
        return rate is not None and not low <= rate <= high
