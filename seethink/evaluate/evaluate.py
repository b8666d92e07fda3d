"""The evaluation loop: answer every example of every task, and write each attempt to disk.

Processes of a launch each answer a share of the examples into a file of their own; the first of them waits
for all and joins the files. None waits before the end or needs a process group, so a launch that was killed
goes on with any other number of processes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from seethink import launch
from seethink.evaluate.attempt_parts import QuestionKey, join, part_of, read_parts
from seethink.evaluate.attempts import AttemptRow, append_rows, attempt_row, drop_cut_line
from seethink.evaluate.questions import mean
from seethink.evaluate.statistics import summarise
from seethink.models.accepted_media import refuse_unusable
from seethink.types import Engine, Rollout, Solver, Task

CHUNK = 128
"""Examples answered between two writes: the most that a kill can lose."""
CHUNKS_IN_FLIGHT = 8
"""Of an engine that asks a server: examples between two writes, as a multiple of its requests in flight, so
that few of those wait for the last of a chunk. A kill loses none of them: its calls are kept."""
POLL_EVERY_S = 0.1


def evaluate(
    engine: Engine,
    tasks: Sequence[Task],
    solver: Solver,
    out: Path,
    media: Path,
    on_progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, dict[str, Any]]:
    """Answer every example of every task, and return {task: its `summarise` row}; {} in a process of a launch
    that is not the first.

    Each attempt is a row of `out/attempts.jsonl`, in the order of the examples, its pictures under `media`.
    Called again after a kill, only examples without all of their rows are answered, and the file becomes the
    same. on_progress: called after every chunk with {step, steps, task, correct}: examples of this process's
    share, and the mean so far. Raises ValueError for two examples of one task and id, whose attempts could
    not be told apart.
    """
    questions = [(task, i) for task in tasks for i in range(len(task.examples))]
    keys = [(task.name, task.examples[i].id) for task, i in questions]
    key, times = Counter(keys).most_common(1)[0] if keys else (None, 1)
    if times > 1:
        raise ValueError(f"the question {key} occurs {times} times; each needs an id of its own")
    out.mkdir(parents=True, exist_ok=True)
    part = part_of(out, launch.rank())
    drop_cut_line(part)
    part.touch()
    refuse_unusable(engine, tasks)
    done = read_parts(out)
    share = launch.share_of(range(len(keys)), launch.rank(), launch.world_size())
    known = [mean([row["correct"] for row in done[keys[i]]]) for i in share if keys[i] in done]
    for task, chunk in _chunks(engine, [questions[i] for i in share if keys[i] not in done]):
        rollouts = solver(engine, task, [task.examples[i] for i in chunk])
        new = [_rows(task, group, media) for group in rollouts]
        append_rows(part, [row for rows in new for row in rows])
        known += [mean([row["correct"] for row in rows]) for rows in new]
        on_progress({"step": len(known), "steps": len(share), "task": task.name, "correct": mean(known)})
    if launch.rank() > 0:
        return {}
    rows = join(out, _all_parts(out, keys), keys)
    return {
        task.name: summarise(
            [row for row in rows if row["task"] == task.name], [example.id for example in task.examples]
        )
        for task in tasks
    }


def _chunks(engine: Engine, remaining: Sequence[tuple[Task, int]]) -> Iterator[tuple[Task, list[int]]]:
    """The remaining questions, some of one task at a time."""
    size = max(CHUNK, CHUNKS_IN_FLIGHT * getattr(engine, "max_concurrency", 0))
    for _, own in groupby(remaining, key=lambda question: id(question[0])):
        questions = list(own)
        for start in range(0, len(questions), size):
            yield questions[0][0], [i for _, i in questions[start : start + size]]


def _rows(task: Task, rollouts: Sequence[Rollout], media: Path) -> list[AttemptRow]:
    """The rows of one question. Each says how many there are, so that a question is known to be complete."""
    return [
        attempt_row(task, rollout, media) | {"sample": i, "samples": len(rollouts)}
        for i, rollout in enumerate(rollouts)
    ]


def _all_parts(out: Path, keys: Sequence[QuestionKey]) -> dict[QuestionKey, list[AttemptRow]]:
    """The attempts at all questions, as soon as every process has written its own."""
    while True:
        begun = time.monotonic()
        found = read_parts(out)
        if all(key in found for key in keys):
            return found
        time.sleep(max(POLL_EVERY_S, 5 * (time.monotonic() - begun)))  # reading takes a sixth of the time
