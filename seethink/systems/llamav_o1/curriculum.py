"""The questions of LlamaV-o1's curriculum and its tests, at every scale."""

from __future__ import annotations

from collections.abc import Sequence

from seethink import benchmarks
from seethink.formats import STAGED
from seethink.run.run import Run
from seethink.sequences import Concatenated
from seethink.sources import published
from seethink.systems.llamav_o1.dialogues import Dialogues, Openings, StagedQuestions
from seethink.types import Example, Task, Verifier


def data(run: Run, reward: Verifier) -> tuple[Sequence[Example], Dialogues, list[Task]]:
    """Rows of the first stage, dialogues of the second, and the tests."""
    if run.scale in ("smoke", "tiny"):
        world, n, held_out = run.scale(smoke=("charts", 4, 1), tiny=("exams", 600, 120))

        def questions(split: str, n: int, per_picture: int = 1, shifted: bool = False) -> StagedQuestions:
            return StagedQuestions(run.drawn(world, n, split, shifted), per_picture)

        worlds = {"held out": False, "unseen: another renderer": True}
        tests = [
            Task(name, questions("test", held_out, shifted=shifted), STAGED, reward)
            for name, shifted in worlds.items()
        ]
        return Openings(questions("openings", n)), Dialogues(questions("train", n, per_picture=2), n), tests
    sizes = {"pixmo_cap_qa": 18_000, "geo170k_captions": 57_000}
    captions = Concatenated(tuple(published.load(name, source=name, n=n) for name, n in sizes.items()))
    dialogues = Dialogues(published.load("llava_cot_100k", source="llava_cot_100k"), 99_000)
    vrc = Task("vrc_bench", published.load("vrc_bench", n=1_000), STAGED, reward)
    tests = [benchmarks.by_name(name).task(format="staged") for name in ("mmstar", "mathvista", "ai2d")]
    return captions, dialogues, [*tests, vrc]
