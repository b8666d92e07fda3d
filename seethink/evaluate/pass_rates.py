"""How hard questions are for a model, as measured: the share of its attempts that are right."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from seethink.evaluate.attempts import read_attempts, verdict
from seethink.types import InputError

_LOG = logging.getLogger(__name__)


def pass_rates(attempts: Path, task: str, headline: str = "correct") -> dict[str, float | None]:
    """{id: share of right attempts} of a task in an attempts.jsonl; None where no attempt could be judged."""
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for row in read_attempts(attempts):
        if row["task"] == task:
            found = verdict(row, headline)
            verdicts[row["id"]] += [] if found is None else [found == "right"]
    return {name: sum(own) / len(own) if own else None for name, own in verdicts.items()}


def easy_to_hard(ids: Sequence[str], attempts: Path, task: str, headline: str = "correct") -> list[int]:
    """The indices of examples, by their ids, from the highest pass rate to the lowest; equal ones keep their
    order, and those whose attempts could not be judged come last, which is logged.

    Raises InputError for an example without an attempt.
    """
    rates = pass_rates(attempts, task, headline)
    if missing := [name for name in ids if name not in rates]:
        raise InputError(
            f"{attempts} has no attempt of {len(missing):,} of {len(ids):,} examples of {task}, the first is "
            f"{missing[0]}; measure the same examples"
        )
    measured = {name: rate for name, rate in rates.items() if rate is not None}
    if unknown := sum(name not in measured for name in ids):
        _LOG.warning("%s: %d of %d examples could not be judged and come last", task, unknown, len(ids))
    return sorted(range(len(ids)), key=lambda i: -measured.get(ids[i], -1.0))
