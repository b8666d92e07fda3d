"""Whole steps of GRPO, rollout and update, against TRL's GRPOTrainer: the same model, questions and sizes.

    python -m bench.step --prompt 272 --response 64 --group 8 --rival trl

ours  `seethink.train.grpo` as the command line runs it: the prompt is computed once for all answers, in the
      rollout and in the update.
trl   trl.GRPOTrainer on transformers' own `generate`, at its best for this shape: all rows in one batch, and
      see `bench/rival.py`.

Both sample G answers of at most C tokens to each of B questions about a picture of their own, score them by
the same function, and make one optimiser step, fp32. A random model seldom ends early; the tokens that each
of them sampled are printed. Steps alternate in blocks, after one that is not timed; the median counts. The
last line is one JSON object.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy
import PIL.Image
import transformers
from datasets import Dataset

from bench.rival import Quiet, config
from bench.shape import Shape, arguments, build, last_line, parsed
from seethink.engines.local import pretrained
from seethink.families import SPROUT
from seethink.formats import TagFormat
from seethink.media import Image
from seethink.train.configs import GRPO
from seethink.train.grpo import grpo
from seethink.types import Example, Response, Score, Task

PLAIN = TagFormat("plain", "", thinks=False)
CELL_PX = 28


def variety(text: str) -> float:
    """A reward that random answers do not share: how many different letters they have, of a hundred."""
    return min(1.0, len(set(text)) / 100)


def paid(example: Example, response: Response) -> Score:
    return Score(variety(response.text))


def pictures(shape: Shape, steps: int) -> list[PIL.Image.Image]:
    rows, columns = shape.picture
    random = numpy.random.default_rng(0)
    size = (rows * CELL_PX, columns * CELL_PX, 3)
    return [
        PIL.Image.fromarray(random.integers(0, 256, size, dtype=numpy.uint8))
        for _ in range(steps * shape.questions)
    ]


def ours(base: Path, shape: Shape, steps: int, out: Path) -> tuple[list[float], float]:
    """Seconds of each step, and the tokens of a response in the mean."""
    drawn = pictures(shape, steps)
    examples = [
        Example(f"q{i}", "What is this?", (Image.drawn(f"noise/{i}", lambda p=p: p),))
        for i, p in enumerate(drawn)
    ]
    config = GRPO(
        learning_rate=1e-6, steps=steps, questions_per_step=shape.questions, max_tokens=shape.response,
        responses_per_question=shape.group, save_every=10_000,
    )  # fmt: skip
    watched = _Watch()
    rows: list[dict[str, Any]] = []

    def watch(row: dict[str, Any]) -> None:
        watched()
        rows.append(row)

    grpo(
        str(base),
        Task("noise", examples, PLAIN, paid),
        config,
        out,
        watch=watch,
    )
    return watched.seconds, sum(row["response_tokens"] for row in rows) / len(rows)


def trl(base: Path, shape: Shape, steps: int, out: Path) -> tuple[list[float], float]:
    asked = [{"role": "user", "content": "What is this?"}]
    drawn = pictures(shape, steps)
    data = Dataset.from_dict({"prompt": [asked] * len(drawn), "image": drawn})
    settings = config(shape, out, max_steps=steps, learning_rate=1e-6, logging_steps=1, shuffle_dataset=False)
    model, processor = pretrained(str(base))
    model.set_attn_implementation("sdpa")
    watched = _Watch()
    rows: list[float] = []

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            watched()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "completions/mean_length" in (logs or {}):
                rows.append(logs["completions/mean_length"])

    def reward(completions: list[Any], **_: Any) -> list[float | None]:
        return [variety(completion[0]["content"]) for completion in completions]

    trainer = Quiet(
        model, reward, args=settings, train_dataset=data, processing_class=processor, callbacks=[Clock()]
    )
    watched.begin()
    trainer.train()
    return watched.seconds, sum(rows) / len(rows)


class _Watch:
    """Seconds between one call and the next; what comes before the first step ends is not told."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.seconds: list[float] = []

    def begin(self) -> None:
        self.at = None

    def __call__(self) -> None:
        now = time.perf_counter()
        if self.at is not None:
            self.seconds.append(now - self.at)
        self.at = now


RIVALS: dict[str, Callable[[Path, Shape, int, Path], tuple[list[float], float]]] = {"ours": ours, "trl": trl}


def main() -> None:
    parser = arguments(__doc__, ("trl",))
    parser.add_argument("--steps", type=int, default=3, help="timed steps in a block")
    parser.add_argument("--blocks", type=int, default=2, help="blocks of each")
    chosen, shape = parsed(parser)
    seconds: dict[str, list[float]] = {name: [] for name in RIVALS}
    lengths: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        build().save_pretrained(base)
        transformers.AutoProcessor.from_pretrained(str(SPROUT)).save_pretrained(base)
        for block in range(chosen.blocks):
            for name, train in RIVALS.items():
                timed, lengths[name] = train(base, shape, chosen.steps + 1, Path(folder, f"{name}{block}"))
                seconds[name] += timed
    for name, found in seconds.items():
        told = " ".join(f"{s:.2f}" for s in found)
        print(f"{name:5} {median(found):.2f} s a step ({told}), {lengths[name]:.1f} tokens a response")
    mine, theirs = median(seconds["ours"]), median(seconds["trl"])
    print(last_line("step", shape, mine, ("trl.GRPOTrainer", theirs), {}))


if __name__ == "__main__":
    main()
