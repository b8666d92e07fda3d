"""What the diagnosis of a GRPO training costs: CPU seconds of measures and alarms against those of its steps.

    python -m bench.diagnosis runs/r1v-tiny/grpo --verifier same_number

Reads the completions of a training that was made (attempts.jsonl) and its rows (metrics.jsonl), measures
every completion again (`train/diagnosis.py`) and looks at every row for alarms (`train/alarms.py`). The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import read_attempts, read_rows
from seethink.formats import by_name
from seethink.train.configs import TrainingConfig
from seethink.train.diagnosis import measured
from seethink.train.signals import Signals
from seethink.types import Example, Response, Rollout, Score, Task, Verifier
from seethink.verify import by_name as verifier_by_name


def rollout_of(row: dict[str, Any]) -> Rollout:
    """A row of attempts.jsonl as it was before it was written, without its pictures."""
    read = by_name(row["format"]).parse(row["text"])
    response = Response(
        row["text"], read.thought, read.answer, read.steps, row["stop"], row["n_tokens"], read.fault
    )
    return Rollout(Example(row["id"], "?", answer=row["gold"]), response, Score(row["value"]))


def diagnose(training: Path, verifier: Verifier) -> dict[str, Any]:
    """Seconds and what was found."""
    rollouts = [rollout_of(row) for row in read_attempts(training / "attempts.jsonl")]
    rows = [*read_rows(training / "metrics.jsonl", ("step", "loss", "seconds"))]
    task = Task("attempts", (), by_name("think_answer"), verifier)
    began = time.process_time()
    for rollout in rollouts:
        measured(rollout, task)
    measures = time.process_time() - began
    signals, alarms, began = Signals(TrainingConfig(), 0), {}, time.process_time()
    for row in rows:
        alarms |= {kind: f"step {row['step']}: {text}" for kind, text in signals(row).items()}
    watching, steps = time.process_time() - began, sum(row["seconds"] for row in rows)
    return {
        "completions": len(rollouts),
        "ms_per_completion": 1000 * measures / max(1, len(rollouts)),
        "ms_per_row": 1000 * watching / max(1, len(rows)),
        "step_seconds": steps,
        "share_of_step": (measures + watching) / steps,
        "alarms": alarms,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("training", type=Path, help="folder of a GRPO training")
    parser.add_argument("--verifier", default="auto")
    given = parser.parse_args()
    print(json.dumps(diagnose(given.training, verifier_by_name(given.verifier))))


if __name__ == "__main__":
    main()
