"""Which of two paths is to be preferred: pairs for a round of DPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seethink.formats import THOUGHTS_SUMMARY
from seethink.synth.draft import Ask, Draft, Path, Verdict


@dataclass(frozen=True)
class Pairs:
    """The best right path against a wrong one, or else against the right one with the lowest grade, if that
    is at least `margin` below. The pair goes into meta as `pref`: chosen, rejected, round, and why. Without a
    pair the example goes on without one. Asks nobody.

    round: of iterative DPO, whose later rounds draw the paths from the model of the round before.

    Source: Insight-V. Its rule for pairs is not published ("common practice"); that rejected is the lowest
    where none is wrong, and the margin of 20 points, are ours.
    """

    name: str = "pairs"
    margin: int = 20
    round: int = 1

    async def __call__(self, draft: Draft, ask: Ask) -> Draft:
        found = preferred(draft.paths, self.margin)
        if isinstance(found, str):
            return replace(draft, verdict=Verdict(None, f"no pair: {found}"))
        chosen, rejected, why = found
        pref = {"chosen": thoughts(chosen), "rejected": thoughts(rejected), "round": self.round, "why": why}
        example = replace(draft.example, meta={**draft.example.meta, "pref": pref})
        return replace(draft, example=example, verdict=Verdict(True, why))


def preferred(paths: Sequence[Path], margin: int) -> tuple[Path, Path, str] | str:
    """(chosen, rejected, why), or why there is no pair. Of equals the first counts."""
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


def thoughts(path: Path) -> str:
    """A path as Insight-V's reasoning model says it: a line a step, between its tags."""
    (tag,) = THOUGHTS_SUMMARY.stages
    return f"<{tag}>\n" + "\n".join(path.steps) + f"\n</{tag}>"
