"""Best of n: sample several answers and keep the one that a scorer, or a majority vote, selects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from seethink.attempt import judge_all
from seethink.evaluate.voting import majority
from seethink.solve.metering import Meter
from seethink.solve.options import SolverOptions, require_sampled
from seethink.solve.scorers import SCORERS, Candidate, best, refuse_unknown_scorer, score_all
from seethink.types import Engine, Example, Rollout, Sampling, Task

MAJORITY = "majority"
EIGHT = Sampling(n=8)


@dataclass(frozen=True)
class BestOfN(SolverOptions):
    """Sample n answers and keep the best: by majority vote, or by a scorer.

    select: "majority", a scorer of `SCORERS`, or your own (`./FILE.py:NAME`). judge_model: the model of the
    scorers judge and process; the one that answers by default.
    """

    select: str = MAJORITY
    judge_model: str = ""
    sampling: Sampling = EIGHT

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unknown_scorer(self.select, [MAJORITY, *SCORERS])
        require_sampled(self.sampling, "the answers would all be the same")

    def answer(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """One rollout for each example, which holds what all its samples took."""
        meter = Meter(len(examples))
        prompts = [task.format.prompt(example) for example in examples]
        completions = meter.ask(engine, range(len(examples)), prompts, self.sampling)
        sampled = judge_all(task, examples, prompts, completions)
        chosen = select(self.select, meter, engine, sampled, self.judge_model)
        return meter.give([[rollouts[i]] for rollouts, i in zip(sampled, chosen, strict=True)])


def select(
    name: str, meter: Meter, engine: Engine, sampled: Sequence[Sequence[Rollout]], model: str = ""
) -> list[int]:
    """The index of the selected rollout of each example."""
    if name == MAJORITY:
        return [_voted(rollouts) for rollouts in sampled]
    candidates = [
        Candidate(
            owner,
            one.example,
            (one.response.text,),
            one.response.logps,
            one,
            one.response.stop != "unanswered",
        )
        for owner, rollouts in enumerate(sampled)
        for one in rollouts
    ]
    values = score_all(name, meter, engine, candidates, model)
    by_owner = groupby(zip(candidates, values, strict=True), key=lambda pair: pair[0].owner)
    return [best([value for _, value in group], 1)[0] for _, group in by_owner]


def _voted(rollouts: Sequence[Rollout]) -> int:
    """The majority's rollout; where no answer can be read, the first that the engine gave."""
    given = [i for i, one in enumerate(rollouts) if one.response.stop != "unanswered"]
    return given[majority([rollouts[i].response.answer for i in given])] if given else 0
