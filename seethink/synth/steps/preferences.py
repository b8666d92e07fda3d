"""Preference pairs of paths, for a round of DPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seethink.formats import THOUGHTS_SUMMARY
from seethink.synth.draft import AskTeacher, Draft, ReasoningPath, StepVerdict


@dataclass(frozen=True)
class PreferencePairsStep:
    """Pair the best correct path with a wrong one, or, if none is wrong, with the correct path of the lowest
    grade, if that is at least `margin` lower. The pair is stored in meta as `pref`: chosen, rejected, round
    and why. Makes no call, and drops nothing.

    round: of iterative DPO, whose later rounds sample the paths from the model of the previous round.

    Source: Insight-V. Its rule for pairs is not published ("common practice"); the choice of the lowest grade
    if no path is wrong, and the margin of 20 points, are ours.
    """

    name: str = "pairs"
    margin: int = 20
    round: int = 1

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft:
        pair = preferred(draft.paths, self.margin)
        if isinstance(pair, str):
            return replace(draft, verdict=StepVerdict(None, f"no pair: {pair}"))
        chosen, rejected, why = pair
        pref = {"chosen": thoughts(chosen), "rejected": thoughts(rejected), "round": self.round, "why": why}
        example = replace(draft.example, meta={**draft.example.meta, "pref": pref})
        return replace(draft, example=example, verdict=StepVerdict(True, why))


def preferred(paths: Sequence[ReasoningPath], margin: int) -> tuple[ReasoningPath, ReasoningPath, str] | str:
    """(chosen, rejected, why), or why there is no pair. The first path wins a tie."""
    graded = [path for path in paths if path.correct and path.grade is not None]
    if not graded:
        return "no right path has a grade"
    best = max(graded, key=lambda path: path.grade or 0)
    if wrong := [path for path in paths if path.correct is False]:
        return best, wrong[0], f"right, with the grade {best.grade}, against wrong"
    least = min(graded, key=lambda path: path.grade or 0)
    if (best.grade or 0) - (least.grade or 0) < max(margin, 1):
        return f"grades from {least.grade} to {best.grade} are less than {margin} apart"
    return best, least, f"grade {best.grade} against {least.grade}"


def thoughts(path: ReasoningPath) -> str:
    """A path as Insight-V's reasoning model writes it: one step per line, between tags."""
    (tag,) = THOUGHTS_SUMMARY.stages
    return f"<{tag}>\n" + "\n".join(path.steps) + f"\n</{tag}>"
