"""What was paid during training: at a few steps, the group of answers to one question."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from seethink.report.gallery import Answer, Card, card
from seethink.report.rows import Row, read_attempts, verdict
from seethink.types import InputError

AT_MOST = 8
"""Steps that are shown of one training, spread evenly from the first to the last."""

Rewards = list[float | None]


@dataclass(frozen=True)
class PaidGroup:
    """The answers to one question in one step, best paid first. `mean` is over what could be judged."""

    stage: str
    step: int
    card: Card
    mean: float | None
    spread: bool


def paid_groups(stage: str, attempts: Path, folder: Path, headline: str) -> list[PaidGroup]:
    """One group for each shown step: the first whose rewards differ, hence teach; else the first of all.

    The file is read twice, so that only what is shown is ever held in memory.
    """
    rewards: dict[int, dict[str, Rewards]] = defaultdict(lambda: defaultdict(list))
    for row in read_attempts(attempts):
        rewards[_step(row, attempts)][row["id"]].append(row["value"])
    shown = {step: _telling(rewards[step]) for step in spread_evenly(sorted(rewards), AT_MOST)}
    rows: dict[int, list[Row]] = {step: [] for step in shown}
    for row in read_attempts(attempts):
        if shown.get(row["step"]) == row["id"]:
            rows[row["step"]].append(row)
    return [_paid(stage, step, rows[step], folder, headline) for step in shown]


def spread_evenly(steps: list[int], at_most: int) -> list[int]:
    """The first, the last, and those between at even distances."""
    if len(steps) <= at_most:
        return steps
    return [steps[round(i * (len(steps) - 1) / (at_most - 1))] for i in range(at_most)]


def _telling(groups: dict[str, Rewards]) -> str:
    return next((id for id, rewards in groups.items() if _spread(rewards)), next(iter(groups)))


def _spread(rewards: Rewards) -> bool:
    return len({reward for reward in rewards if reward is not None}) > 1


def _paid(stage: str, step: int, rows: list[Row], folder: Path, headline: str) -> PaidGroup:
    rewards = [row["value"] for row in rows]
    judged = [reward for reward in rewards if reward is not None]
    best_first = sorted(rows, key=lambda row: -1.0 if row["value"] is None else row["value"], reverse=True)
    answers = [Answer("", row, verdict(row, headline)) for row in best_first]
    mean = sum(judged) / len(judged) if judged else None
    return PaidGroup(stage, step, card(rows[0], folder, answers), mean, _spread(rewards))


def _step(row: Row, attempts: Path) -> int:
    if row.get("step") is None:
        raise InputError(f"{attempts}: {row['id']} names no step of training; run its stage again")
    return row["step"]
