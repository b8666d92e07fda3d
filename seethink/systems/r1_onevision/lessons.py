"""What R1-Onevision's SFT learns: rows of the chain, or the rows that its authors released."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seethink import identity, systems
from seethink.formats import THINK_ANSWER, VERBATIM
from seethink.run.run import Run
from seethink.run.synthesised import SynthConfig
from seethink.sources import published
from seethink.tasks import GoldTraces
from seethink.types import SFTExample, Task, Verifier

TEACHER = SynthConfig("oracle:wrong=0.2,step=0.1,leak=0.1,json=0.05,refusal=0.05,verdict=0.05")


@dataclass(frozen=True)
class ReleasedTraces(GoldTraces):
    """Released rows as their authors taught them where no final answer is found: the text after the bare
    question. In the task's format such a row would be an answer of many sentences without a thought."""

    def item(self, i: int) -> SFTExample:
        has_answer = self.task.examples[i].meta.get("final", True)
        task = self.task if has_answer else replace(self.task, format=VERBATIM)
        return GoldTraces(task).item(i)

    @property
    def identity(self) -> str | None:
        known = super().identity
        return None if known is None else identity.digest(["released", known])


def lessons(run: Run, reward: Verifier) -> GoldTraces:
    """Rows with reasoning, as they are taught."""
    if run.scale in ("smoke", "tiny"):
        questions = run.drawn("exams", run.scale(smoke=12, tiny=1_600))
        made = run.synth("traces", systems.chain("r1_onevision"), questions, TEACHER)
        return run.traces(Task("traces", made.rows(), THINK_ANSWER, reward))
    n = run.scale(one_gpu=1_600, full=154_500)
    return ReleasedTraces(Task("traces", published.load("r1_onevision", n=n), THINK_ANSWER, reward))
