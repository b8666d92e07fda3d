"""Chain of Insight-V: reasoning paths, graded jointly, for a reasoning model, a summary model and DPO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seethink import identity
from seethink.formats import ANSWER_LINE
from seethink.formats.agents import summary_request
from seethink.synth.chain import Chain
from seethink.synth.draft import Draft, ReasoningPath
from seethink.synth.kept_rows import row_meta, without_formal
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.grade import GradeStep
from seethink.synth.steps.leaks import LeaksStep
from seethink.synth.steps.miner import MinerStep
from seethink.synth.steps.preferences import PreferencePairsStep
from seethink.synth.steps.progressive import ProgressiveStep
from seethink.synth.steps.summary import SummaryStep, general
from seethink.types import Example


def insight_v(
    paths: int = 4, tries: int = 0, round: int = 1, others: Sequence[Example] = (), per_summary: int = 5
) -> Chain:
    """Rows of four parts: "data", the steps of paths graded high; "summary", targets of the summary model for
    high, middling, low and wrong paths, as steps and answer; "pairs" for one round of DPO; "general", rows of
    `others`.

    paths: paths for each question. tries: direct answers that mine hard questions first; 0 mines none. round:
    the DPO round whose model is the teacher. others: general rows. per_summary: general rows for each summary
    row.

    source   Insight-V (arXiv 2411.14432, CVPR 2025) and its repository
    differs  everything after data_check.py is ours, because it is not published: the cut-offs 80 and 50, the
             rule for pairs, the targets of summaries; the number of paths is not published either. There is
             no canned acknowledgement before the first step, reminders do not stay in the context, no step is
             stored twice, and rules judge answers before a model does. Sampling has no repetition penalty.
    """
    mining = (MinerStep(tries=tries, easy_from=tries),) if tries else ()
    steps = (
        *mining,
        ProgressiveStep(paths=paths),
        LeaksStep(),
        AnswerStep(),
        GradeStep(),
        SummaryStep(),
        PreferencePairsStep(round=round),
    )
    about = "Reasoning paths, step by step and graded jointly: traces, summaries and preference pairs."
    return Chain("insight_v", about, steps, InsightVRows(others, per_summary))


@dataclass(frozen=True)
class InsightVRows:
    """Rows of a kept draft, each with its part: data, summary, pairs, general."""

    others: Sequence[Example] = ()
    per_summary: int = 5

    @property
    def key(self) -> str:
        """Identity of what the rows hold beside those of the draft."""
        return identity.digest([identity.of_sequence(self.others), self.per_summary])

    def __call__(self, draft: Draft) -> Iterator[tuple[str, Example]]:
        meta = row_meta(draft)
        pref = meta.pop("pref", None)
        example = replace(draft.example, steps=(), meta=meta)
        summaries = 0
        for number, path in enumerate(draft.paths, 1):
            if path.band == "high":
                yield "data", _reason(example, path, number)
            if path.summary is not None:
                summaries += 1
                yield "summary", _summary(example, path, number)
        if pref:
            yield "pairs", replace(example, id=f"{example.id}/pair", meta={**meta, "pref": pref})
        for row in general(example.id, self.others, summaries * self.per_summary):
            yield "general", replace(without_formal(row), id=f"{row.id}/{example.id}")


def _reason(example: Example, path: ReasoningPath, number: int) -> Example:
    meta = {**example.meta, "grade": path.grade}
    return replace(example, id=f"{example.id}/path{number}", steps=path.steps, meta=meta)


def _summary(example: Example, path: ReasoningPath, number: int) -> Example:
    meta = {**example.meta, "final": path.summary, "band": path.band}
    request = summary_request(example, path.steps)
    thought = ANSWER_LINE.parse(path.summary or "").thought
    steps = (thought,) if thought else ()
    return replace(request, id=f"{example.id}/summary{number}", steps=steps, meta=meta)


CHAINS = {"insight_v": insight_v}
