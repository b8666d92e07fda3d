"""The questions of VLM-R1's recipe: expressions, detection and screens, drawn or published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seethink import verify
from seethink.formats import THINK_ANSWER, BaseFormat
from seethink.run.run import Run
from seethink.sequences import Concatenated
from seethink.sources import published
from seethink.sources.drawn import DETECTION, GROUNDING, SCREENS
from seethink.sources.drawn.world import World
from seethink.systems.vlm_r1.box_rewards import not_redundant
from seethink.train.held_out import HeldOut
from seethink.types import Example, Sampling, Task, Verifier

FOLDER = "vlm_r1"
"""Where the scales one_gpu and full look for the data, in their published layout."""
TRAIN_ROWS = {"refcoco": 120_624, "refcoco_plus": 120_191, "refcocog": 80_512}
"""Sizes of the data sets' train parts; the repository names only their sum, as steps (issue 44)."""
VAL_ROWS, LISA_ROWS = 2_000, 1_658
"""The authors test at most 2,000 rows of a set; LISA-Grounding has fewer: the one number with which all their
eleven accuracies on it are possible."""
D3_ROWS = 10_578
"""Pictures of the Description Detection Dataset; the repository does not name the number."""
SCREENS_TESTED = 500
METRICS = {"boxes": {"f1": verify.by_name("boxes_f1"), "not_redundant": not_redundant}}
"""{verifier: what is measured beside it}"""


@dataclass(frozen=True)
class QuestionPart:
    """Questions to learn from; tests by name, the shifted one last; the verifier of the tests. Examples of
    tests have a field `n`, their number."""

    practice: Sequence[Example]
    tests: Mapping[str, Any]
    verifier: str

    def task(self, reward: Verifier, form: BaseFormat = THINK_ANSWER) -> Task:
        """What is learned: `reward`, and the form."""
        return Task("practice", self.practice, form, _weighted(reward, 1.0))

    def asked(self, form: BaseFormat = THINK_ANSWER) -> list[Task]:
        """What is tested."""
        correct = _weighted(verify.by_name(self.verifier), 0.0, **METRICS.get(self.verifier, {}))
        return [Task(name, examples, form, correct) for name, examples in self.tests.items()]

    def watched(self, n: int, form: BaseFormat, sampling: Sampling) -> HeldOut:
        """The first `n` questions of the first test and of the last, asked during a training."""
        few = [replace(task, examples=replace(self.tests[task.name], n=n)) for task in self.asked(form)]
        return HeldOut(few[0], sampling, (few[-1],))


def _weighted(correct: Verifier, of_format: float, **metrics: Verifier) -> Verifier:
    unpaid = {name: (metric, 0.0) for name, metric in metrics.items()}
    return verify.weighted(correct=(correct, 1.0), format=(verify.well_formed, of_format), **unpaid)


def drawn(run: Run, n_expressions: int, n_others: int, n_tested: int) -> dict[str, QuestionPart]:
    """Drawn worlds, by part. Plain expressions name attributes of an object, shifted ones its relations to
    others."""

    def part(n: int, verifier: str, world: World, **tests: World) -> QuestionPart:
        asked = {test: run.drawn(one, n_tested, "test") for test, one in tests.items()}
        return QuestionPart(run.drawn(world, n), asked, verifier)

    plain, reasoned = GROUNDING.only("attribute"), GROUNDING.only("relation", "nearest")
    some = DETECTION.only("shape", "colour", "both")
    return {
        "expressions": part(n_expressions, "box_iou_50", plain, attributes=plain, relations=reasoned),
        "detection": part(n_others, "boxes", some, detection=some),
        "screens": part(n_others, "same_text", SCREENS, screens=SCREENS),
    }


def as_published(run: Run) -> dict[str, QuestionPart]:
    """RefCOCO, RefCOCO+ and RefCOCOg, shifted to LISA-Grounding; D3, tested on COCO; screens, tested on drawn
    ones, as no test of them was published."""
    train = tuple(published.load(name, "train", FOLDER, n) for name, n in TRAIN_ROWS.items())
    tests = {name: published.load(name, "val", FOLDER, VAL_ROWS) for name in TRAIN_ROWS}
    tests["lisa_grounding"] = published.load("lisa_grounding", "test", FOLDER, LISA_ROWS)
    coco = {"detection": published.load("coco", "val2017", FOLDER)}
    screens = published.load("gui_defects", "train", FOLDER)
    asked = run.drawn(SCREENS, SCREENS_TESTED, "test")
    return {
        "expressions": QuestionPart(Concatenated(train), tests, "box_iou_50"),
        "detection": QuestionPart(published.load("d3", "full", FOLDER, D3_ROWS), coco, "boxes"),
        "screens": QuestionPart(screens, {"screens": asked}, "same_text"),
    }
