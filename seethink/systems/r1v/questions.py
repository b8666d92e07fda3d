"""R1-V's questions at every scale: to practise on, with a reasoner's thoughts, and the tests."""

from __future__ import annotations

from collections.abc import Sequence

from seethink import systems
from seethink.formats import THINK_ANSWER
from seethink.run.run import Run
from seethink.run.synthesised import SynthConfig
from seethink.sources import published
from seethink.sources.handwritten import Pages
from seethink.types import Example, Task, Verifier

TEACHER = SynthConfig("oracle:wrong=0.2,step=0.1,leak=0.1")
"""Of smoke and tiny: some of its thoughts are wrong, and its wording is its own."""


def data(run: Run, reward: Verifier) -> tuple[Task, Task, list[Task]]:
    """Questions to practise on; rows with the thoughts of a reasoner that read scenes as text; and the tests,
    the last of which is the paper's."""

    def task(name: str, examples: Sequence[Example]) -> Task:
        return Task(name, examples, THINK_ANSWER, reward)

    if run.scale in ("smoke", "tiny"):
        n, tested = run.scale(smoke=(16, 8), tiny=(800, 300))
        questions = Pages(n, "train", run.seed)
        thoughts = run.synth("traces", systems.chain("r1v_distill"), questions, TEACHER).rows()
        tests = {
            "seen": Pages(tested, "test", run.seed),
            "unseen: denser pages": Pages(tested, "test", run.seed, cells=(5, 5), digits=(13, 20)),
            "unseen: printed digits": Pages(tested, "test", run.seed, glyphs="fonts"),
        }
        return task("practice", questions), task("traces", thoughts), [task(*test) for test in tests.items()]
    n, with_thoughts = run.scale(one_gpu=(1_600, 1_600), full=(None, 37_700))  # of "37.8k"
    practice, thoughts = published.clevr_counting(n=n), published.load("clevr_r1", n=with_thoughts)
    tests = [task(name, published.load(name)) for name in ("clevr_cogent_a", "clevr_cogent_b")]
    tests.append(task("superclevr-200", published.superclevr_200("superclevr")))
    return task("practice", practice), task("traces", thoughts), tests
