"""Time of whole GRPO steps (rollout and update) against TRL's GRPOTrainer: same model, questions and sizes.

    python -m bench.step --prompt 272 --response 64 --group 8 --rival trl

ours  `seethink.train.grpo` as the command line runs it: the prompt is computed once for all answers, in the
      rollout and in the update
trl   trl.GRPOTrainer with transformers' `generate`, in its best case for this shape: all rows in one batch;
      see `bench/rival.py`

Both sample G answers of at most C tokens to each of B questions, each about its own image, score them with
the same function, and make one optimiser step in fp32. A random model seldom ends early; the sampled tokens
per answer are printed. Steps alternate in blocks whose first step is not timed; the median counts. The last
line is one JSON object.
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

from bench.rival import UntrackedGRPOTrainer, trl_config
from bench.shape import Shape, build, last_line, parse, shape_parser
from seethink.formats import TagFormat
from seethink.media import Image
from seethink.models.loading import pretrained
from seethink.models.names import SPROUT
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import grpo
from seethink.types import Example, Response, Score, Task

PLAIN = TagFormat("plain", "", thinks=False)
CELL_PX = 28


def variety(text: str) -> float:
    """A reward that varies among random answers: the number of distinct characters over 100, at most 1."""
    return min(1.0, len(set(text)) / 100)


def verifier(example: Example, response: Response) -> Score:
    """`variety` as a verifier."""
    return Score(variety(response.text))


def pictures(shape: Shape, steps: int) -> list[PIL.Image.Image]:
    """A random image for each question of each step."""
    rows, columns = shape.picture
    random = numpy.random.default_rng(0)
    size = (rows * CELL_PX, columns * CELL_PX, 3)
    return [
        PIL.Image.fromarray(random.integers(0, 256, size, dtype=numpy.uint8))
        for _ in range(steps * shape.questions)
    ]


def ours(base: Path, shape: Shape, steps: int, out: Path) -> tuple[list[float], float]:
    """(seconds of each step, mean tokens per answer) of SeeThink."""
    noise = pictures(shape, steps)
    examples = [
        Example(f"q{i}", "What is this?", (Image.drawn(f"noise/{i}", lambda p=p: p),))
        for i, p in enumerate(noise)
    ]
    config = GRPOConfig.of(
        learning_rate=1e-6, max_steps=steps, prompts_per_step=shape.questions,
        num_generations=shape.group, max_completion_length=shape.response, save_steps=10_000,
    )  # fmt: skip
    timer = StepTimer()
    rows: list[dict[str, Any]] = []

    def on_step(row: dict[str, Any]) -> None:
        timer()
        rows.append(row)

    grpo(str(base), Task("noise", examples, PLAIN, verifier), config, out, on_step=on_step)
    return timer.seconds, sum(row["completions/mean_length"] for row in rows) / len(rows)


def trl(base: Path, shape: Shape, steps: int, out: Path) -> tuple[list[float], float]:
    """(seconds of each step, mean tokens per answer) of TRL."""
    messages = [{"role": "user", "content": "What is this?"}]
    noise = pictures(shape, steps)
    data = Dataset.from_dict({"prompt": [messages] * len(noise), "image": noise})
    settings = trl_config(
        shape, out, max_steps=steps, learning_rate=1e-6, logging_steps=1, shuffle_dataset=False
    )
    model, processor = pretrained(str(base))
    model.set_attn_implementation("sdpa")
    timer = StepTimer()
    lengths: list[float] = []

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            timer()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "completions/mean_length" in (logs or {}):
                lengths.append(logs["completions/mean_length"])

    def reward(completions: list[Any], **_: Any) -> list[float | None]:
        return [variety(completion[0]["content"]) for completion in completions]

    trainer = UntrackedGRPOTrainer(
        model, reward, args=settings, train_dataset=data, processing_class=processor, callbacks=[Clock()]
    )
    timer.begin_update()
    trainer.train()
    return timer.seconds, sum(lengths) / len(lengths)


class StepTimer:
    """Seconds between consecutive calls; the time before the first call is not counted."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.seconds: list[float] = []

    def begin_update(self) -> None:
        self.at = None

    def __call__(self) -> None:
        now = time.perf_counter()
        if self.at is not None:
            self.seconds.append(now - self.at)
        self.at = now


Contender = Callable[[Path, Shape, int, Path], tuple[list[float], float]]
CONTENDERS: dict[str, Contender] = {"ours": ours, "trl": trl}


def main() -> None:
    parser = shape_parser(__doc__, ("trl",))
    parser.add_argument("--steps", type=int, default=3, help="timed steps per block")
    parser.add_argument("--blocks", type=int, default=2, help="blocks per contender")
    args, shape = parse(parser)
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    lengths: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        build().save_pretrained(base)
        transformers.AutoProcessor.from_pretrained(str(SPROUT)).save_pretrained(base)
        for block in range(args.blocks):
            for name, train in CONTENDERS.items():
                timed, lengths[name] = train(base, shape, args.steps + 1, Path(folder, f"{name}{block}"))
                seconds[name] += timed
    for name, times in seconds.items():
        listed = " ".join(f"{s:.2f}" for s in times)
        print(f"{name:5} {median(times):.2f} s per step ({listed}), {lengths[name]:.1f} tokens per answer")
    mine, theirs = median(seconds["ours"]), median(seconds["trl"])
    print(last_line("step", shape, mine, ("trl.GRPOTrainer", theirs), {}))


if __name__ == "__main__":
    main()
