"""Insight-V's questions at every scale: of the chain, of the rounds of DPO, general ones, and the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seethink import benchmarks
from seethink.formats import THOUGHTS_SUMMARY
from seethink.run.run import Run
from seethink.sequences import Concatenated
from seethink.sources import published
from seethink.types import Example, Task, Verifier

GENERATOR = published.MediaView(max_image_px=1_003_520)
"""1280 * 28 * 28 pixels, as data_generation.py shows pictures to its teacher."""
BENCHMARKS = ("mmmu_val", "chartqa", "mathvista", "mmstar")
"""Of the paper's ablation."""


def data(run: Run, reward: Verifier) -> tuple[Sequence[Example], Task, Sequence[Example], list[Task]]:
    """Questions of the chain, those of the rounds, general rows of the summary agent, and the tests."""

    def task(name: str, examples: Sequence[Example]) -> Task:
        return Task(name, examples, THOUGHTS_SUMMARY, reward)

    if run.scale in ("smoke", "tiny"):
        world, n = run.scale(smoke=("charts", (8, 2, 1, 1)), tiny=("exams", (400, 160, 200, 120)))

        def questions(split: str, n: int, shifted: bool = False) -> Sequence[Example]:
            return run.drawn(world, n, split, shifted)

        general = [replace(row, steps=()) for row in questions("general", n[2])]  # answered at once
        worlds = {"held out": False, "unseen: another renderer": True}
        tests = [task(name, questions("test", n[3], shifted)) for name, shifted in worlds.items()]
        return questions("train", n[0]), task("practice", questions("rounds", n[1])), general, tests
    mixture = published.load("r1_onevision", n=100_000, view=GENERATOR)
    geometry = published.load("geo170k_qa", source="geo170k_qa", n=100_000, view=GENERATOR)
    general = published.load("pixmo_cap_qa", source="pixmo_cap_qa", n=100_000)
    tests = [benchmarks.by_name(name).task(format=THOUGHTS_SUMMARY.name) for name in BENCHMARKS]
    practice = task("practice", published.load("r1_onevision", n=15_000))
    return Concatenated((mixture, geometry)), practice, general, tests
