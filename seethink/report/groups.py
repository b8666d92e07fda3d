"""Rollout groups of a training: at a few steps, the completions of one prompt with their rewards."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from seethink.evaluate.attempts import AttemptRow, read_attempts, verdict
from seethink.report.gallery import GalleryAnswer, GalleryCard, gallery_card
from seethink.types import InputError

MAX_STEPS = 8
"""Steps shown for one training, evenly spaced from the first to the last."""

Rewards = list[float | None]


@dataclass(frozen=True)
class ScoredGroup:
    """The completions of one prompt in one step, highest reward first.

    mean: over the completions that could be judged, None if there are none. spread: whether rewards differ.
    """

    stage: str
    step: int
    card: GalleryCard
    mean: float | None
    spread: bool


def scored_groups(stage: str, attempts: Path, folder: Path, headline: str) -> list[ScoredGroup]:
    """One group for each shown step: the first whose rewards differ, else the first of the step.

    The file is read twice, so that only what is shown is held in memory.
    """
    rewards: dict[int, dict[str, Rewards]] = defaultdict(lambda: defaultdict(list))
    for row in read_attempts(attempts):
        rewards[_step(row, attempts)][row["id"]].append(row["value"])
    shown = {step: _chosen_id(rewards[step]) for step in evenly_spaced(sorted(rewards), MAX_STEPS)}
    rows: dict[int, list[AttemptRow]] = {step: [] for step in shown}
    for row in read_attempts(attempts):
        if shown.get(row["step"]) == row["id"]:
            rows[row["step"]].append(row)
    return [_group(stage, step, rows[step], folder, headline) for step in shown]


def evenly_spaced(steps: list[int], n: int) -> list[int]:
    """At most `n` of the steps: the first, the last, and those between at even distances."""
    if len(steps) <= n:
        return steps
    return [steps[round(i * (len(steps) - 1) / (n - 1))] for i in range(n)]


def _chosen_id(groups: dict[str, Rewards]) -> str:
    return next((id for id, rewards in groups.items() if _spread(rewards)), next(iter(groups)))


def _spread(rewards: Rewards) -> bool:
    return len({reward for reward in rewards if reward is not None}) > 1


def _group(stage: str, step: int, rows: list[AttemptRow], folder: Path, headline: str) -> ScoredGroup:
    rewards = [row["value"] for row in rows]
    judged = [reward for reward in rewards if reward is not None]
    best_first = sorted(rows, key=lambda row: -1.0 if row["value"] is None else row["value"], reverse=True)
    answers = [GalleryAnswer("", row, verdict(row, headline)) for row in best_first]
    mean = sum(judged) / len(judged) if judged else None
    return ScoredGroup(stage, step, gallery_card(rows[0], folder, answers), mean, _spread(rewards))


def _step(row: AttemptRow, attempts: Path) -> int:
    if row.get("step") is None:
        raise InputError(f"{attempts}: {row['id']} has no training step; run its stage again")
    return row["step"]
