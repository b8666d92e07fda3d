"""Insight-V: several ways step by step, graded beside each other, for two models and their preferences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seethink.synth.chain import Chain
from seethink.synth.chains.rows import told_in_meta
from seethink.synth.draft import Draft, Path
from seethink.synth.steps.answer import Answer
from seethink.synth.steps.grade import Grade
from seethink.synth.steps.leaks import Leaks
from seethink.synth.steps.miner import Miner
from seethink.synth.steps.pairs import Pairs
from seethink.synth.steps.progressive import Progressive
from seethink.synth.steps.summary import Summary, fields, general
from seethink.types import Example


def insight_v(
    paths: int = 4, tries: int = 0, round: int = 1, others: Sequence[Example] = (), per_summary: int = 5
) -> Chain:
    """Rows of four parts: "data", a reasoning model's steps, from paths graded high; "summary", what a second
    model says of high, middling, low and wrong paths; "pairs" for a round of DPO; "general", `others`.

    paths: a question. tries: direct answers by which hard questions are mined first; 0 mines none. round: of
    DPO, from whose model the teacher's answers come. per_summary: general rows for each summary row.

    source   Insight-V (arXiv 2411.14432, CVPR 2025) and its repository
    differs  all that comes after data_check.py is ours, as it is not published: cut-offs 80 and 50, the rule
             for pairs, the targets of the summaries; the number of paths is not published either. No canned
             acknowledgement stands between the question and the first step, reminders do not stay in the
             context, no step is stored twice, and answers are judged by rules before a model is asked. The
             sampling has no repetition penalty.
    """
    mining = (Miner(tries=tries, enough=tries),) if tries else ()
    steps = (*mining, Progressive(paths=paths), Leaks(), Answer(), Grade(), Summary(), Pairs(round=round))
    about = "Several ways step by step, graded beside each other: reasons, summaries and preferences."
    return Chain("insight_v", about, steps, Rows(tuple(others), per_summary))


@dataclass(frozen=True)
class Rows:
    others: tuple[Example, ...] = ()
    per_summary: int = 5

    def __call__(self, draft: Draft) -> Iterator[tuple[str, Example]]:
        meta = told_in_meta(draft)
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
            yield "general", row


def _reason(example: Example, path: Path, number: int) -> Example:
    meta = {**example.meta, "grade": path.grade}
    return replace(example, id=f"{example.id}/path{number}", steps=path.steps, meta=meta)


def _summary(example: Example, path: Path, number: int) -> Example:
    meta = {**example.meta, "final": path.summary, "band": path.band}
    asked = fields(example, path.steps)
    return replace(asked, id=f"{example.id}/summary{number}", meta=meta)
