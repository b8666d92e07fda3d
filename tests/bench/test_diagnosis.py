"""The cost of diagnosis is that of every completion and row of a training."""

from __future__ import annotations

import json
from pathlib import Path

from bench.diagnosis import diagnose
from seethink import verify
from tests import fakes


def test_every_completion_and_row_is_measured_and_alarms_are_told(tmp_path: Path) -> None:
    (example,) = fakes.Drawn(1)
    attempts = [
        fakes.attempt_row("t", example, right=True) | {"format": "think_answer", "mode": "suffix"}
    ] * 3
    rows = [
        {"step": step, "loss": 0.0, "seconds": 2.0, "frac_reward_zero_std": 0.95} for step in range(1, 13)
    ]
    for name, lines in (("attempts.jsonl", attempts), ("metrics.jsonl", rows)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = diagnose(tmp_path, verify.same_number)
    assert (found["completions"], found["step_seconds"]) == (3, 24.0)
    assert found["ms_per_completion"] > 0 and 0 < found["share_of_step"] < 1
    alarms = found["alarms"]
    assert [*alarms] == ["little_spread"] and alarms["little_spread"].startswith("step 10: 95 %")
