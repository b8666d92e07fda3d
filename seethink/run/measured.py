"""Training data that the attempts of an earlier stage decide: an order of examples, and preference pairs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from seethink import identity
from seethink.evaluate.attempts import read_attempts
from seethink.evaluate.pass_rates import easy_to_hard
from seethink.models.families import in_original_pixels
from seethink.run.stage import Artefact, Evaluation
from seethink.run.stage_data import StageData
from seethink.settings import leaves
from seethink.types import (
    CoordinateFrame,
    Example,
    InputError,
    PreferencePair,
    SFTExample,
    Task,
    assistant_prefill,
)

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

ROUNDING = 1e-9
"""0.6 - 0.5 is a little less than 0.1 in floating point."""


class FromAttempts(StageData[T]):
    """Base class. measured: the evaluation whose attempts decide the items; `rows` of one that is planned or
    left out are empty."""

    measured: Evaluation

    @property
    def made_by(self) -> Artefact:
        return self.measured

    def refuse_unmeasured(self) -> None:
        """Raise InputError where the evaluation is not finished."""
        if not self.measured.rows:
            raise InputError(f"known when the attempts in {self.measured.path} are made")


@dataclass(frozen=True)
class EasyToHard(FromAttempts[T]):
    """`items` from the highest pass rate of a model to the lowest (`evaluate.pass_rates`), a curriculum. They
    are examples of `task`, or supervised examples made from them; training must keep the order
    (shuffle=false)."""

    items: Sequence[T]
    task: Task
    measured: Evaluation

    @property
    def identity(self) -> str:
        return identity.digest(["easy to hard", identity.of_sequence(self.items), self.measured.key])

    def __len__(self) -> int:
        return len(self.items)

    def item(self, i: int) -> T:
        return self.items[self._order[i]]

    @cached_property
    def _order(self) -> list[int]:
        self.refuse_unmeasured()
        ids = [_example(item).id for item in self.items]
        return easy_to_hard(ids, self.measured.path, self.task.name, self.task.headline)


@dataclass(frozen=True)
class BestAgainstWorst(FromAttempts[PreferencePair]):
    """The best against the worst attempt at each question of `task`, where their scores differ by at least
    `margin`; the first wins a tie. An attempt without any text cannot be learned from, and one that nobody
    could judge cannot be compared. Questions without a pair are left out, and their number is logged.

    measured: several attempts at each question, as of `Sampling(n=8)`. Pairs of what the model itself says,
    sampled anew in every round, make DPO iterative (Insight-V; Xu et al. 2023, arXiv 2312.16682). Before the
    attempts are made the length is that of the task, the most that there can be.
    """

    task: Task
    measured: Evaluation
    margin: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.margin <= 1:
            raise ValueError(f"margin={self.margin} must be above 0 and at most 1, the range of scores")

    @property
    def identity(self) -> str:
        kind = ["best against worst", self.margin, identity.of_task(self.task), self.measured.key]
        return identity.digest(kind)

    def __len__(self) -> int:
        return len(self._pairs) if self.measured.rows else len(self.task.examples)

    def item(self, i: int) -> PreferencePair:
        self.refuse_unmeasured()
        return self._pairs[i]

    @cached_property
    def _pairs(self) -> list[PreferencePair]:
        attempts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in read_attempts(self.measured.path):
            if row["task"] == self.task.name and row["value"] is not None:
                attempts[row["id"]].append(row)
        found = [
            pair for example in self.task.examples if (pair := self._pair(example, attempts[example.id]))
        ]
        if missing := len(self.task.examples) - len(found):
            _LOG.warning(
                "%s: %d of %d questions have no two attempts whose scores are %g apart",
                *(self.task.name, missing, len(self.task.examples), self.margin),
            )
        return found

    def _pair(self, example: Example, attempts: Sequence[dict[str, Any]]) -> PreferencePair | None:
        begun = assistant_prefill(self.task.format.prompt(example))
        attempts = [row for row in attempts if row["text"].removeprefix(begun).strip()]
        if not attempts:
            return None
        best, worst = (choose(attempts, key=lambda row: row["value"]) for choose in (max, min))
        if best["value"] - worst["value"] < self.margin - ROUNDING:
            return None
        return PreferencePair(example, self.task.format, _said(best), _said(worst))


def _said(row: dict[str, Any]) -> str:
    """An attempt's text with its boxes in pixels of the original picture, as pairs have them."""
    frame = row.get("frame")
    known = frame and CoordinateFrame(frame["kind"], tuple(frame["size"]), tuple(frame["units"]))
    return in_original_pixels(row["text"], known)


def _example(item: Any) -> Example:
    return item.example if isinstance(item, SFTExample | PreferencePair) else item


def refuse_shuffled(data: Sequence[StageData[Any]], config: Any) -> None:
    """Raise InputError where an order would be lost."""
    if any(isinstance(rows, EasyToHard) for rows in data) and leaves(config).get("shuffle", True):
        raise InputError("examples from easy to hard would lose their order; add shuffle=false (sft, grpo)")
