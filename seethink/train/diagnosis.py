"""What a completion shows of how it was made, beside its reward: for the curves and alarms of GRPO. No
torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from seethink.attempt import agreement
from seethink.boxes import Box, read_boxes
from seethink.evaluate.attempts import RIGHT_FROM
from seethink.formats import by_steps
from seethink.types import Rollout, Task
from seethink.verify.shape import Repetition

REFLECTION = re.compile(r"\b(?:aha\b|check|possibl|verify|wait\b|yet\b)", re.IGNORECASE)
"""The words that VisualThinker-R1-Zero counts (its issue 12): aha, check, possibl-, verify, wait, yet."""

Measure = Callable[[Rollout, Task], float | None]
"""A number of a completion; None where it has none."""

_distinct = Repetition()


def _repeated(rollout: Rollout, task: Task) -> float:
    """The share of its runs of six words that are repetitions."""
    return 1 - (_distinct(rollout.example, rollout.response).value or 0.0)


def _boxes(rollout: Rollout, task: Task) -> float | None:
    """The number of boxes in the answer; None where neither it nor the reference lists boxes."""
    given, gold = _given(rollout), _listed(rollout.example.answer)
    return len(given) if given is not None and (given or gold is not None) else None


def _reference_boxes(rollout: Rollout, task: Task) -> float | None:
    """The number of boxes in the reference; None where there is none to compare that of the answer with."""
    gold = _listed(rollout.example.answer)
    return None if gold is None or _given(rollout) is None else len(gold)


def _given(rollout: Rollout) -> tuple[Box, ...] | None:
    boxes = rollout.response.boxes
    return _listed(rollout.response.answer) if boxes is None else boxes


def _listed(answer: str | None) -> tuple[Box, ...] | None:
    return None if answer is None else read_boxes(answer)


def _agrees(rollout: Rollout, task: Task) -> float | None:
    value = agreement(task, rollout).value
    return None if value is None else float(value >= RIGHT_FROM)


MEASURES: Mapping[str, Measure] = {
    "completions/mean_length": lambda rollout, task: rollout.response.n_tokens,
    "completions/clipped_ratio": lambda rollout, task: rollout.response.stop == "length",
    "completions/by_steps_ratio": lambda rollout, task: by_steps(rollout.response.text),
    "completions/malformed_ratio": lambda rollout, task: rollout.response.fault is not None,
    "completions/reflection_ratio": lambda rollout, task: bool(REFLECTION.search(rollout.response.text)),
    "completions/repeated_ratio": _repeated,
    "completions/mean_boxes": _boxes,
    "completions/mean_reference_boxes": _reference_boxes,
    "completions/thought_agrees_ratio": _agrees,
}
"""{column of metrics.jsonl, which is the mean over completions: its measure}"""


def measured(rollout: Rollout, task: Task) -> dict[str, float | None]:
    """The numbers of one completion by the names of their columns."""
    return {column: measure(rollout, task) for column, measure in MEASURES.items()}
