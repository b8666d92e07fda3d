"""What a finished training has to say beside its curves: rows that were left out, and that nothing was
learned. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.train.history import WINDOW, mean_of
from seethink.train.signals import signals_of

ROWS_FILE = "rows.json"
"""In a training's folder: how many rows its data have, and how many were left out or cannot be judged."""


GROWN = 1.1
"""Completions grow where their mean length rises by this factor; that of ten steps varies less."""


def training_notes(out: Path) -> list[str]:
    """Sentences about the training in `out`, without a full stop, from its `rows.json` and `metrics.jsonl`;
    empty where there is nothing to say."""
    rows = out / ROWS_FILE
    notes: list[str] = []
    if rows.exists():
        notes += _of_rows(json.loads(rows.read_text(encoding="utf-8")))
    steps = metrics_rows(out)
    nothing_learned, said = list(_of_rewards(steps)), signals_of(steps)
    if nothing_learned:
        said.pop("no_signal", None)  # of the whole training, with the reason
    return [*notes, *nothing_learned, *said.values(), *_of_length(steps)]


def start_and_end(out: Path, name: str) -> tuple[float, float] | None:
    """The mean of a column of `metrics.jsonl` over the first and over the last tenth of the steps, at least
    one; None where it has no number there."""
    rows = [row for row in metrics_rows(out) if row.get(name) is not None]
    n = max(1, len(rows) // 10)
    first, last = mean_of(rows[:n], name), mean_of(rows[-n:], name)
    return None if first is None or last is None else (first, last)


def metrics_rows(out: Path) -> list[dict[str, Any]]:
    """The rows of a training's `metrics.jsonl`; none where it has none yet."""
    if not (out / "metrics.jsonl").exists():
        return []
    with (out / "metrics.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _of_rows(facts: Mapping[str, Any]) -> Iterator[str]:
    if dropped := facts.get("overlong_prompts"):
        limit = f"prompts longer than max_prompt_length={facts['max_prompt_length']}"
        yield f"{dropped:,} of {facts['rows']:,} rows left out, their {limit}"
    if thoughtless := facts.get("thoughtless_rows"):
        yield (
            f"{thoughtless:,} of {facts['taught_rows']:,} examples have no steps, so that answers without a "
            "thought were learned; give steps, or choose a format without a thought, such as answer_only"
        )
    if unjudged := facts.get("unjudged_rows"):
        (first,) = facts["first_unjudged"]
        looked_at = (
            f"{facts['probed_rows']:,} rows{' looked at' if facts['probed_rows'] < facts['rows'] else ''}"
        )
        yield f"{unjudged:,} of {looked_at} cannot be judged by the verifier, the first is {first}"


def _of_rewards(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where no group of any step had two different rewards: that it was so, and the facts that explain it."""
    rows = [row for row in rows if "frac_reward_zero_std" in row]
    if not rows or any(row["frac_reward_zero_std"] < 1 for row in rows):
        return
    steps = f"{len(rows):,} {'step' if len(rows) == 1 else 'steps'}"
    reward = mean_of(rows, "reward")
    right = mean_of(rows, "rewards/correct/mean")
    shares = {
        "of the completions break the format": "completions/malformed_ratio",
        "are cut off at max_completion_length": "completions/clipped_ratio",
        "of the groups could not be judged": "frac_groups_unjudged",
        "of the groups are one text": "frac_completions_identical",
    }
    facts = [
        f"mean reward {'unknown' if reward is None else f'{reward:.2f}'}",
        *([] if right is None else [f"mean of correct {right:.2f}"]),
        *(f"{share:.0%} {what}" for what, name in shares.items() if (share := mean_of(rows, name))),
    ]
    yield (
        f"no group had two different rewards in {steps}, so the rewards taught nothing: {_why(rows)} "
        f"({', '.join(facts)})"
    )


def _of_length(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The moment when sampled completions begin to grow, where their mean length over `WINDOW` steps ends at
    `GROWN` times its least value or more."""
    known = [row for row in rows if row.get("completions/mean_length") is not None]
    if len(known) < 2 * WINDOW:
        return
    windows = [known[i : i + WINDOW] for i in range(len(known) - WINDOW + 1)]
    lengths = [mean_of(window, "completions/mean_length") or 0.0 for window in windows]
    least = lengths.index(min(lengths))
    if lengths[-1] < GROWN * max(1.0, lengths[least]):
        return
    first, last = windows[least][0]["step"], windows[least][-1]["step"]
    yield (
        f"no fault by itself: completions are shortest in steps {first:,} to {last:,}, {lengths[least]:,.0f} "
        f"tokens, and grow from there to {lengths[-1]:,.0f}"
    )


def _why(rows: Sequence[Mapping[str, Any]]) -> str:
    """The likeliest reason."""

    def share(name: str) -> float:
        return mean_of(rows, name) or 0.0

    if share("frac_groups_unjudged") > 0.5:
        return "the verifier cannot judge the completions; choose another, or give a judge"
    if share("frac_completions_identical") > 0.5:
        return "the model gives the same completion each time; raise temperature"
    right = mean_of(rows, "rewards/correct/mean")
    if (mean_of(rows, "reward") if right is None else right) == 1:
        return "every completion is right, the questions are too easy for this model"
    if share("completions/clipped_ratio") > 0.5:
        return "completions are cut off before they answer; raise max_completion_length"
    if share("completions/malformed_ratio") > 0.5:
        return "the answer's form is not met; train by sft first, or choose a format that the model knows"
    return "the questions are too hard for this model, or the verifier does not read its answers"
