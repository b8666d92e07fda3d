"""The evaluation loop: answer every example of every task, and write each attempt to disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import append_rows, attempt_row, drop_cut_line, read_attempts
from seethink.evaluate.questions import mean
from seethink.evaluate.statistics import summarise
from seethink.models.accepted_media import refuse_unusable
from seethink.types import Engine, Solver, Task

CHUNK = 128
"""Examples answered between two writes: the most that a kill can lose."""


def evaluate(
    engine: Engine,
    tasks: Sequence[Task],
    solver: Solver,
    out: Path,
    media: Path,
    on_progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, dict[str, Any]]:
    """Answer every example of every task, and return {task: its `summarise` row}.

    Each attempt is a row of `out/attempts.jsonl`, its pictures under `media`. Called again after a kill, only
    examples without a row are answered. on_progress: called after every `CHUNK` examples with {step, steps,
    task, correct}, where `step` counts examples and `correct` is the mean so far.
    """
    path = out / "attempts.jsonl"
    drop_cut_line(path)
    rows = list(read_attempts(path)) if path.exists() else []
    done = {(row["task"], row["id"]) for row in rows}
    n_examples, n_done = sum(len(task.examples) for task in tasks), len(done)
    out.mkdir(parents=True, exist_ok=True)
    path.touch()
    refuse_unusable(engine, tasks)
    for task in tasks:
        remaining = [i for i in range(len(task.examples)) if (task.name, task.examples[i].id) not in done]
        for start in range(0, len(remaining), CHUNK):
            examples = [task.examples[i] for i in remaining[start : start + CHUNK]]
            rollouts = solver(engine, task, examples)
            new = [attempt_row(task, rollout, media) for group in rollouts for rollout in group]
            append_rows(path, new)
            rows += new
            n_done += len(examples)
            correct = mean([row["correct"] for row in rows])
            on_progress({"step": n_done, "steps": n_examples, "task": task.name, "correct": correct})
    return {
        task.name: summarise(
            [row for row in rows if row["task"] == task.name], [example.id for example in task.examples]
        )
        for task in tasks
    }
