"""Examples a second that `sprout` learns from: its own training loop against the general trainer.

    python -m bench.grow                # on an accelerator, if there is one: the batches of scale one_gpu
    python -m bench.grow --rows 4       # on two cores

ours    `systems/sprout/growth.py`: batches of a fixed shape, drawn ahead by worker processes; the step is
        compiled on an accelerator
rival   `run.sft`, the general trainer, on the same examples: the same number in each step, drawn ahead by a
        thread of its own

Both train the model's initial weights on the course `steps` for `--steps` updates; the first `--warmup` are
not timed. `ratio` is the rival's seconds per example over ours. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from bench.shape import versions
from seethink.systems.sprout.courses import COURSES
from seethink.systems.sprout.growth import grow
from seethink.systems.sprout.growth_config import GrowthConfig, RowShape
from seethink.systems.sprout.initial_model import ModelSize, write_initial_model
from seethink.train.configs import SFTConfig
from seethink.train.sft import sft


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--rows", type=int, default=64, help="rows of tokens, and of patches, in a batch")
    parser.add_argument("--steps", type=int, default=40, help="updates, a multiple of ten")
    parser.add_argument("--warmup", type=int, default=20, help="updates that are not timed")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measured(Path(name), args)))


def measured(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds per example of both, and what they ran on."""
    initial, accelerated = folder / "initial", torch.cuda.is_available()
    write_initial_model(initial, seed=0, size=ModelSize())
    course = COURSES["steps"].examples("steps", 0)
    shape = RowShape(args.rows, tower_rows=args.rows)
    config = GrowthConfig(args.steps, shape, workers=args.workers, compile=accelerated)
    rows: list[dict[str, Any]] = []
    grow(folder / "ours", SimpleNamespace(path=initial), course, config, rows.append)
    timed = [row for row in rows if row["step"] > args.warmup]
    ours_s = 1 / (sum(row["pictures_per_s"] for row in timed) / len(timed) * course.per_picture)
    tokens = sum(row["tokens_per_s"] for row in timed) / len(timed)

    pictures = round(timed[0]["pictures_per_s"] / timed[0]["tokens_per_s"] * args.rows * shape.width * 0.9)
    batch = pictures * course.per_picture
    settings = SFTConfig.of(
        bf16=True, shuffle=False, max_tokens_per_batch=args.rows * shape.width, train_batch_size=batch,
        max_steps=args.steps, learning_rate=1e-3, save_steps=args.steps,
    )  # fmt: skip
    ends: list[float] = []
    examples = replace(course, n=batch * args.steps)
    sft(str(initial), examples, settings, folder / "rival", lambda row: ends.append(time.perf_counter()))
    rival_s = (ends[-1] - ends[args.warmup - 1]) / (len(ends) - args.warmup) / batch
    return {
        "name": "grow", "shape": {"rows": args.rows, "batch": batch, "workers": args.workers},
        "ours_s": ours_s, "rival_s": rival_s, "rival": "run.sft", "ratio": rival_s / ours_s,
        "tokens_per_s": tokens, "device": "cuda" if accelerated else "cpu", "versions": versions(),
    }  # fmt: skip


if __name__ == "__main__":
    main()
